"""Targets: where a message begins and ends, and what its head says."""

from typing import Final

import httptools
from tests.fuzz.target import Bytes, Target, cuts, exchange, expect_code

from doorward.controls.transport import (
    ChunkedBody,
    TransportPolicy,
    WebSocketPolicy,
    check_handshake,
    check_head,
    compile_check,
    without_upgrade,
)
from doorward.denial import Denied
from doorward.exchange import Header, Headers, Request
from doorward.gateway.http2.frames import PREFACE, Abuse, FrameWatch
from doorward.gateway.http2.request import read_request
from doorward.gateway.request_head import HeadReader
from doorward.gateway.response_head import read_fields, read_response_head

HEAD_WORDS: Final = (
    *(b"GET", b"POST", b"HEAD", b"CONNECT", b"/", b"/a?b=c", b"*", b"http://a/", b" HTTP/1.1", b" HTTP/1.0", b"\r\n"),
    *(b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b":", b": ", b"\x00", b"\x0b", b"\x7f", b"\xff", b"GET / HTTP/1.1\r\n"),
    *(b"Host: a\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
    *(b"Transfer-Encoding", b"Content-Length", b"Content_Length", b"chunked", b"gzip, ", b"identity", b"Expect: "),
    *(b"100-continue", b"Upgrade: ", b"websocket", b"h2c", b"Connection: ", b"keep-alive", b"0", b"3", b"+", b","),
)
_RESPONSE_WORDS: Final = (
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"HTTP/1.1 ", b"204", b"304", b"100", b"999", b" ", b"\r\n", b"\n", b"\r"),
    *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: ", b"close", b"keep-alive", b"x-a"),
    *(b"x-a: b\r\n", b"Set-Cookie: a=b\r\n", b":", b"\t", b"\x00", b",", b"\xff", b"Content-Length", b"0", b"99999"),
)
_CHUNK_WORDS: Final = (
    *(
        b"0\r\n\r\n",
        b"3\r\nabc\r\n",
        b"0\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"a",
        b"A",
        b"00",
        b";",
        b"x=y",
        b'="',
        b'"',
        b"\\",
    ),
    *(b"Content-Length: 3", b"X: y\r\n", b"Host: ", b" ", b"\t", b"0x", b"-1", b"ffffffffffffffff", b"GET / HTTP/1.1"),
)
_HEAD_END: Final = b"\r\n\r\n"


class _Recorder:
    """What llhttp says of one message."""

    def __init__(self) -> None:
        self.fields: list[Header] = []
        self.body = b""
        self.is_complete = self.in_body = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_body:
            self.fields.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.in_body = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True


def request_head(data: bytes) -> None:
    """A head that is taken says what its lines say, to llhttp as well; its fields stand for themselves the next time."""
    head = data.partition(_HEAD_END)[0] + _HEAD_END
    reader = HeadReader()
    try:
        check_head(head)
    except Denied as denied:
        expect_code(denied, "transport.")
        return
    # Its own reader refuses what llhttp refuses: that the two agree on everything that is taken, this shows.
    read = reader.read(head)
    start, *lines = without_upgrade(head).removeprefix(b"\r\n")[:-4].split(b"\r\n")
    method, target, version = start.split(b" ")
    assert (read.method.encode(), read.target, read.http_1_1) == (method, target, version == b"HTTP/1.1")
    plain = [(name.lower(), value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]
    kept = [field for field in read.headers if not read.asks_websocket or field[0] != b"upgrade"]
    assert kept == [field for field in plain if not read.asks_websocket or field[0] != b"upgrade"]
    assert not (read.is_chunked and read.length)
    again = HeadReader()
    first = b"GET /first HTTP/1.1\r\n" + head.removeprefix(b"\r\n").partition(b"\r\n")[2]
    if again.read(first).is_chunked:
        again.second.read_body(b"0\r\n\r\n", is_last=True)
    elif read.length > 1 << 16:
        return
    elif read.length:
        again.second.read_body(bytes(read.length), is_last=True)
    second = again.read(head)
    assert (second.method, second.target, second.headers.items, second.length, second.is_chunked) == (
        read.method,
        read.target,
        read.headers.items,
        read.length,
        read.is_chunked,
    )


def chunked_body(data: bytes) -> None:
    """A body is read alike in whatever pieces it comes, and llhttp finds the same data and the same end in it."""
    choices = Bytes(data)
    lengths = bytes(choices.number(8) for _ in range(choices.number(4)))
    raw = choices.rest()
    whole, in_pieces = _decoded(raw, ()), _decoded(raw, tuple(cuts(raw, lengths)))
    assert whole == in_pieces
    if whole is None:
        return
    body, is_complete, rest = whole
    assert len(body) + len(rest) <= len(raw)
    if not is_complete:
        return
    message = raw[: len(raw) - len(rest)]
    second = _Recorder()
    httptools.HttpRequestParser(second).feed_data(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + message
    )
    assert (second.body, second.is_complete) == (body, True)


def _decoded(raw: bytes, pieces: tuple[bytes, ...]) -> tuple[bytes, bool, bytes] | None:
    decoder = ChunkedBody()
    body = b""
    try:
        if not pieces:
            body = decoder.feed(raw)
        for piece in pieces:
            if decoder.is_complete:
                decoder.rest += piece
            else:
                body += decoder.feed(decoder.rest + piece)
    except Denied as denied:
        expect_code(denied, "transport.")
        return None
    return body, decoder.is_complete, decoder.rest


def response_head(data: bytes) -> None:
    """A response head that is taken is read alike by llhttp, and no field of it can end a line or frame a body."""
    head = data.partition(_HEAD_END)[0] + _HEAD_END
    try:
        _, status, fields = read_fields(head)
        read = read_response_head(head, to_head_request=False)
    except Denied as denied:
        expect_code(denied, "forward.upstream_framing")
        return
    assert read.status == status
    assert 100 <= status <= 999
    for name, value in read.headers:
        assert name not in {b"content-length", b"transfer-encoding", b"connection"}
        assert not set(name + value) & set(b"\r\n\0")
        assert name == name.lower()
    assert read.length is None or read.length >= 0
    assert not (read.chunked and read.length is not None)
    second = _Recorder()
    try:
        httptools.HttpResponseParser(second).feed_data(head)
    except httptools.HttpParserError:
        return  # stricter than we are: nothing is read in two ways
    except httptools.HttpParserUpgrade:
        return
    assert [(name, value.strip(b" \t")) for name, value in second.fields] == fields


def request_check(data: bytes) -> None:
    """What transport lets through has one host, a canonical path, and no field twice that may come once."""
    lines = data.split(b"\n")
    target, headers = lines[0], [(line.partition(b":")[0].lower(), line.partition(b":")[2]) for line in lines[1:]]
    made = exchange("GET", target, headers)
    try:
        _TRANSPORT(made)
    except Denied as denied:
        expect_code(denied, "transport.")
        return
    request = made.request
    assert request.headers.all(b"host") == [request.headers.get(b"host")]
    assert request.path.startswith(b"/")
    assert b"#" not in request.path + request.query
    before = request.path
    _TRANSPORT(made)
    assert request.path == before


_TRANSPORT: Final = compile_check(TransportPolicy())
_WEBSOCKET: Final = WebSocketPolicy(origins=("https://app.test",), subprotocols=("chat",))


def websocket_handshake(data: bytes) -> None:
    """An offer is taken out whole, and a handshake that is taken has one key and an origin that is listed."""
    head = b"GET / HTTP/1.1\r\n" + data.partition(_HEAD_END)[0] + _HEAD_END
    try:
        check_head(head)
    except Denied:
        return
    bare = without_upgrade(head)
    assert without_upgrade(bare) == bare
    assert b"\nupgrade:" not in bare.lower()
    fields = [line.partition(b":") for line in head.split(b"\r\n")[1:] if line]
    headers = Headers([(name.lower(), value.strip(b" \t")) for name, _, value in fields])
    request = Request("GET", b"/", b"/", b"", headers)
    try:
        agreed = check_handshake(request, _WEBSOCKET)
    except Denied as denied:
        expect_code(denied, "transport.upgrade", "authorize.origin")
        return
    assert set(agreed) <= {b"chat"}
    assert len(headers.all(b"sec-websocket-key")) == 1
    assert headers.all(b"origin") in ([], [b"https://app.test"])


def http2_request(data: bytes) -> None:
    """Fields of HTTP/2 that are taken make a head that HTTP/1.1 takes too, with one host and no smuggled line."""
    fields = [(line.partition(b"=")[0], line.partition(b"=")[2]) for line in data.split(b"\x01")]
    try:
        request, length = read_request(list(fields), scheme="https", ends=False)
    except Denied as denied:
        expect_code(denied, "transport.")
        return
    assert length is None or length >= 0
    for name, value in request.headers:
        assert not set(name + value) & set(b"\r\n\0")
        assert name[:1] != b":"
    head = b"%b %b HTTP/1.1\r\n" % (request.method.encode(), request.target)
    check_head(head + b"".join(b"%b: %b\r\n" % field for field in request.headers) + b"\r\n")


def http2_frames(data: bytes) -> None:
    """Frames are counted alike in whatever pieces they come, and an abuser is stopped within the bounds."""

    def outcome(pieces: tuple[bytes, ...]) -> str:
        watch = FrameWatch(16_384, lambda: 0.0)
        try:
            for piece in pieces:
                watch.feed(piece)
        except Abuse as abuse:
            return str(abuse)
        return ""

    choices = Bytes(data)
    lengths = bytes(choices.number(8) for _ in range(choices.number(4)))
    raw = PREFACE + choices.rest()
    assert outcome((raw,)) == outcome(tuple(cuts(raw, lengths)))


_HANDSHAKE_WORDS: Final = (
    *(b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n", b"Sec-WebSocket-Version: 13\r\n", b"Origin: "),
    *(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"https://app.test\r\n", b"Sec-WebSocket-Protocol: chat\r\n"),
    *(b"HTTP2-Settings: a\r\n", b"\r\n", b",", b"upgrade", b"h2c", b" ", b"\t", b"\r", b"\n", b":", b"UPGRADE:"),
)
_FIELD_WORDS: Final = (
    *(b":method=GET", b":path=/", b":scheme=https", b":authority=a", b"\x01", b"host=a", b"host=b", b"cookie=a", b"="),
    *(b"te=trailers", b"te=", b"content-length=3", b"transfer-encoding=chunked", b"connection=close", b"x=y", b"\r\n"),
    *(b":method=GET\x01:path=/\x01:scheme=https\x01:authority=a", b"A=b", b" ", b"\x00", b"*", b"content_length=1"),
)
_FRAME_WORDS: Final = tuple(
    length.to_bytes(3, "big") + bytes((kind, flags)) + b"\x00\x00\x00\x01"
    for length in (0, 1, 9, 255)
    for kind in range(11)
    for flags in (0, 4, 13)
)
_REQUEST_WORDS: Final = (
    *(b"/", b"/a?b", b"http://a/", b"https://A:80", b"\n", b"\nhost:a", b"\nhost:b.c.", b"\nhost:[::1]:80", b"@", b"#"),
    *(b"\nauthorization:x", b"\nx_forwarded_for:1", b"\nx-forwarded-for:1", b"%2e", b"..", b";", b"\\", b"%00", b"?"),
    *(b"\nconnection:x, close", b":0", b":65536", b"a" * 64, b".", b"\xc3\xa4"),
)

TARGETS: Final[dict[str, Target]] = {
    "request_head": Target(request_head, HEAD_WORDS),
    "chunked_body": Target(chunked_body, _CHUNK_WORDS),
    "response_head": Target(response_head, _RESPONSE_WORDS),
    "request_check": Target(request_check, _REQUEST_WORDS),
    "websocket_handshake": Target(websocket_handshake, _HANDSHAKE_WORDS),
    "http2_request": Target(http2_request, _FIELD_WORDS),
    "http2_frames": Target(http2_frames, _FRAME_WORDS),
}
