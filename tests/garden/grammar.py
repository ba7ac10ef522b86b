"""Requests that two servers might read differently: a seeded grammar of everything a request can be ambiguous in."""

import random
from typing import Final

_METHODS: Final = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "get", "GE T", "FOO")
_TARGETS: Final = (
    "/a", "/a/b", "/a?b=c", "/a?b=c&d=%20", "/%61", "/a%2fb", "/a%2Fb", "/a//b", "/./a", "/a/../b", "/a/%2e%2e/b",
    "/a;b=c", "/a%3bb", "/a%00", "/a\\b", "/a%5cb", "/a#b", "/a b", "/\xe4", "/%c3%a4", "/%e4", "/a?b=%zz", "/a%",
    "http://api.test/a", "http://API.test/a?b", "http://evil.test/a", "https://api.test/a", "//a", "/a?/../b", "*",
    "a", "", "/?", "/a?b?c", "/" + "x" * 300, "/%2561", "/a:80", "/@evil", "/a?x=http://evil",
)  # fmt: skip
_VERSIONS: Final = ("HTTP/1.1",) * 12 + ("HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", "HTTP/1.10", "")
_ENDS: Final = (b"\r\n",) * 30 + (b"\n", b"\r", b"\n\r", b"\r\r\n")
_EXTRA: Final = (
    "X-A: b", "X-A:b", "X-A:  b  ", "X-A : b", " X-A: b", "X-A:\tb", "X-A: b\x0bc", "X-A: b\x00c", "X-A", ": b", "X-A:",
    "X_A: b", "Content_Length: 3", "Transfer_Encoding: chunked", "X-A: b\r c", "X-A: \xe4", "Connection: close",
    "Connection: keep-alive", "Connection: x-a, content-length", "Connection: Host", "Upgrade: h2c", "Expect: 100-continue",
    "Expect: 200-ok", "Host: api.test", "Host: evil.test", "X-Forwarded-For: 1.1.1.1", "X-Request-Id: forged",
    "Trailer: X-A", "TE: trailers", "Keep-Alive: timeout=5", "Cookie: a=1; b=2", "Accept-Encoding: gzip",
    "X-HTTP-Method-Override: DELETE", "Content-Type: text/plain", "Range: bytes=0-1",
)  # fmt: skip
_LENGTHS: Final = (
    "{n}", " {n}", "{n} ", "+{n}", "0{n}", "{n},{n}", "{n}, {n}", "0x{n}", "{n}.0", "-1", "", "{m}", "99999999999999999999",
    "\t{n}",
)  # fmt: skip
_CODINGS: Final = (
    "chunked", "Chunked", " chunked", "chunked ", "chunked\t", "\tchunked", "chunked, chunked", "identity", "gzip, chunked",
    "chunked, identity", "xchunked", "chunked;q=1", '"chunked"', "chunked,", ",chunked", "\x0bchunked", "chunk",
)  # fmt: skip
_SIZES: Final = (
    "{x}",
    "{X}",
    "0{x}",
    "{x};a=b",
    "{x} ;a",
    "{x}\t",
    " {x}",
    "0x{x}",
    "+{x}",
    "{x};a=\n",
    "-{x}",
    "{x}g",
    "",
)


def request(seed: int) -> bytes:
    """The request of a seed, perhaps a sound one, and what else its sender puts behind it."""
    chance = random.Random(seed)
    end = chance.choice(_ENDS) if chance.random() < 0.03 else b"\r\n"
    method = chance.choice(_METHODS) if chance.random() < 0.1 else chance.choice(("GET", "POST"))
    target = chance.choice(_TARGETS) if chance.random() < 0.4 else f"/item/{seed}"
    version = chance.choice(_VERSIONS) if chance.random() < 0.15 else "HTTP/1.1"
    lines = [f"{method} {target} {version}".rstrip(" ") if not version else f"{method} {target} {version}"]
    fields = [] if chance.random() < 0.03 else ["Host: api.test"]
    fields += chance.sample(_EXTRA, chance.choice((0, 0, 0, 1, 1, 2)))
    body = chance.choice((b"", b"abc", b"GET /smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n", b"0\r\n\r\n"))
    framing = chance.choice(
        ("none", "length", "length", "chunked", "chunked", "both", "odd-length", "odd-coding", "twice")
    )
    if framing in {"length", "both", "twice"} or (framing == "none" and body):
        fields.append(f"Content-Length: {len(body)}")
    if framing == "twice":
        fields.append(f"content-length: {chance.choice((len(body), 0, len(body) + 1))}")
    if framing == "odd-length":
        text = chance.choice(_LENGTHS).format(n=len(body), m=max(0, len(body) - 1))
        fields.append(f"Content-Length:{text}")
    if framing in {"chunked", "both"}:
        fields.append("Transfer-Encoding: chunked")
    if framing == "odd-coding":
        fields.append(f"Transfer-Encoding:{chance.choice(_CODINGS)}")
    if framing in {"chunked", "both", "odd-coding"}:
        body = _chunked(chance, body)
    chance.shuffle(fields)
    head = end.join(line.encode("latin-1") for line in lines + fields) + end + end
    return head + body


def _chunked(chance: random.Random, body: bytes) -> bytes:
    pieces = b""
    for start in range(0, len(body), 7):
        piece = body[start : start + 7]
        size = chance.choice(_SIZES) if chance.random() < 0.15 else "{x}"
        line = size.format(x=f"{len(piece):x}", X=f"{len(piece):X}").encode("latin-1")
        pieces += line + b"\r\n" + piece + (b"\r\n" if chance.random() > 0.03 else b"\n")
    trailer = chance.choice((b"", b"", b"", b"X-A: b\r\n", b"Content-Length: 3\r\n", b"Host: evil\r\n"))
    last = chance.choice((b"0\r\n", b"0\r\n", b"0\r\n", b"00\r\n", b"0;a\r\n", b"0\n"))
    return pieces + last + trailer + b"\r\n"
