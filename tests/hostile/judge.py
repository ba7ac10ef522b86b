"""How a hostile request is judged: a status code alone is not a pass."""

from tests.gateway.lab import Answer, Lab, request


def assert_refused(lab: Lab, raw: bytes, code: str, *, bytewise: bool = False) -> Answer:
    """It earns its code, the upstream saw nothing of it, one record says so, and nothing lingers on the connection."""
    before = len(lab.upstream.seen)
    records_before = len(lab.audit.outcomes())
    with lab.connect() as client:
        client.send(raw, bytewise=bytewise)
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
    assert code in [outcome.code for outcome in outcomes]
    assert len(lab.upstream.seen) == before
    legitimate = lab.ask(request())
    assert legitimate is not None
    assert legitimate.body == b'{"ok":true}'
    return answer


def assert_passes(lab: Lab, raw: bytes, line: bytes, *, bytewise: bool = False) -> Answer:
    """It is answered, and the upstream saw exactly this request line."""
    with lab.connect() as client:
        client.send(raw, bytewise=bytewise)
        answer = client.answer(to_head=raw.startswith(b"HEAD"))
        assert answer is not None
        assert answer.status == 200, f"{answer.status} {answer.body!r}"
        client.send(request())
        follow_up = client.answer()
        assert follow_up is not None
        assert follow_up.body == b'{"ok":true}'
    assert lab.upstream.seen[-2].line == line
    return answer
