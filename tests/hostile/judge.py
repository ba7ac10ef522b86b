"""How a hostile request is judged: a status code alone is not a pass.

Judged here: (a) the upstream saw nothing of it, or this request line; (b) the next request, on this connection and on
those to the upstream, is answered; (c) there is one record, with the code; (d) of cost, only that buffered bytes are given
back; (e) somebody else is served when half of the writes are sent (of one write: before it); (f) no record holds a raw
control character.
"""

from typing import Final, Literal

import msgspec
from tests.gateway.lab import Answer, Lab, request

from doorward.controls.audit.records import Outcome

Cut = Literal["whole", "bytewise", "lines"]
CUTS: Final[tuple[Cut, ...]] = ("whole", "bytewise", "lines")
"""How a message is cut into writes: not at all, after each byte, after each CRLF."""
_CONTROL: Final = frozenset(map(chr, (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F))))


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
    """It earns its code, the upstream saw nothing of it, one record says so, and nothing lingers on the connection."""
    before = len(lab.upstream.seen)
    records_before = len(lab.audit.outcomes())
    with lab.connect() as client:
        writes = pieces(raw, cut)
        for piece in writes[: len(writes) // 2]:
            client.send(piece)
        assert_serves_others(lab)
        before += 1
        records_before += 1
        for piece in writes[len(writes) // 2 :]:
            client.send(piece)
        answer = client.answer()
        assert answer is not None, "closed without an answer"
        assert answer.code == code, f"{answer.status} {answer.body!r}"
        if answer.headers.get(b"connection") == b"close":
            assert client.is_closed()
        else:
            client.send(request())
            follow_up = client.answer()
            assert follow_up is not None
            assert follow_up.body == b'{"ok":true}'
            records_before += 1
            before += 1
    outcomes = lab.audit.wait_for_outcomes(records_before + 1)
    assert len(outcomes) == records_before + 1
    assert [outcome.code for outcome in outcomes].count(code) == 1
    assert_clean(outcomes)
    assert len(lab.upstream.seen) == before
    assert_serves_others(lab)
    lab.wait_until(lambda: lab.gateway.load.buffered_bytes == 0)
    return answer


def assert_passes(lab: Lab, raw: bytes, line: bytes, *, cut: Cut = "whole") -> Answer:
    """It is answered, and the upstream saw exactly this request line."""
    with lab.connect() as client:
        for piece in pieces(raw, cut):
            client.send(piece)
        answer = client.answer(to_head=raw.startswith(b"HEAD"))
        assert answer is not None
        assert answer.status == 200, f"{answer.status} {answer.body!r}"
        client.send(request())
        follow_up = client.answer()
        assert follow_up is not None
        assert follow_up.body == b'{"ok":true}'
    assert lab.upstream.seen[-2].line == line
    return answer


def assert_serves_others(lab: Lab) -> None:
    """A harmless request over a connection of its own is answered."""
    answer = lab.ask(request())
    assert answer is not None
    assert answer.body == b'{"ok":true}'


def assert_clean(outcomes: list[Outcome]) -> None:
    """No text of these records holds a control character, or one that reorders or breaks a line."""
    for outcome in outcomes:
        texts = [value for value in msgspec.structs.astuple(outcome) if isinstance(value, str)]
        texts += outcome.findings
        for text in texts:
            assert not _CONTROL & set(text), repr(text)
