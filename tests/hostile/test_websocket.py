"""Row D9: hostile frames. Each ends its own connection with the right code, and what is behind never sees it."""

import pytest
from tests.gateway.lab import PATIENCE_S
from tests.gateway.websocket_lab import BINARY, CLOSE, PING, TEXT, RawSocket, frame, websocket_lab

FRAMES = {
    "unmasked": (frame(TEXT, b"a", masked=False), 1002),
    "reserved-bit": (frame(TEXT, b"a", rsv=4), 1002),
    "reserved-opcode": (frame(3, b"a"), 1002),
    "reserved-control": (frame(11, b"a"), 1002),
    "long-ping": (frame(PING, b"a" * 126), 1002),
    "split-ping": (frame(PING, b"a", fin=False), 1002),
    "continuation-of-nothing": (frame(0, b"a"), 1002),
    "text-in-text": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    "bad-utf8": (frame(TEXT, b"\xff\xfe"), 1007),
    "cut-utf8": (frame(TEXT, "ü".encode()[:1]), 1007),
    "surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "close-of-one-byte": (frame(CLOSE, b"\x03"), 1002),
    "close-bad-utf8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "close-reserved": (frame(CLOSE, b"\x03\xed"), 1002),
    "too-large": (frame(BINARY, b"a" * 5000), 1009),
    "endless": (frame(TEXT, b"a" * 600, fin=False) + frame(0, b"a" * 600, fin=False) * 10, 1009),
    "announced-2^62": (frame(BINARY, b"a" * 2000, length=2**62), 1009),
    "sql": (frame(TEXT, b"1' OR '1'='1' -- "), 1008),
    "sql-in-json": (frame(TEXT, b'{"id": ["1 UNION SELECT password FROM users"]}'), 1008),
    "script": (frame(TEXT, b"<script>alert(document.cookie)</script>"), 1008),
    "script-in-pieces": (frame(TEXT, b"<scr", fin=False) + frame(0, b"ipt>alert(1)</script>"), 1008),
}


@pytest.mark.parametrize("row", FRAMES, ids="D9-{}".format)
def test_a_hostile_frame_ends_its_connection(row: str) -> None:
    attack, code = FRAMES[row]
    with websocket_lab(message_bytes=1024) as (lab, peer), RawSocket(lab.port) as neighbour:
        with RawSocket(lab.port) as link:
            link.send(attack)
            assert link.closed_with() == code
        assert peer.messages.empty()
        assert lab.audit.wait_for_closed().detail
        neighbour.send(frame(TEXT, b"hello"))
        assert neighbour.frame() == (TEXT, b"hello")


@pytest.mark.parametrize("flood", [frame(PING), frame(TEXT, b"a"), frame(TEXT, b"")], ids=["ping", "text", "empty"])
def test_a_flood_of_frames_ends_its_connection(flood: bytes) -> None:
    with websocket_lab(messages_per_s=10.0) as (lab, peer), RawSocket(lab.port) as link:
        link.send(flood * 200)
        assert link.closed_with() == 1008
        passed = 0
        while not peer.messages.empty():
            peer.messages.get()
            passed += 1
        assert passed <= 21
        assert "limits.rate" in lab.audit.wait_for_closed().detail


def test_an_upstreams_message_above_the_bound_does_not_reach_the_client() -> None:
    with websocket_lab(message_bytes=1024) as (lab, _), RawSocket(lab.port) as link:
        link.send(frame(TEXT, b"large"))
        assert link.closed_with() == 1009


def test_harmless_texts_pass() -> None:
    with websocket_lab() as (lab, peer), RawSocket(lab.port) as link:
        for text in (b"it's 5 o'clock", b'{"note": "select a table for two"}', b"a < b and c > d", b"[1, 2]", b""):
            link.send(frame(TEXT, text))
            assert link.frame() == (TEXT, text)
            assert peer.messages.get(timeout=PATIENCE_S) == text.decode()
