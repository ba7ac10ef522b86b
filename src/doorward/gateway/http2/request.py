"""From the fields of an HTTP/2 request to the request that the pipeline judges: the same one HTTP/1.1 would have made.

The fields are written as an HTTP/1.1 head and read by the same check, so that a fault has the same code in both
versions, and nothing passes in one that the other refuses.
"""

import re
from typing import Final, Literal

from doorward.controls.transport import check_head
from doorward.denial import Denied
from doorward.exchange import Header, Headers, Request

_PSEUDO: Final = frozenset({b":method", b":scheme", b":authority", b":path"})
_CONNECTION_SPECIFIC: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"http2-settings"}
)
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]++")
_VALUE: Final = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*+(?<![\t ]))?+)?+")
_TARGET: Final = re.compile(rb"(?:/|\*\Z)[!-~\x80-\xff]*+")


def read_request(fields: list[Header], *, scheme: Literal["http", "https"], ends: bool) -> tuple[Request, int | None]:
    """The request, and the length it announces. `ends`: no body follows.

    Errors: Denied `transport.*`.
    Source: RFC 9113 sections 8.1.1, 8.2, 8.3; hostile inputs S19-S21.
    """
    pseudo, headers = _split(fields)
    method, path = pseudo.get(b":method"), pseudo.get(b":path")
    if method is None or path is None or b":scheme" not in pseudo:
        raise Denied("transport.start_line", "a pseudo-header field is missing")
    if pseudo[b":scheme"] != scheme.encode("ascii"):
        raise Denied("transport.start_line", f":scheme {pseudo[b':scheme'][:16]!r} over {scheme}")
    if _TARGET.fullmatch(path) is None:
        raise Denied("transport.start_line", f":path {path.partition(b'?')[0][:64]!r}")
    lines = b"".join([b"%b: %b\r\n" % field for field in headers])
    check_head(b"%b %b HTTP/1.1\r\n%b\r\n" % (method, path, lines))
    target = Headers(headers)
    length = target.get(b"content-length")
    bare, _, query = path.partition(b"?")
    request = Request(
        method=method.decode("ascii"),
        target=path,
        path=bare,
        query=query,
        headers=target,
        scheme=scheme,
        http_version="2",
        has_body=not ends,
    )
    return request, None if length is None else int(length)


def unreadable(fields: list[Header], scheme: Literal["http", "https"]) -> Request:
    """A request that could not be read, as far as it can be told for the record."""
    told = {name: value for name, value in fields if name in _PSEUDO}
    method = told.get(b":method", b"?")
    target = told.get(b":path", b"")
    return Request(
        method=method.decode("ascii") if re.fullmatch(rb"[A-Z]{1,16}", method) else "?",
        target=target,
        path=target.partition(b"?")[0],
        query=b"",
        headers=Headers([]),
        scheme=scheme,
        http_version="2",
    )


def _split(fields: list[Header]) -> tuple[dict[bytes, bytes], list[Header]]:
    """The pseudo-header fields, and the others with Host first and the crumbs of a cookie joined."""
    pseudo: dict[bytes, bytes] = {}
    headers: list[Header] = []
    crumbs: list[bytes] = []
    for name, value in fields:
        if _VALUE.fullmatch(value) is None:
            raise Denied("transport.control_byte", f"a control byte or outer space in the value of {name[:64]!r}")
        if name[:1] == b":":
            if name not in _PSEUDO or name in pseudo or headers or crumbs:
                raise Denied("transport.start_line", f"{name[:32]!r} is unknown, comes twice, or too late")
            pseudo[name] = value
        elif _NAME.fullmatch(name) is None:
            raise Denied("transport.header_name", f"field name {name[:16]!r}")
        elif name in _CONNECTION_SPECIFIC or (name == b"te" and value != b"trailers"):
            raise Denied("transport.te_invalid", f"{name.decode('ascii')} in HTTP/2")
        elif name == b"cookie":
            crumbs.append(value)
        else:
            headers.append((name, value))
    if crumbs:
        headers.append((b"cookie", b"; ".join(crumbs)))
    authority = pseudo.get(b":authority")
    hosts = [value for name, value in headers if name == b"host"]
    if authority is not None:
        if any(host.lower() != authority.lower() for host in hosts):
            raise Denied("transport.host_mismatch", f":authority {authority[:255]!r}, Host {hosts[0][:255]!r}")
        if not hosts:
            headers.insert(0, (b"host", authority))
    return pseudo, headers
