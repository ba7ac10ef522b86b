"""How a hostile request is judged: a status code alone is not a pass.

Six oracles: (a) the upstream saw nothing of it, or exactly the canonical form; (b) the next request, on this connection
and on those to the upstream, is answered; (c) there is exactly one record, with the code; (d) memory and work are bounded
by the bytes sent; (e) somebody else is served after its first bytes and before its answer is read; (f) no record and, by
`conftest.clean_logs`, no line of the log holds a raw control character or a secret.
"""

from typing import Final, Literal

import msgspec
from tests.gateway.lab import Answer, Cost, Lab, request

from doorward.controls.audit.records import Outcome

Cut = Literal["whole", "bytewise", "lines"]
CUTS: Final[tuple[Cut, ...]] = ("whole", "bytewise", "lines")
"""How a message is cut into writes: not at all, after each byte, after each CRLF."""
SECRET: Final = "hunter2-5f1c"
"""Sent along with attacks; nothing may hold it."""
OURS: Final = frozenset(
    {
        b"host",
        b"content-length",
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"accept-encoding",
        b"x-request-id",
    }
)
"""The fields that every forwarded request has from us."""
_CONTROL: Final = frozenset(map(chr, (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F))))
_ROOM: Final = 64 * 1024
"""Memory that a connection may take whatever is sent, in bytes."""
_TIMES: Final = 10
"""How much more memory than bytes sent, and how much more work than for a harmless request of that length."""


def pieces(raw: bytes, cut: Cut) -> list[bytes]:
    """The message in the writes that it is sent with."""
    if cut == "whole":
        return [raw]
    if cut == "bytewise":
        return [raw[place : place + 1] for place in range(len(raw))]
    return [line + b"\r\n" for line in raw.split(b"\r\n")[:-1]] + [
        last for last in [raw.rpartition(b"\r\n")[2]] if last
    ]


def assert_refused(lab: Lab, raw: bytes, code: str, *, cut: Cut = "whole") -> Answer:
    """It earns its code, the upstream saw nothing of it, one record says so, and nothing lingers on the connection.

    Sent whole, it is sent again with a secret field and again with its cost measured.
    """
    answer = _refused(lab, raw, code, cut)
    if cut == "whole":
        line, end, rest = raw.partition(b"\r\n")
        if rest.startswith(b"Host: "):
            _refused(lab, line + end + f"X-Api-Key: {SECRET}\r\n".encode() + rest, None, cut)
        assert_cheap(lab, raw)
    return answer


def _refused(lab: Lab, raw: bytes, code: str | None, cut: Cut) -> Answer:
    seen = len(lab.upstream.seen)
    recorded = len(lab.audit.outcomes())
    writes = pieces(raw, cut)
    first = max(1, len(writes) // 2)
    with lab.connect() as client:
        for piece in writes[:first]:
            client.send(piece)
        assert_serves_others(lab)
        for piece in writes[first:]:
            client.send(piece)
        answer = client.answer()
        assert answer is not None, "closed without an answer"
        code = code or answer.code
        assert answer.code == code, f"{answer.status} {answer.body!r}"
        harmless = 2
        if answer.headers.get(b"connection") == b"close":
            assert client.is_closed()
        else:
            client.send(request())
            follow_up = client.answer()
            assert follow_up is not None
            assert follow_up.body == b'{"ok":true}'
            harmless += 1
    assert_serves_others(lab)
    outcomes = lab.audit.wait_for_outcomes(recorded + harmless + 1)[recorded:]
    assert sorted(outcome.code for outcome in outcomes) == sorted([code, *[""] * harmless])
    assert_clean(outcomes)
    assert len(lab.upstream.seen) == seen + harmless
    lab.wait_until(lambda: lab.gateway.load.buffered_bytes == 0)
    return answer


def assert_passes(lab: Lab, raw: bytes, line: bytes, *, cut: Cut = "whole", body: bytes = b"") -> Answer:
    """It is answered, and the upstream saw its canonical form: this line, this body, only fields it or we sent, once."""
    seen = len(lab.upstream.seen)
    recorded = len(lab.audit.outcomes())
    with lab.connect() as client:
        for piece in pieces(raw, cut):
            client.send(piece)
        answer = client.answer(to_head=raw.startswith(b"HEAD"))
        assert answer is not None
        assert answer.status == 200, f"{answer.status} {answer.body!r}"
        if answer.headers.get(b"connection") == b"close":
            assert client.is_closed()
            assert_serves_others(lab)
        else:
            client.send(request())
            follow_up = client.answer()
            assert follow_up is not None
            assert follow_up.body == b'{"ok":true}'
    outcomes = lab.audit.wait_for_outcomes(recorded + 2)[recorded:]
    assert [(outcome.status, outcome.code) for outcome in outcomes] == [(200, "")] * 2
    assert_clean(outcomes)
    assert len(lab.upstream.seen) == seen + 2
    assert_canonical(lab, seen, raw, line, body)
    return answer


def assert_canonical(lab: Lab, number: int, raw: bytes, line: bytes, body: bytes) -> None:
    """What the upstream saw as its request of that number is the canonical form of the raw one."""
    arrived = lab.upstream.seen[number]
    assert arrived.line == line
    assert arrived.body == body
    names = [field.partition(b":")[0] for field in arrived.head.split(b"\r\n")[1:]]
    assert all(name == name.lower() for name in names)
    assert len(set(names) & OURS) == len([name for name in names if name in OURS]), "one of our fields twice"
    sent = {field.partition(b":")[0].lower() for field in raw.partition(b"\r\n\r\n")[0].split(b"\r\n")}
    assert set(names) - OURS <= sent
    assert {b"transfer-encoding", b"connection", b"upgrade", b"expect", b"te"} & set(names) == set()


def assert_cheap(lab: Lab, raw: bytes) -> None:
    """Memory and work for it are bounded by its length, beside a harmless request that is as long.

    The harmless one's memory is added to the bound: both are mostly buffers of the lab's own sockets.
    """
    harmless, hostile = (cost_of(lab, one) for one in (_harmless(len(raw)), raw))
    assert hostile.peak_bytes <= harmless.peak_bytes + _TIMES * len(raw) + _ROOM
    assert hostile.lines <= _TIMES * harmless.lines


def cost_of(lab: Lab, raw: bytes) -> Cost:
    """What answering it costs, once everything has been used before."""
    lab.ask(raw)
    with lab.measured() as cost:
        lab.ask(raw)
    return cost


def _harmless(length: int) -> bytes:
    bare = request("POST", "/items", body=b"")
    fields = b"Content-Length: 00000\r\n"
    size = max(0, length - len(bare) - len(fields))
    return request("POST", "/items", body=b"x" * size) if size else bare


def assert_serves_others(lab: Lab) -> None:
    """A harmless request over a connection of its own is answered."""
    answer = lab.ask(request())
    assert answer is not None
    assert answer.body == b'{"ok":true}'


def assert_clean(outcomes: list[Outcome]) -> None:
    """No text of these records holds a secret, a control character, or one that reorders or breaks a line."""
    for outcome in outcomes:
        texts = [value for value in msgspec.structs.astuple(outcome) if isinstance(value, str)]
        for text in (*texts, *outcome.findings, *outcome.roles):
            assert_clean_text(text)


def assert_clean_text(text: str) -> None:
    """The text holds neither the secret nor a raw control character."""
    assert not _CONTROL & set(text), repr(text)
    assert SECRET not in text
