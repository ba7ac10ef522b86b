"""Attacks on the reading of a request: its end, its fields, its host, its path."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from doorward.attack.case import Ask, Attack, Samples

_MISREAD: Final = "API8:2023 Security misconfiguration"
_GET: Final = b"GET {path} HTTP/1.1\r\nHost: {host}\r\n"


def _raw_read(samples: Samples, head: bytes) -> Ask | None:
    """A read sent as these bytes; the credential and the empty line are added."""
    sample = samples.read()
    return sample and replace(sample, raw=head + b"{authorization}\r\n")


def _raw_write(
    samples: Samples, framing: bytes, before: bytes = b"", after: bytes = b"", line: bytes = b""
) -> Ask | None:
    """A valid write with this framing, its body between `before` and `after`."""
    sample = samples.write()
    if sample is None:
        return None
    line = line or b"%s {path} HTTP/1.1\r\n" % sample.method.encode()
    fields = "".join(f"{name}: {value}\r\n" for name, value in sample.headers if name.lower() != "content-length")
    head = line + b"Host: {host}\r\n{authorization}" + fields.encode()
    size = len(sample.body)
    framing = framing.replace(b"LENGTH", b"%d" % size)
    return replace(sample, raw=head + framing + b"\r\n" + before.replace(b"SIZE", b"%x" % size) + sample.body + after)


def _whole(samples: Samples) -> Ask | None:
    return _raw_write(samples, b"Content-Length: LENGTH\r\n")


def _chunked(
    samples: Samples, size: bytes = b"SIZE", *, coding: bytes = b"chunked", end: bytes = b"\r\n0\r\n\r\n"
) -> Ask | None:
    return _raw_write(samples, b"Transfer-Encoding: " + coding + b"\r\n", size + b"\r\n", end)


def _http_1_0_chunked(samples: Samples) -> Ask | None:
    sample = samples.write()
    if sample is None:
        return None
    line = b"%s {path} HTTP/1.0\r\n" % sample.method.encode()
    return _raw_write(samples, b"Transfer-Encoding: chunked\r\n", b"SIZE\r\n", b"\r\n0\r\n\r\n", line)


def _read(samples: Samples) -> Ask | None:
    return samples.read()


def _read_with(samples: Samples, *fields: tuple[str, str]) -> Ask | None:
    sample = samples.read()
    return sample and replace(sample, headers=(*sample.headers, *fields))


def _read_by(samples: Samples, method: str) -> Ask | None:
    sample = samples.read()
    return sample and replace(sample, method=method)


def _read_at(samples: Samples, before: str = "", after: str = "") -> Ask | None:
    """The read with something put before and after its path."""
    sample = samples.read()
    if sample is None:
        return None
    path, mark, query = sample.target.partition("?")
    return replace(sample, target=before + path + after + mark + query)


def _read_in_letters(samples: Samples, percent: str) -> Ask | None:
    """The read with the last letter of its path percent-encoded."""
    sample = samples.read()
    if sample is None:
        return None
    path, mark, query = sample.target.partition("?")
    if not (path[-1].isascii() and path[-1].isalnum()):
        return None
    return replace(sample, target=f"{path[:-1]}{percent}{ord(path[-1]):02x}{mark}{query}")


def _absolute(samples: Samples, host: bytes) -> Ask | None:
    return _raw_read(samples, b"GET https://" + host + b"{path} HTTP/1.1\r\nHost: {host}\r\n")


def _with_body(samples: Samples) -> Ask | None:
    sample = samples.bodiless()
    return sample and replace(sample, body=b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n")


def _to_foreign_host(samples: Samples) -> Ask | None:
    # Only where the policy names its hosts: the laboratory's does.
    sample = samples.lab("ok")
    return sample and replace(sample, raw=b"GET {path} HTTP/1.1\r\nHost: rebound.example\r\n{authorization}\r\n")


def _to_another_certificates_host(samples: Samples) -> Ask | None:
    # Only where there is another certificate: the laboratory's gateway has one for this name.
    sample = samples.lab("ok")
    return sample and replace(sample, raw=b"GET {path} HTTP/1.1\r\nHost: elsewhere.example\r\n{authorization}\r\n")


def _in_the_clear(samples: Samples) -> Ask | None:
    sample = samples.read()
    return sample and replace(sample, plain=True)


def _attack(
    code: str,
    slug: str,
    name: str,
    source: str,
    *,
    send: Callable[[Samples], Ask | None],
    twin: Callable[[Samples], Ask | None],
    earns_close: bool = False,
) -> Attack:
    return Attack(
        id=f"transport.{slug}",
        name=name,
        earns=f"transport.{code}",
        threat=_MISREAD,
        source=source,
        send=send,
        twin=twin,
        earns_close=earns_close,
    )


ATTACKS: Final[tuple[Attack, ...]] = (
    _attack(
        "cl_te",
        "cl_te",
        "two framings in one request (CL.TE smuggling)",
        "RFC 9112 6.1; hostile input S1",
        send=lambda samples: _raw_write(
            samples, b"Content-Length: LENGTH\r\nTransfer-Encoding: chunked\r\n", b"SIZE\r\n", b"\r\n0\r\n\r\n"
        ),
        twin=_whole,
    ),
    _attack(
        "cl_duplicate",
        "cl_duplicate",
        "two lengths for one body",
        "RFC 9112 6.3; hostile input S5",
        send=lambda samples: _raw_write(samples, b"Content-Length: LENGTH\r\nContent-Length: 0\r\n"),
        twin=_whole,
    ),
    _attack(
        "cl_invalid",
        "cl_sign",
        "a length with a plus sign",
        "RFC 9110 8.6; hostile input S6",
        send=lambda samples: _raw_write(samples, b"Content-Length: +LENGTH\r\n"),
        twin=_whole,
    ),
    _attack(
        "te_invalid",
        "te_disguised",
        "a disguised transfer coding",
        "RFC 9112 7; hostile input S7",
        send=lambda samples: _chunked(samples, coding=b",chunked"),
        twin=lambda samples: _chunked(samples, coding=b"Chunked"),
    ),
    _attack(
        "te_unknown",
        "te_unknown",
        "a transfer coding nobody implements",
        "RFC 9112 6.1; hostile input S7",
        send=lambda samples: _chunked(samples, coding=b"xchunked"),
        twin=_chunked,
    ),
    _attack(
        "te_http10",
        "te_http10",
        "chunked in HTTP/1.0",
        "RFC 9112 6.1; hostile input S8; CVE-2026-2833",
        send=_http_1_0_chunked,
        twin=_chunked,
    ),
    _attack(
        "unexpected_body",
        "cl_0",
        "a request hidden in the body of a GET (CL.0)",
        "hostile inputs S2, S3",
        send=_with_body,
        twin=lambda samples: samples.bodiless(),
    ),
    _attack(
        "expect",
        "expect",
        "an expectation nobody knows",
        "RFC 9110 10.1.1; hostile input S4",
        send=lambda samples: _read_with(samples, ("Expect", "200-ok")),
        twin=_read,
    ),
    _attack(
        "chunk_size",
        "chunk_size",
        "a chunk size as C reads it",
        "RFC 9112 7.1; hostile input S14",
        send=lambda samples: _chunked(samples, b"0xSIZE"),
        twin=lambda samples: _chunked(samples, b"00SIZE"),
    ),
    _attack(
        "chunk_extension",
        "chunk_extension",
        "a chunk extension without name",
        "hostile input S15",
        send=lambda samples: _chunked(samples, b"SIZE;"),
        twin=lambda samples: _chunked(samples, b"SIZE;a=b"),
    ),
    _attack(
        "chunk_data",
        "chunk_spill",
        "chunk data that spills over its size",
        "hostile input S16",
        send=lambda samples: _chunked(samples, end=b"XX\r\n0\r\n\r\n"),
        twin=_chunked,
    ),
    _attack(
        "bare_lf",
        "bare_lf",
        "a line ended by LF alone",
        "RFC 9112 2.2; hostile input S11",
        send=lambda samples: _raw_read(samples, _GET + b"X-A: b\nX-C: d\r\n"),
        twin=lambda samples: _raw_read(samples, _GET + b"X-A: b\r\nX-C: d\r\n"),
    ),
    _attack(
        "control_byte",
        "nul",
        "NUL in a field value",
        "RFC 9110 5.5; hostile input S12",
        send=lambda samples: _raw_read(samples, _GET + b"X-A: b\x00c\r\n"),
        twin=lambda samples: _raw_read(samples, _GET + b"X-A: b c\r\n"),
    ),
    _attack(
        "obs_fold",
        "obs_fold",
        "a folded header line",
        "RFC 9112 5.2; hostile input S10",
        send=lambda samples: _raw_read(samples, _GET + b"X-A: b\r\n c\r\n"),
        twin=lambda samples: _raw_read(samples, _GET + b"X-A: b\r\nX-C: c\r\n"),
    ),
    _attack(
        "start_line",
        "two_spaces",
        "two spaces in the request line",
        "RFC 9112 3; hostile input S24",
        send=lambda samples: _raw_read(samples, b"GET  {path} HTTP/1.1\r\nHost: {host}\r\n"),
        twin=lambda samples: _raw_read(samples, _GET),
    ),
    _attack(
        "header_name",
        "space_before_colon",
        "space before the colon",
        "RFC 9112 5.1; hostile input S9",
        send=lambda samples: _raw_read(samples, _GET + b"Transfer-Encoding : chunked\r\n"),
        twin=lambda samples: _raw_read(samples, _GET + b"X-Encoding: chunked\r\n"),
    ),
    _attack(
        "header_duplicate",
        "duplicate",
        "one-valued field twice",
        "RFC 9110 5.3; hostile input H8",
        send=lambda samples: _read_with(samples, ("Referer", "https://a.example/"), ("Referer", "https://b.example/")),
        twin=lambda samples: _read_with(samples, ("Referer", "https://a.example/")),
    ),
    _attack(
        "header_alias",
        "alias",
        "a forwarding field under another spelling",
        "CVE-2026-39858; H5",
        send=lambda samples: _read_with(samples, ("X_Forwarded_For", "127.0.0.1")),
        twin=lambda samples: _read_with(samples, ("X_Api_Edition", "3")),
    ),
    _attack(
        "host_invalid",
        "two_hosts",
        "two Host fields",
        "RFC 9112 3.2; hostile input H1",
        send=lambda samples: _raw_read(samples, _GET + b"Host: other.example\r\n"),
        twin=lambda samples: _raw_read(samples, _GET),
    ),
    _attack(
        "host_mismatch",
        "host_mismatch",
        "a target for one host, Host for another",
        "RFC 9112 3.2.2; H2",
        send=lambda samples: _absolute(samples, b"other.example"),
        twin=lambda samples: _absolute(samples, b"{host}"),
    ),
    _attack(
        "host_unknown",
        "host_unknown",
        "a name somebody else pointed here",
        "RFC 9110 7.4; H3",
        send=_to_foreign_host,
        twin=lambda samples: samples.lab("ok"),
    ),
    _attack(
        "upgrade",
        "websocket",
        "a tunnel past every check",
        "CVE-2026-2833; hostile input S22",
        send=lambda samples: _raw_read(samples, _GET + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"),
        twin=lambda samples: _raw_read(samples, _GET + b"Upgrade: h2c\r\nConnection: Upgrade\r\n"),
    ),
    _attack(
        "method_denied",
        "trace",
        "TRACE, which echoes credentials",
        "RFC 9110 9.3.8; hostile input S23",
        send=lambda samples: _read_by(samples, "TRACE"),
        twin=_read,
    ),
    _attack(
        "method_unknown",
        "unknown_method",
        "a method no rule speaks of",
        "RFC 9110 9.1; hostile input H10",
        send=lambda samples: _read_by(samples, "PROPFIND"),
        twin=_read,
    ),
    _attack(
        "path_traversal",
        "traversal",
        "dot segments that lead elsewhere",
        "RFC 3986 5.2.4; P1",
        send=lambda samples: _read_at(samples, "/public/%2e%2e"),
        twin=_read,
    ),
    _attack(
        "path_double",
        "double_encoding",
        "a letter encoded twice",
        "RFC 3986 2.4; hostile input P2",
        send=lambda samples: _read_in_letters(samples, "%25"),
        twin=lambda samples: _read_in_letters(samples, "%"),
    ),
    _attack(
        "path_matrix",
        "matrix",
        "a path parameter some servers cut off",
        "CVE-2026-73511; P3",
        send=lambda samples: _read_at(samples, after=";x=1"),
        twin=_read,
    ),
    _attack(
        "path_bytes",
        "nul_in_path",
        "NUL and a harmless suffix",
        "hostile inputs P5, P6",
        send=lambda samples: _read_at(samples, after="%00.css"),
        twin=_read,
    ),
    _attack(
        "path_fragment",
        "fragment",
        "a fragment in the target",
        "CVE-2026-41059; hostile input P7",
        send=lambda samples: _read_at(samples, after="#/public"),
        twin=_read,
    ),
    _attack(
        "tls_plaintext",
        "plaintext",
        "the API over plain HTTP",
        "OWASP ASVS 5.0 V12.2.1; hostile input T2",
        send=_in_the_clear,
        twin=_read,
        earns_close=True,
    ),
    _attack(
        "tls_sni",
        "misdirected",
        "a host over a connection that another host's certificate vouched for",
        "RFC 9110 7.4; CVE-2025-23419; hostile inputs T3, T5",
        send=_to_another_certificates_host,
        twin=lambda samples: samples.lab("ok"),
    ),
)
