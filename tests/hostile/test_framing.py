"""Group S: where does the request end? Each row whole and byte by byte; twins beside them."""

import socket

import pytest
from tests.gateway.lab import Lab, request
from tests.hostile.judge import (
    CUTS,
    Cut,
    assert_canonical,
    assert_clean,
    assert_passes,
    assert_refused,
    assert_serves_others,
    pieces,
)

POST = "POST /items HTTP/1.1\r\nHost: api.test\r\n"


def raw(text: str) -> bytes:
    return text.encode("latin-1")


def lengths(*values: str) -> bytes:
    return raw(POST + "".join(f"Content-Length: {value}\r\n" for value in values) + "\r\nabcde")


def codings(*values: str, body: str = "0\r\n\r\n", version: str = "1.1") -> bytes:
    lines = "".join(f"Transfer-Encoding:{value}\r\n" for value in values)
    return raw(f"POST /items HTTP/{version}\r\nHost: api.test\r\n{lines}\r\n{body}")


def chunks(body: str) -> bytes:
    return codings(" chunked", body=body)


ROWS = {
    "S1-CL.TE": (raw(POST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "transport.cl_te"),
    "S1-TE.CL": (raw(POST + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"), "transport.cl_te"),
    "S1-case": (raw(POST + "tRANSFER-eNCODING: x\r\ncONTENT-lENGTH: 5\r\n\r\n0\r\n\r\n"), "transport.cl_te"),
    "S2-chunked-get": (
        request("GET", "/items", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        "transport.unexpected_body",
    ),
    "S2-length-get": (request("GET", "/items", body=b"GET /admin HTTP/1.1\r\n\r\n"), "transport.unexpected_body"),
    "S4-bogus-expect": (request("POST", "/items", "Expect: 200-ok", body=b"x"), "transport.expect"),
    "S5-differing": (lengths("5", "6"), "transport.cl_duplicate"),
    "S5-equal": (lengths("5", "5"), "transport.cl_duplicate"),
    "S5-list": (lengths("5, 5"), "transport.cl_duplicate"),
    "S5-empty-then-full": (lengths("", "5"), "transport.cl_duplicate"),
    **{
        f"S6-{value!r}": (lengths(value), "transport.cl_invalid")
        for value in ("+5", "-0", "0x5", "5_0", "05", "5 5", "1Z", "", "9" * 20, "\xa05", "5\x85", "\xb2")
    },
    **{
        f"S7-{value!r}": (codings(value), f"transport.{code}")
        for value, code in (
            (" xchunked", "te_unknown"),
            (" ,chunked", "te_invalid"),
            (" chunked,", "te_invalid"),
            (" identity", "te_invalid"),
            (" gzip", "te_invalid"),
            (" chunked, gzip", "te_invalid"),
            (" gzip, chunked", "te_unknown"),
            (" chunked, chunked", "te_invalid"),
            (" chunked;a=b", "te_invalid"),
            (" \xa0chunked", "te_invalid"),
            (" chunked\x85", "te_invalid"),
            (" \x0bchunked", "control_byte"),
            (" chunked\x0c", "control_byte"),
            (' "chunked"', "te_invalid"),
            (" chunked\t", "te_invalid"),
            ("", "te_invalid"),
        )
    },
    "S7-two-lines": (codings(" chunked", " chunked"), "transport.te_invalid"),
    "S7-two-lines-identity": (codings(" identity", " chunked"), "transport.te_invalid"),
    "S8": (codings(" chunked", version="1.0"), "transport.te_http10"),
    "S9-space": (raw(POST + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"), "transport.header_name"),
    "S9-tab": (raw(POST + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"), "transport.header_name"),
    "S9-nul": (raw(POST + "Transfer\x00-Encoding: chunked\r\n\r\n0\r\n\r\n"), "transport.header_name"),
    "S9-alias": (raw(POST + "Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n"), "transport.header_name"),
    "S9-high-byte": (raw(POST + "Content-Length\x85: 5\r\n\r\nabcde"), "transport.header_name"),
    "S10-folded": (raw(POST + "X-A: b\r\n c\r\n\r\n"), "transport.obs_fold"),
    "S10-folded-name": (raw(POST + "X-\r\n A: b\r\n\r\n"), "transport.header_name"),
    "S10-folded-te": (raw(POST + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"), "transport.obs_fold"),
    "S11-start-line": (b"GET /items HTTP/1.1\nHost: api.test\r\n\r\n", "transport.bare_lf"),
    "S11-header": (raw("GET /items HTTP/1.1\r\nHost: api.test\nX: y\r\n\r\n"), "transport.bare_lf"),
    "S11-all": (b"GET /items HTTP/1.1\nHost: api.test\n\n", "transport.bare_lf"),
    "S11-chunk-line": (chunks("5\nabcde\r\n0\r\n\r\n"), "transport.bare_lf"),
    "S11-extension": (chunks("5;a=b\nabcde\r\n0\r\n\r\n"), "transport.bare_lf"),
    "S11-last-line": (chunks("5\r\nabcde\r\n0\r\n\n"), "transport.bare_lf"),
    "S11-chunk-end": (chunks("5\r\nabcde\n0\r\n\r\n"), "transport.chunk_data"),
    "S11-trailer": (chunks("0\r\nX: y\n\r\n"), "transport.bare_lf"),
    "S12-bare-cr": (raw(POST + "X: a\rb\r\n\r\n"), "transport.control_byte"),
    "S12-nul": (raw(POST + "X: a\x00b\r\n\r\n"), "transport.control_byte"),
    "S12-del": (raw(POST + "X: a\x7fb\r\n\r\n"), "transport.control_byte"),
    "S12-cr-line": (raw(POST + "\rX: a\r\n\r\n"), "transport.header_name"),
    "S13-empty-name": (raw(POST + ": x\r\n\r\n"), "transport.header_name"),
    "S13-no-colon": (raw(POST + "hello\r\n\r\n"), "transport.header_name"),
    "S13-leading-space": (raw("GET /items HTTP/1.1\r\n Host: api.test\r\n\r\n"), "transport.header_name"),
    "S13-non-ascii": (raw(POST + "\xe4: x\r\n\r\n"), "transport.header_name"),
    **{
        f"S14-{size!r}": (chunks(f"{size}\r\nabcde\r\n0\r\n\r\n"), "transport.chunk_size")
        for size in ("0x5", "+5", "-1", " 5", "5 ", "5_0", "Z", "00000000000000005", "", "\t5", "5\x00")
    },
    **{
        f"S15-{extension!r}": (chunks(f"5{extension}\r\nabcde\r\n0\r\n\r\n"), "transport.chunk_extension")
        for extension in (";", ";a\rb", ";a=\x01", ";a b", ";a=", ';a="b', ";=b", ";a;", ";" + "x" * 5000)
    },
    "S15-many": (chunks(f"1;{'x' * 500}\r\na\r\n" * 9 + "0\r\n\r\n"), "transport.chunk_extension"),
    "S16-no-crlf": (chunks("5\r\nabcdeX\r\n0\r\n\r\n"), "transport.chunk_data"),
    "S16-spill": (chunks("5\r\nabcdefg\r\n0\r\n\r\n"), "transport.chunk_data"),
    "S16-terminator": (chunks("5\r\nabcdeXX0\r\n\r\n"), "transport.chunk_data"),
    "S18-length": (chunks("0\r\nContent-Length: 5\r\n\r\n"), "transport.chunk_data"),
    "S18-coding": (chunks("0\r\nTransfer_Encoding: x\r\n\r\n"), "transport.chunk_data"),
    "S18-malformed": (chunks("0\r\nX Y: z\r\n\r\n"), "transport.header_name"),
    "S22-websocket": (
        request("GET", "/items", "Upgrade: WebSocket", "Connection: upgrade", "Sec-WebSocket-Version: 13"),
        "transport.upgrade",
    ),
    "S23-connect": (b"CONNECT api.test:443 HTTP/1.1\r\nHost: api.test\r\n\r\n", "transport.method_denied"),
    "S23-trace": (request("TRACE"), "transport.method_denied"),
    "S23-asterisk": (request("GET", "*"), "transport.start_line"),
    **{
        f"S24-{line!r}": (raw(f"{line}\r\nHost: api.test\r\n\r\n"), "transport.start_line")
        for line in (
            "GET /items",
            "GET /items HTTP/1.2",
            "GET /items HTTP/2.0",
            "GET /items HTTP/0.9",
            "GET /items HTTP/01.1",
            "GET /items http/1.1",
            "GET  /items HTTP/1.1",
            "GET /items  HTTP/1.1",
            "GET\t/items HTTP/1.1",
            "GET /items\tHTTP/1.1",
            "GET /items HTTP/1.1 ",
            "GET /it ems HTTP/1.1",
            "GET /items RTSP/1.0",
        )
    },
    "S24-h2-preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "transport.start_line"),
    "S24-tls-hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)), "transport.start_line"),
    "S24-garbage": (b"\x00\x01\x02\x03\r\n\r\n", "transport.start_line"),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("row", ROWS)
def test_an_ambiguous_message_is_refused_and_poisons_nothing(lab: Lab, row: str, cut: Cut) -> None:
    attack, code = ROWS[row]
    assert_refused(lab, attack, code, cut=cut)


ABCDE = b"POST /items HTTP/1.1", b"abcde"
CHUNK = "5\r\nabcde\r\n"
TWINS: dict[str, tuple[bytes, tuple[bytes, bytes]]] = {
    "S1-length": (lengths("5"), ABCDE),
    "S1-coding": (chunks(f"{CHUNK}0\r\n\r\n"), ABCDE),
    "S2": (request("GET"), (b"GET /items HTTP/1.1", b"")),
    "S3": (request("POST", "/items", body=b"GET /admin HTTP/1.1\r\n\r\n"), (ABCDE[0], b"GET /admin HTTP/1.1\r\n\r\n")),
    "S5": (lengths("5"), ABCDE),
    "S6-zero": (raw(POST + "Content-Length: 0\r\n\r\n"), (ABCDE[0], b"")),
    "S6-tab": (raw(POST + "Content-Length:\t5 \r\n\r\nabcde"), ABCDE),
    "S7-case": (codings(" ChUnKeD", body=f"{CHUNK}0\r\n\r\n"), ABCDE),
    "S7-tab": (codings("\tchunked", body=f"{CHUNK}0\r\n\r\n"), ABCDE),
    "S8": (
        raw("POST /items HTTP/1.0\r\nHost: api.test\r\nContent-Length: 5\r\n\r\nabcde"),
        ABCDE,
    ),
    "S9": (raw(POST + "Transfer-Encoding-Not: chunked\r\nContent-Length: 5\r\n\r\nabcde"), ABCDE),
    "S10": (raw(POST + "X-A: b c\r\nContent-Length: 5\r\n\r\nabcde"), ABCDE),
    "S11": (chunks(f"{CHUNK}0\r\nX: y\r\n\r\n"), ABCDE),
    "S11-in-body": (request("POST", "/items", body=b"a\nb\n\nc"), (ABCDE[0], b"a\nb\n\nc")),
    "S12": (raw(POST + "X-A: a\tb \xe4\xff\r\nContent-Length: 5\r\n\r\nabcde"), ABCDE),
    "S13": (raw(POST + "!#$%&'*+-.^`|~9: x\r\nX-Empty:\r\nContent-Length: 5\r\n\r\nabcde"), ABCDE),
    "S14-hex": (chunks("0A\r\n0123456789\r\n00\r\n\r\n"), (ABCDE[0], b"0123456789")),
    "S14-upper": (chunks("a;x\r\n0123456789\r\n0\r\n\r\n"), (ABCDE[0], b"0123456789")),
    "S14-sixteen": (chunks("0000000000000005\r\nabcde\r\n0\r\n\r\n"), ABCDE),
    "S15-quoted": (chunks('5;a="b;c\\"";d\r\nabcde\r\n0\r\n\r\n'), ABCDE),
    "S16": (chunks("2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"), ABCDE),
    "S17": (chunks("1\r\na\r\n4\r\nbcde\r\n000\r\n\r\n"), ABCDE),
    "S18-trailer": (chunks(f"{CHUNK}0\r\nX-Checksum: abc\r\nAuthorization: Bearer x\r\n\r\n"), ABCDE),
    "S23": (request("DELETE"), (b"DELETE /items HTTP/1.1", b"")),
    "S24": (request("GET", "/items?a-b"), (b"GET /items?a-b HTTP/1.1", b"")),
    "S26-empty-line": (b"\r\n" + lengths("5"), ABCDE),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("row", TWINS)
def test_its_twin_passes(lab: Lab, row: str, cut: Cut) -> None:
    message, (line, body) = TWINS[row]
    assert_passes(lab, message, line, cut=cut, body=body)


@pytest.mark.parametrize("cut", CUTS)
def test_s4_a_client_that_waits_is_told_to_go_on_and_the_upstream_is_not_asked_to(lab: Lab, cut: Cut) -> None:
    head, _, body = request("POST", "/items", "Expect: 100-continue", body=b"abc").partition(b"\r\n\r\n")
    with lab.connect() as client:
        for piece in pieces(head + b"\r\n\r\n", cut):
            client.send(piece)
        interim = client.answer()
        assert interim is not None
        assert interim.status == 100
        client.send(body)
        answer = client.answer()
        assert answer is not None
        assert answer.status == 200
    assert_canonical(lab, 0, head, b"POST /items HTTP/1.1", b"abc")


@pytest.mark.parametrize("cut", CUTS)
def test_s3_a_body_that_is_refused_early_is_never_the_next_request(lab: Lab, cut: Cut) -> None:
    smuggled = request("POST", "/nowhere", body=request("DELETE"))
    answer = assert_refused(lab, smuggled, "validate.path_unknown", cut=cut)
    assert answer.headers[b"connection"] == b"close"
    assert b"DELETE" not in b"".join(seen.head for seen in lab.upstream.seen)


CUT_SHORT = {
    "S17-length": lengths("6"),
    "S17-no-data": raw(POST + "Content-Length: 5\r\n\r\n"),
    "S17-no-last-chunk": chunks(CHUNK),
    "S17-in-chunk": chunks("5\r\nabc"),
    "S17-in-size": chunks(f"{CHUNK}0"),
    "S17-in-trailer": chunks(f"{CHUNK}0\r\nX: y\r\n"),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("row", CUT_SHORT)
def test_a_body_that_ends_too_soon_goes_nowhere(lab: Lab, row: str, cut: Cut) -> None:
    with lab.connect() as client:
        for piece in pieces(CUT_SHORT[row], cut):
            client.send(piece)
        client.socket.shutdown(socket.SHUT_WR)
        assert_serves_others(lab)
        client.answer()
        assert client.is_closed()
    assert_serves_others(lab)
    outcomes = lab.audit.wait_for_outcomes(3)
    (broken,) = [outcome for outcome in outcomes if outcome.code]
    assert broken.code in {"transport.cl_invalid", "transport.chunk_data"}
    assert_clean(outcomes)
    assert [seen.line for seen in lab.upstream.seen] == [b"GET /items HTTP/1.1"] * 2
    lab.wait_until(lambda: lab.gateway.load.buffered_bytes == 0)


@pytest.mark.parametrize("cut", CUTS)
def test_s23_a_question_about_the_server_itself_is_answered_here(lab: Lab, cut: Cut) -> None:
    with lab.connect() as client:
        for piece in pieces(request("OPTIONS", "*"), cut):
            client.send(piece)
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.headers[b"allow"].split(b", ")[0]) == (204, b"DELETE")
    assert not lab.upstream.seen


@pytest.mark.parametrize("cut", CUTS)
def test_s26_two_good_requests_in_one_stream_are_answered_in_order(lab: Lab, cut: Cut) -> None:
    first, second = lengths("5"), request("GET", "/a%20b")
    with lab.connect() as client:
        for piece in pieces(first + second, cut):
            client.send(piece)
        for _ in range(2):
            answer = client.answer()
            assert answer is not None
            assert answer.status == 200
    assert_canonical(lab, 0, first, *ABCDE)
    assert_canonical(lab, 1, second, b"GET /a%20b HTTP/1.1", b"")
    assert_clean(lab.audit.wait_for_outcomes(2))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("offer", ["h2c", "TLS/1.0", "foo"])
def test_s22_an_offer_to_change_protocol_is_dropped_and_the_request_is_answered(lab: Lab, offer: str, cut: Cut) -> None:
    fields = (f"Upgrade: {offer}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk")
    assert_passes(lab, request("POST", "/items", *fields, body=b"abcde"), *ABCDE[:1], cut=cut, body=ABCDE[1])
    assert b"http2-settings" not in lab.upstream.seen[0].names
    assert "transport.upgrade" in lab.audit.outcomes()[0].findings
