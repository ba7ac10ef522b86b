"""Rows S19-S21 and D4-D8: hostile HTTP/2. Nothing reaches the upstream, something is recorded, a neighbour is served."""

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import h2.errors
import pytest
import trustme
from tests.gateway.h2_client import Fields, H2Client, fields
from tests.gateway.lab import Lab
from tests.gateway.test_tls import write
from tests.hostile.judge import assert_canonical, assert_clean

from doorward.controls.limits import LimitsPolicy
from doorward.gateway.http2.connection import STREAMS
from doorward.gateway.http2.frames import CONTINUATIONS, PREFACE, RESETS, USELESS, Abuse, FrameWatch
from doorward.gateway.tls import server_context

CALM = h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write(authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA), tmp_path_factory.mktemp("tls"))


@pytest.fixture
def lab(files: tuple[Path, Path]) -> Iterator[Lab]:
    limits = LimitsPolicy(body_s=1.0)
    with Lab(context=server_context(*files), scheme="https", limits=limits) as lab:
        yield lab


def bare(*pairs: tuple[bytes, bytes]) -> Fields:
    return list(pairs)


STEPS = (0, 1, 9)
"""How a request's frames are cut into writes: not at all, byte by byte, by the length of a frame's head."""
BASE = fields()
MALFORMED: dict[str, tuple[Fields, str]] = {
    "S19-upper-case": ([*BASE, (b"X-A", b"b")], "transport.header_name"),
    "S19-empty-name": ([*BASE, (b"", b"b")], "transport.header_name"),
    "S19-colon": ([*BASE, (b"a:b", b"c")], "transport.header_name"),
    "S19-space-in-name": ([*BASE, (b"a b", b"c")], "transport.header_name"),
    "S19-crlf-in-value": ([*BASE, (b"x-a", b"b\r\nx-admin: 1")], "transport.control_byte"),
    "S19-lf-in-value": ([*BASE, (b"x-a", b"b\nx-admin: 1")], "transport.control_byte"),
    "S19-nul-in-value": ([*BASE, (b"x-a", b"b\0")], "transport.control_byte"),
    "S19-leading-space": ([*BASE, (b"x-a", b" b")], "transport.control_byte"),
    "S19-trailing-tab": ([*BASE, (b"x-a", b"b\t")], "transport.control_byte"),
    "S19-crlf-in-name": ([*BASE, (b"x-a\r\nx-admin", b"b")], "transport.header_name"),
    "S20-transfer-encoding": ([*BASE, (b"transfer-encoding", b"chunked")], "transport.te_invalid"),
    "S20-connection": ([*BASE, (b"connection", b"x-user")], "transport.te_invalid"),
    "S20-upgrade": ([*BASE, (b"upgrade", b"websocket")], "transport.te_invalid"),
    "S20-te": ([*BASE, (b"te", b"gzip")], "transport.te_invalid"),
    "S20-length-sign": ([*fields("POST"), (b"content-length", b"+3")], "transport.cl_invalid"),
    "S20-length-twice": (
        [*fields("POST"), (b"content-length", b"3"), (b"content-length", b"3")],
        "transport.cl_duplicate",
    ),
    "S20-length-without-body": ([*fields("POST"), (b"content-length", b"3")], "transport.cl_invalid"),
    "S21-no-method": (BASE[1:], "transport.start_line"),
    "S21-no-scheme": ([BASE[0], *BASE[2:]], "transport.start_line"),
    "S21-no-path": (BASE[:3], "transport.start_line"),
    "S21-no-authority": ([*BASE[:2], BASE[3]], "transport.host_invalid"),
    "S21-twice": ([*BASE, (b":path", b"/other")], "transport.start_line"),
    "S21-unknown": ([*BASE, (b":protocol", b"websocket")], "transport.start_line"),
    "S21-late": ([*BASE[:3], (b"accept", b"*/*"), BASE[3]], "transport.start_line"),
    "S21-scheme": ([(b":scheme", b"http"), BASE[0], *BASE[2:]], "transport.start_line"),
    "S21-path-space": (fields(path="/items HTTP/1.1\r\nx: y"), "transport.control_byte"),
    "S21-path-blank": (fields(path="/it ems"), "transport.start_line"),
    "S21-path-relative": (fields(path="items"), "transport.start_line"),
    "S21-path-absolute": (fields(path="http://evil.test/items"), "transport.start_line"),
    "S21-path-empty": (fields(path=""), "transport.start_line"),
    "S21-path-fragment": (fields(path="/items#a"), "transport.path_fragment"),
    "S21-path-bytes": (fields(path="/it\xe4ms"), "transport.path_bytes"),
    "S21-host-differs": (fields("GET", "/items", ("host", "evil.test")), "transport.host_mismatch"),
    "S21-userinfo": (fields(authority="evil@api.test"), "transport.host_invalid"),
    "S21-foreign": (fields(authority="evil.test"), "transport.host_unknown"),
    "S23-connect": ([(b":method", b"CONNECT"), *BASE[1:]], "transport.method_denied"),
    "S23-trace": ([(b":method", b"TRACE"), *BASE[1:]], "transport.method_denied"),
    "S23-method": ([(b":method", b"GET /x"), *BASE[1:]], "transport.start_line"),
    "H9-count": (fields("GET", "/items", *[(f"x-{n}", "y") for n in range(101)]), "limits.header_size"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("row", MALFORMED)
def test_a_malformed_request_is_refused_on_its_stream(lab: Lab, authority: trustme.CA, row: str, step: int) -> None:
    attack, code = MALFORMED[row]
    with H2Client(lab.port, authority) as client, H2Client(lab.port, authority) as neighbour:
        stream = client.ask(attack, step=step)
        assert neighbour.answer(neighbour.ask(fields())).status == 200
        answer = client.answer(stream)
        assert (answer.code, answer.status // 100) == (code, 4)
        assert client.answer(client.ask(fields())).status == 200, "the connection does not serve on"
        with lab.measured() as hostile:
            client.answer(client.ask(attack))
        with lab.measured() as harmless:
            client.answer(client.ask(fields()))
    assert hostile.lines <= 10 * harmless.lines
    assert (
        hostile.peak_bytes <= harmless.peak_bytes + 10 * sum(map(sum, (map(len, one) for one in attack))) + 2 * 65_536
    )
    assert [seen.line for seen in lab.upstream.seen] == [b"GET /items HTTP/1.1"] * 3
    outcomes = lab.audit.wait_for_outcomes(5)
    assert sorted(one.code for one in outcomes) == ["", "", "", code, code]
    assert_clean(outcomes)
    lab.wait_until(lambda: lab.gateway.load.buffered_bytes == 0)


TWINS = {
    "S19-lower-case": fields("GET", "/items", ("x-a!#$%&'*+-.^_`|~9", "b c\t\xe4")),
    "S20-length": fields("POST", "/items", ("content-length", "3")),
    "S20-no-length": fields("POST"),
    "S23": fields("DELETE"),
    "H9-count": fields("GET", "/items", *[(f"x-{n}", "y") for n in range(90)]),
    "S19-quiet-value": fields("GET", "/items", ("x-a", "")),
    "S20-te-trailers": fields("GET", "/items", ("te", "trailers")),
    "S21-host-same": fields("GET", "/items", ("host", "API.test")),
    "S21-host-only": [*fields()[:2], fields()[3], (b"host", b"api.test")],
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("row", TWINS)
def test_its_harmless_twin_passes(lab: Lab, authority: trustme.CA, row: str, step: int) -> None:
    sent = TWINS[row]
    method = dict(sent)[b":method"]
    body = b"abc" if method == b"POST" else None
    with H2Client(lab.port, authority) as client:
        assert client.answer(client.ask(sent, body, step=step)).status == 200
    text = b"".join(b"%s: %s\r\n" % one for one in sent)
    assert_canonical(lab, 0, text, method + b" /items HTTP/1.1", body or b"")
    outcomes = lab.audit.wait_for_outcomes(1)
    assert [(one.status, one.code) for one in outcomes] == [(200, "")]
    assert_clean(outcomes)


@pytest.mark.parametrize(("announced", "sent"), [("5", b"abc"), ("2", b"abc"), ("0", b"a")])
def test_s20_a_body_of_another_length_than_announced_goes_nowhere(
    lab: Lab, authority: trustme.CA, announced: str, sent: bytes
) -> None:
    with H2Client(lab.port, authority) as client:
        stream = client.h2.get_next_available_stream_id()
        client.raw(
            HEADERS, 0x4, stream, client.h2.encoder.encode(fields("POST", "/items", ("content-length", announced)))
        )
        client.raw(DATA, 0x1, stream, sent)
        assert client.until_goaway() == h2.errors.ErrorCodes.PROTOCOL_ERROR
        assert client.is_closed()
    assert not lab.upstream.seen
    lab.wait_until(lambda: "transport.cl_invalid" in [one.code for one in lab.audit.outcomes()])
    neighbour_is_served(lab, authority)


def test_s20_trailers_are_dropped_and_noted(lab: Lab, authority: trustme.CA) -> None:
    with H2Client(lab.port, authority) as client:
        stream = client.ask(fields("POST"), b"abc", ends=False)
        client.h2.send_headers(stream, [(b"x-admin", b"1")], end_stream=True)
        client._flush()
        assert client.answer(stream).status == 200
    assert b"x-admin" not in lab.upstream.seen[0].head + lab.upstream.seen[0].body
    assert "transport.trailer" in lab.audit.wait_for_outcomes(1)[0].findings


def reset_at_once(client: H2Client) -> None:
    for _ in range(RESETS + 20):
        stream = client.h2.get_next_available_stream_id()
        client.h2.send_headers(stream, fields(), end_stream=True)
        client.h2.reset_stream(stream)
    client._flush()


def refused_streams(client: H2Client) -> None:
    """Streams beyond the number allowed: each makes us reset one."""
    for stream in range(1, 2 * (STREAMS + RESETS + 40), 2):
        client.raw(HEADERS, 0x4, stream, client.h2.encoder.encode(fields("POST")))


def continuations(client: H2Client) -> None:
    block = client.h2.encoder.encode(fields())
    client.raw(HEADERS, 0x1, 1, block[:1])
    for _ in range(CONTINUATIONS + 3):
        client.raw(CONTINUATION, 0, 1, b"")


def endless_block(client: H2Client) -> None:
    client.raw(HEADERS, 0x1, 1, bytes(16_000))
    client.raw(CONTINUATION, 0, 1, bytes(16_000))


def frames(kind: int, flags: int, stream: int, payload: bytes) -> Callable[[H2Client], None]:
    def flood(client: H2Client) -> None:
        for _ in range(USELESS + 50):
            client.raw(kind, flags, stream, payload)

    return flood


def empty_data(client: H2Client) -> None:
    stream = client.ask(fields("POST"), ends=False)
    for _ in range(USELESS + 50):
        client.raw(DATA, 0, stream, b"")


def padding(client: H2Client) -> None:
    stream = client.ask(fields("POST"), ends=False)
    for _ in range(USELESS + 50):
        client.raw(DATA, 0x8, stream, bytes([255]) + bytes(255))


FLOODS = {
    "D4-rapid-reset": reset_at_once,
    "D4-made-to-reset": refused_streams,
    "D5-continuation": continuations,
    "D5-block": endless_block,
    "D7-settings": frames(SETTINGS, 0, 0, b""),
    "D7-ping": frames(PING, 0, 0, bytes(8)),
    "D7-priority": frames(PRIORITY, 0, 1, bytes([0, 0, 0, 0, 1])),
    "D7-window": frames(WINDOW, 0, 0, bytes([0, 0, 0, 1])),
    "D7-unknown": frames(0x42, 0, 0, b"x"),
    "D7-empty-data": empty_data,
    "D7-padding": padding,
}


@pytest.mark.parametrize("row", FLOODS)
def test_a_flood_ends_its_connection_and_no_other(lab: Lab, authority: trustme.CA, row: str) -> None:
    with H2Client(lab.port, authority) as neighbour, H2Client(lab.port, authority) as client:
        assert neighbour.answer(neighbour.ask(fields())).status == 200
        FLOODS[row](client)
        assert client.until_goaway() == CALM
        assert client.is_closed()
        lab.wait_until(lambda: any(one.code == "limits.rate" for one in lab.audit.outcomes()))
        assert neighbour.answer(neighbour.ask(fields())).status == 200
    assert_clean(lab.audit.outcomes())
    lab.wait_until(lambda: lab.gateway.load.connections == 0 and lab.gateway.load.buffered_bytes == 0)


def test_d6_a_list_that_grows_by_decoding_is_not_decoded(lab: Lab, authority: trustme.CA) -> None:
    """One large field in the dynamic table, then named by one byte as often as the block holds."""
    with H2Client(lab.port, authority) as client:
        client.h2.encoder.encode([(b"x-large", b"y" * 3000)])
        first = client.h2.encoder.encode([*fields(), (b"x-large", b"y" * 3000)])
        client.raw(HEADERS, 0x5, 1, first)
        client.raw(HEADERS, 0x5, 3, bytes([0xBE]) * 10_000)
        assert client.until_goaway() in set(h2.errors.ErrorCodes)
        assert client.is_closed()
    neighbour_is_served(lab, authority)


def test_h9_ten_thousand_crumbs_of_a_cookie_are_not_joined(lab: Lab, authority: trustme.CA) -> None:
    with H2Client(lab.port, authority) as client:
        crumbs = client.h2.encoder.encode(fields("GET", "/items", *[("cookie", "a=b")] * 10_000))
        for start in range(0, len(crumbs), 10_000):
            last = start + 10_000 >= len(crumbs)
            client.raw(
                CONTINUATION if start else HEADERS,
                (0x4 if last else 0) | (0 if start else 0x1),
                1,
                crumbs[start : start + 10_000],
            )
        client.is_closed()
    assert not lab.upstream.seen
    neighbour_is_served(lab, authority)


def test_d8_an_answer_nobody_takes_is_given_up(files: tuple[Path, Path], authority: trustme.CA) -> None:
    hasty = Lab(context=server_context(*files), scheme="https", limits=LimitsPolicy(write_s=0.3))
    with hasty as lab, H2Client(lab.port, authority, window=0) as client:
        answer = client.answer(client.ask(fields()))
        assert answer.headers[b":status"] == b"200"
        assert answer.reset is not None
        lab.wait_until(lambda: lab.gateway.load.buffered_bytes == 0)


def test_d8_a_stream_beyond_the_number_allowed_is_refused_and_the_others_live(lab: Lab, authority: trustme.CA) -> None:
    with H2Client(lab.port, authority) as client:
        for stream in range(1, 2 * STREAMS + 1, 2):
            client.raw(
                HEADERS, 0x4, stream, client.h2.encoder.encode(fields("POST", "/items", ("content-length", "1")))
            )
        client.raw(HEADERS, 0x5, 2 * STREAMS + 1, client.h2.encoder.encode(fields()))
        while (RST, int(h2.errors.ErrorCodes.REFUSED_STREAM).to_bytes(4, "big")) not in list(client.frames()):
            assert client._more()
        client.raw(DATA, 0x1, 1, b"x")
        while not lab.upstream.seen:
            assert client._more()


@pytest.mark.parametrize("increment", [b"\x7f\xff\xff\xff"])
def test_d8_a_window_beyond_its_bound_ends_the_connection(lab: Lab, authority: trustme.CA, increment: bytes) -> None:
    with H2Client(lab.port, authority) as client:
        client.raw(WINDOW, 0, 0, increment)
        client.raw(WINDOW, 0, 0, increment)
        assert client.until_goaway() == h2.errors.ErrorCodes.FLOW_CONTROL_ERROR
    neighbour_is_served(lab, authority)


def test_d2_a_body_that_never_comes_is_refused_in_time(lab: Lab, authority: trustme.CA) -> None:
    with H2Client(lab.port, authority) as client:
        answer = client.answer(client.ask(fields("POST"), b"a", ends=False))
        assert (answer.status, answer.code) == (408, "limits.slow_body")
        assert client.answer(client.ask(fields())).status == 200


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 64, PREFACE[:10]], ids=["http1", "zeros", "part"])
def test_what_is_no_preface_ends_the_connection(files: tuple[Path, Path], authority: trustme.CA, start: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2"])
    hasty = Lab(context=server_context(*files), scheme="https", limits=LimitsPolicy(head_s=1.0))
    with (
        hasty as lab,
        socket.create_connection(("127.0.0.1", lab.port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(start)
        while connection.recv(65536):
            continue
        neighbour_is_served(lab, authority)


def neighbour_is_served(lab: Lab, authority: trustme.CA) -> None:
    with H2Client(lab.port, authority) as neighbour:
        assert neighbour.answer(neighbour.ask(fields())).status == 200


def test_frames_are_counted_however_they_are_cut() -> None:
    ping = b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)
    for step in (1, 2, 7, 9, 16, 17, 1000):
        watch = FrameWatch(16_384, lambda: 0.0)
        stream = PREFACE + ping * USELESS
        for start in range(0, len(stream), step):
            watch.feed(stream[start : start + step])
        with pytest.raises(Abuse):
            watch.feed(ping)


def test_a_client_that_answers_our_data_with_windows_is_no_flood() -> None:
    watch = FrameWatch(16_384, lambda: 0.0)
    watch.feed(PREFACE)
    update = b"\0\0\x04\x08\0\0\0\0\0" + bytes([0, 0, 64, 0])
    for _ in range(10_000):
        watch.sent_data()
        watch.feed(update * 2)


def test_counts_recover_with_time() -> None:
    now = 0.0
    watch = FrameWatch(16_384, lambda: now)
    watch.feed(PREFACE)
    for _ in range(1000):
        watch.feed(b"\0\0\x08\x06\0\0\0\0\0" + bytes(8))
        now += 0.1
