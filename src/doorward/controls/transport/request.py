"""The parsed request: host, target form, method, repeated and disguised fields; findings about what was stripped."""

import re
from typing import Final

from doorward.controls.transport.head import METHODS
from doorward.controls.transport.path import canonical_path
from doorward.controls.transport.policy import TransportPolicy
from doorward.denial import Denied
from doorward.exchange import Check, Exchange, Headers, Request
from doorward.wire import FORWARDING, HOP_BY_HOP, IDENTITY, METHOD_OVERRIDE, RANGE_PARTS

SINGLETONS: Final = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
        b"date",
        b"expect",
        b"from",
        b"host",
        b"idempotency-key",
        b"if-modified-since",
        b"if-range",
        b"if-unmodified-since",
        b"max-forwards",
        b"origin",
        b"proxy-authorization",
        b"range",
        b"referer",
        b"traceparent",
        b"transfer-encoding",
        b"user-agent",
        b"x-api-key",
    }
)
"""Fields with one value by definition. Sent twice, one server takes the first and the next the last (H8)."""

_METHODS: Final = frozenset(method.decode("ascii") for method in METHODS)
_DENIED_METHODS: Final = frozenset({"CONNECT", "TRACE", "TRACK"})
_ALLOW: Final = ((b"allow", b", ".join(sorted(METHODS))),)
_ALIASED: Final = FORWARDING | IDENTITY | METHOD_OVERRIDE | HOP_BY_HOP | SINGLETONS | {b"cookie", b"content-length"}
_FINDINGS: Final = (
    ("transport.forwarded", FORWARDING),
    ("transport.identity_header", IDENTITY),
    ("transport.method_override", METHOD_OVERRIDE),
)
_NOTED: Final = FORWARDING | IDENTITY | METHOD_OVERRIDE | {b"connection", b"range"}
_HARMLESS_OPTIONS: Final = frozenset({b"keep-alive", b"close", b""})

# A registered name or IPv4 address, or an IPv6 address in brackets; then a port.
_HOST: Final = re.compile(
    rb"([a-z0-9_-]++(?:\.[a-z0-9_-]++)*+\.?+|\[[0-9a-f:]++(?:\.[0-9]++)*+\])(?::([1-9][0-9]{0,4}))?+"
)
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*+)(/.*+)?", re.IGNORECASE | re.DOTALL)
_QUERY: Final = re.compile(rb"[!\"$-~]*+")


def compile_check(policy: TransportPolicy) -> Check:
    """The check every request passes first. Replaces `request.path` by its canonical form and notes findings.

    Errors (of the check): Denied `transport.host_*`, `header_*`, `method_*`, `path_*`, `start_line`, `tls_sni`.
    Source: RFC 9112 section 3.2; hostile inputs H1-H8, H10, P1-P7, S23.
    """
    hosts = frozenset(host.encode("ascii") for host in policy.hosts)
    key = object()

    def judge(headers: Headers) -> tuple[bytes, tuple[str, ...]]:
        _check_names(headers)
        host = _host_of(headers)
        if hosts and host not in hosts and host.rpartition(b":")[0] not in hosts:
            raise Denied("transport.host_unknown", f"host {host[:255]!r} is not served here")
        judged = headers.memo[key] = host, _noted(headers)
        return judged

    def check(exchange: Exchange) -> None:
        request = exchange.request
        headers = request.headers
        if request.method not in _METHODS:
            _refuse_method(request.method)
        host, findings = headers.memo.get(key) or judge(headers)
        source = exchange.source
        if source.shown_names is not None:
            _check_shown(source.shown_names, host)
        if source.certificate is not None:
            exchange.findings.append(f"transport.certificate:{source.certificate.thumbprint}")
        path = request.path
        if path[:1] != b"/":
            path = _path_of_absolute(request, host)
        if request.query and _QUERY.fullmatch(request.query) is None:
            _refuse_query(request.query)
        request.path = canonical_path(path)
        if findings:
            exchange.findings.extend(findings)

    return check


def _refuse_method(method: str) -> None:
    if method in _DENIED_METHODS:
        raise Denied("transport.method_denied", f"method {method}", headers=_ALLOW)
    raise Denied("transport.method_unknown", f"method {method[:32]!r}")


def _refuse_query(query: bytes) -> None:
    if b"#" in query:
        raise Denied("transport.path_fragment", "`#` in the query")
    raise Denied("transport.path_bytes", "raw bytes that are no URI characters in the query")


def _check_names(headers: Headers) -> None:
    if headers.has_repeats:
        seen: set[bytes] = set()
        for name, _ in headers.items:
            if name in seen and name in SINGLETONS:
                code = "transport.host_invalid" if name == b"host" else "transport.header_duplicate"
                raise Denied(code, f"{name.decode('ascii')} came twice")
            seen.add(name)
    for name in headers.names:
        if b"_" in name and name.replace(b"_", b"-") in _ALIASED:
            raise Denied("transport.header_alias", f"{name!r} may be read as {name.replace(b'_', b'-')!r}")


def _host_of(headers: Headers) -> bytes:
    """The host asked for, in its one spelling: lower case, no final dot, with the port if one was written."""
    value = headers.get(b"host")
    if value is None:
        raise Denied("transport.host_invalid", "no Host")
    return _folded(value)


def _folded(value: bytes) -> bytes:
    match = _HOST.fullmatch(value.lower()) if len(value) <= 255 + 6 else None
    if match is None or (match[2] and int(match[2]) > 65535):
        raise Denied("transport.host_invalid", f"Host {value[:255]!r}")
    name: bytes = match[1].removesuffix(b".")
    return name + b":" + match[2] if match[2] else name


def _check_shown(names: frozenset[bytes], host: bytes) -> None:
    """Nothing, when the certificate of the connection is good for the host.

    A request for another one is misdirected: whoever vouched for the connection did not vouch for this host.
    Source: RFC 9110 sections 4.3.3, 7.4, 15.5.20; RFC 9525 section 6.3 (wildcards); hostile inputs T3, T5.
    """
    name = host[1 : host.index(b"]")] if host[:1] == b"[" else host.partition(b":")[0]
    if name not in names and b"*." + name.partition(b".")[2] not in names:
        raise Denied("transport.tls_sni", f"host {host!r} over a connection for {b', '.join(sorted(names))[:255]!r}")


def _path_of_absolute(request: Request, host: bytes) -> bytes:
    """The path of an absolute-form target whose authority is the Host; a server must accept it (RFC 9112 3.2.2)."""
    match = _ABSOLUTE.fullmatch(request.path)
    if match is None:
        raise Denied("transport.start_line", f"request target {request.path[:64]!r}")
    authority, path = match.groups()
    if b"@" in authority:
        raise Denied("transport.host_invalid", "user information in the request target")
    if _folded(authority) != host:
        raise Denied("transport.host_mismatch", f"target for {authority[:255]!r}, Host {host!r}")
    return path or b"/"


def _noted(headers: Headers) -> tuple[str, ...]:
    """Findings about fields that will not be forwarded."""
    names = headers.names
    if names.isdisjoint(_NOTED):
        return ()
    findings = [finding for finding, noted in _FINDINGS if not names.isdisjoint(noted)]
    options = b",".join(headers.all(b"connection")).split(b",")
    if any(option.strip(b" \t").lower() not in _HARMLESS_OPTIONS for option in options):
        findings.append("transport.hop_by_hop")
    if any(value.count(b",") >= RANGE_PARTS for value in headers.all(b"range")):
        findings.append("transport.range")
    return tuple(findings)
