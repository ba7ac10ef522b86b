from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import pytest

from doorward.controls.audit import AuditPolicy, Kind, Recorder
from doorward.controls.audit.record import Record
from doorward.controls.audit.records import PAYLOAD_BYTES, Closed, Intent, Outcome, decode
from doorward.denial import DENIALS, Denied
from doorward.exchange import Caller, Exchange
from doorward.operation import Operation

Make = Callable[..., Exchange]


def _outcome(record: Record) -> Outcome:
    entry = decode(record.kind, record.payload)
    assert isinstance(entry, Outcome)
    return entry


def test_an_answered_exchange_says_who_did_what_when_from_where(
    recorder: Recorder, exchange: Make, alice: Caller
) -> None:
    ours = exchange(caller=alice, headers=[(b"user-agent", b"curl/8.5")])
    ours.upstream_ms, ours.bytes_in, ours.bytes_out = 1.5, 10, 20
    record = recorder.outcome(ours)
    entry = _outcome(record)
    assert record.kind == Kind.OUTCOME
    assert entry == Outcome(
        request_id=bytes.fromhex(ours.id),
        at_ms=1_700_000_000_250,
        operation="readAccount",
        method="GET",
        path="/accounts/a-1",
        status=200,
        caller="https://login.test|alice",
        caller_kind="user",
        credential_id="jti-1",
        roles=("clerk", "reader"),
        address="192.0.2.7",
        port=4711,
        tls_version="TLSv1.3",
        policy_version="v7",
        upstream_us=1500,
        bytes_in=10,
        bytes_out=20,
        content_tag=b"",
        user_agent="curl/8.5",
    )


@pytest.mark.parametrize("code", DENIALS)
def test_a_denial_is_recorded_with_its_code_its_status_and_its_whole_reason(
    recorder: Recorder, exchange: Make, code: str
) -> None:
    ours = exchange()
    ours.denied = Denied(code, "because of this")
    record = recorder.outcome(ours)
    entry = _outcome(record)
    assert record.kind == Kind.REFUSED
    assert (entry.code, entry.status, entry.detail) == (code, DENIALS[code].status, "because of this")


def test_a_fault_is_recorded_as_refused_without_a_code(recorder: Recorder, exchange: Make) -> None:
    ours = exchange()
    ours.fault = "ZeroDivisionError in validate"
    record = recorder.outcome(ours)
    entry = _outcome(record)
    assert record.kind == Kind.REFUSED
    assert (entry.code, entry.status, entry.detail) == ("", 500, "ZeroDivisionError in validate")


def test_a_request_that_matched_nothing_is_recorded_all_the_same(recorder: Recorder, exchange: Make) -> None:
    ours = exchange(operation=None)
    ours.response = None
    ours.denied = Denied("validate.path_unknown", "no such path")
    assert _outcome(recorder.outcome(ours)).operation == ""


def test_an_intent_holds_what_is_about_to_be_done(
    recorder: Recorder, exchange: Make, alice: Caller, key: bytes
) -> None:
    ours = exchange(method="POST", caller=alice, query=b"q=1", body=b'{"amount": 5}')
    record = recorder.intent(ours)
    entry = decode(record.kind, record.payload)
    assert record.kind == Kind.INTENT
    assert isinstance(entry, Intent)
    lengths = (3).to_bytes(8, "little") + (13).to_bytes(8, "little")
    assert entry.content_tag == hmac.digest(key, lengths + b"q=1" + b'{"amount": 5}', "sha256")
    assert entry.request_id == bytes.fromhex(ours.id)
    assert _outcome(recorder.outcome(ours)).content_tag == b""


def test_an_intent_stays_small(recorder: Recorder, exchange: Make, alice: Caller) -> None:
    assert len(recorder.intent(exchange(method="POST", caller=alice, body=b"x" * 100_000)).payload) < 200


@pytest.mark.parametrize("complete", [True, False])
def test_the_end_of_a_stream_is_recorded(recorder: Recorder, exchange: Make, complete: bool) -> None:
    ours = exchange()
    ours.bytes_out = 99
    record = recorder.closed(ours, complete)
    assert decode(record.kind, record.payload) == Closed(bytes.fromhex(ours.id), complete, 0, 99)


def test_query_and_body_values_never_reach_a_record(recorder: Recorder, exchange: Make) -> None:
    ours = exchange(method="POST", query=b"token=hunter2secret", body=b'{"password": "hunter2secret"}')
    ours.denied = Denied("validate.schema", "password is too short")
    for record in (recorder.intent(ours), recorder.outcome(ours)):
        assert b"hunter2secret" not in record.payload


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        (b"authorization", b"Bearer eyJhbGciOi.secret.part", b"eyJhbGciOi.secret.part"),
        (b"authorization", b"eyJhbGciOi.secret.part", b"eyJhbGciOi.secret.part"),
        (b"cookie", b"a=1; session=s3cr3t-session", b"s3cr3t-session"),
        (b"x-api-key", b"dw_live_0123456789", b"dw_live_0123456789"),
        (b"x-partner-key", b"partner-0123456789", b"partner-0123456789"),
    ],
)
def test_a_credential_in_a_reason_becomes_its_hmac(
    recorder: Recorder, exchange: Make, keyed_operation: Operation, key: bytes, name: bytes, value: bytes, secret: bytes
) -> None:
    ours = exchange(headers=[(name, value)], operation=keyed_operation)
    ours.denied = Denied("authenticate.token_signature", f"cannot accept {secret.decode()}")
    entry = _outcome(recorder.outcome(ours))
    assert secret not in recorder.outcome(ours).payload
    assert hmac.digest(key, secret, "sha256").hex()[:16] in entry.detail


def test_a_credential_in_a_fault_becomes_its_hmac(recorder: Recorder, exchange: Make) -> None:
    ours = exchange(headers=[(b"authorization", b"Bearer 0123456789abcdef")])
    ours.fault = "ValueError: 0123456789abcdef"
    assert b"0123456789abcdef" not in recorder.outcome(ours).payload


def test_a_refused_credential_can_be_looked_for_by_who_has_the_key(
    recorder: Recorder, exchange: Make, key: bytes
) -> None:
    ours = exchange(headers=[(b"authorization", b"Bearer stolen-token")])
    ours.denied = Denied("authenticate.token_revoked", "revoked")
    assert _outcome(recorder.outcome(ours)).credential_tag == hmac.digest(key, b"stolen-token", "sha256")
    assert _outcome(recorder.outcome(exchange())).credential_tag == b""


def test_another_installation_tags_the_same_secret_differently(exchange: Make) -> None:
    ours = exchange(headers=[(b"authorization", b"Bearer stolen-token")])
    ours.denied = Denied("authenticate.token_revoked", "revoked")
    tags = {_outcome(Recorder(AuditPolicy(), bytes([n]) * 32).outcome(ours)).credential_tag for n in range(3)}
    assert len(tags) == 3


def test_a_log_injection_stays_one_escaped_field(recorder: Recorder, exchange: Make) -> None:
    attack = "x\r\n2026 admin login ok\x1b[2J\u202e\u2028".encode() + b"\xff\x00"
    entry = _outcome(recorder.outcome(exchange(headers=[(b"user-agent", attack)], path=b"/a\x1b]0;x\x07")))
    assert entry.user_agent == "x\\x0d\\x0a2026 admin login ok\\x1b[2J\\u202e\\u2028\\xff\\x00"
    assert entry.path == "/a\\x1b]0;x\\x07"


def test_a_field_that_was_cut_is_a_finding(recorder: Recorder, exchange: Make) -> None:
    agent = b"A" * (1 << 20)
    entry = _outcome(recorder.outcome(exchange(headers=[(b"user-agent", agent)])))
    assert "audit.field_cut:user_agent" in entry.findings
    assert hashlib.sha256(agent).hexdigest() in entry.user_agent


def test_no_request_makes_a_record_larger_than_its_bound(recorder: Recorder, exchange: Make) -> None:
    huge = "\u202e" * 100_000
    caller = Caller(
        subject=huge,
        kind="user",
        issuer=huge,
        credential_id=huge,
        roles=frozenset(f"{number}{huge}" for number in range(50)),
    )
    ours = exchange(
        method=huge,
        path=huge.encode(),
        query=huge.encode(),
        headers=[(b"user-agent", huge.encode()), (b"authorization", huge.encode())],
        caller=caller,
    )
    ours.findings = [huge] * 1000
    ours.denied = Denied("authenticate.missing", huge)
    ours.fault = huge
    for record in (recorder.outcome(ours), recorder.intent(ours)):
        assert len(record.payload) <= PAYLOAD_BYTES
    entry = _outcome(recorder.outcome(ours))
    assert "audit.findings_cut:968" in entry.findings


def test_findings_are_recorded_in_order(recorder: Recorder, exchange: Make) -> None:
    ours = exchange()
    ours.findings = ["transport.forwarded", "minimise.undeclared_field:3"]
    assert _outcome(recorder.outcome(ours)).findings == ("transport.forwarded", "minimise.undeclared_field:3")


def test_the_user_agent_can_be_left_out(exchange: Make) -> None:
    recorder = Recorder(AuditPolicy(user_agent=False), b"k" * 32)
    assert b"curl" not in recorder.outcome(exchange(headers=[(b"user-agent", b"curl/8.5")])).payload


def test_the_key_is_not_in_any_text_form_of_the_recorder(recorder: Recorder, key: bytes) -> None:
    assert repr(key)[2:10] not in repr(recorder._tagger)
    assert repr(recorder._tagger) == "Tagger(****)"


def test_remembered_roles_stay_bounded(recorder: Recorder, exchange: Make) -> None:
    for number in range(3000):
        caller = Caller(subject="a", kind="user", issuer="i", roles=frozenset({f"role-{number}"}))
        assert _outcome(recorder.outcome(exchange(caller=caller))).roles == (f"role-{number}",)
    assert len(recorder._roles) <= 1025
