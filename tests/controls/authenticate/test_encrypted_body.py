"""Encrypted bodies: what opens, what is refused (with one code), and what the answer says to whom."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.controls.authenticate.partner import NOW, Partner
from tests.controls.authenticate.sealed import (
    ANSWERS,
    OLD,
    OWN,
    RSA,
    SECRET,
    Gate,
    document,
    json_answer,
    policy_of,
    reheaded,
)

from doorward.attack.case import Ask, Signing
from doorward.client.encryption import EncryptionRefused
from doorward.controls.authenticate import NoReplays, OwnReplays, credentials_data
from doorward.denial import Denied
from doorward.errors import PolicyError
from doorward.exchange import Exchange, Response
from doorward.jose import encrypt, generate_decryption_key

CODE = "authenticate.body_decryption"


@pytest.fixture(scope="module")
def shared_gate() -> Gate:
    return Gate()


@pytest.fixture
def gate() -> Gate:
    return Gate()


def test_what_was_encrypted_is_validated_and_forwarded_in_clear(gate: Gate) -> None:
    exchange = gate.exchange(gate.message(), ("content-type", "application/jose"), ("content-digest", "sha-256=:x:"))
    plan = gate.admit(exchange)
    assert exchange.json_body == {"note": "hi"}
    head = plan.request_head(exchange)
    assert b"\r\ncontent-type: application/json\r\n" in head
    assert b"\r\ncontent-length: 13\r\n" in head
    assert b"jose" not in head
    assert b"content-digest" not in head
    assert exchange.request.body == b'{"note":"hi"}'


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"note":1}', "validate.schema"),
        (b'{"admin":true}', "validate.unknown_property"),
        (b'{"note":"x\' OR 1=1 UNION SELECT password FROM users --"}', "inspect.sql"),
    ],
)
def test_encryption_hides_nothing_from_the_controls(shared_gate: Gate, content: bytes, code: str) -> None:
    assert shared_gate.code(shared_gate.message(content, jti="hidden-" + code.replace(".", "-") + "-1")) == code


def test_the_type_inside_is_the_one_that_is_judged(gate: Gate) -> None:
    assert gate.code(gate.message(cty="text/plain")) == "validate.content_type"
    assert gate.code(gate.message(cty="json", jti="message-number-2")) == ""


@pytest.mark.parametrize("key", [OWN, OLD, RSA], ids=["own", "old", "rsa"])
def test_every_key_of_the_gateway_that_is_in_force_opens(gate: Gate, key: Any) -> None:
    assert gate.code(gate.message(to=key.public)) == ""


def test_a_key_whose_overlap_is_over_opens_nothing(gate: Gate) -> None:
    gate.now = NOW + 99
    assert gate.code(gate.message(to=OLD.public)) == ""
    gate.now = NOW + 100
    assert gate.code(gate.message(to=OLD.public, jti="message-number-2")) == CODE


@pytest.mark.parametrize("field", ["content-encoding", "content-language", "content-disposition", "content-range"])
def test_what_stands_in_clear_beside_a_message_says_nothing_of_what_is_in_it(gate: Gate, field: str) -> None:
    unread = gate.compiled(policy_of(modes={"validate": "off"}))
    gate.pipeline = unread
    exchange = gate.exchange(gate.message(), ("content-type", "application/jose"), (field, "gzip"))
    assert field.encode() not in gate.admit(exchange).request_head(exchange)


def test_no_part_of_an_encrypted_answer_is_asked_for() -> None:
    said = document()
    said["paths"]["/orders"]["get"]["responses"] = {**ANSWERS, "206": {"description": "a part"}}
    gate = Gate(said=said)
    sealed = gate.encrypter().seal(b"", "")
    exchange = gate.exchange(b"", *sealed.headers.items(), ("range", "bytes=0-1"), ("if-range", '"1"'))
    assert b"range" not in gate.admit(exchange).request_head(exchange)


BAD: dict[str, Callable[[Gate], bytes]] = {
    "clear": lambda _: b'{"note":"hi"}',
    "empty parts": lambda _: b"....",
    "ten thousand dots": lambda _: b"." * 10_000,
    "a megabyte": lambda _: b"A" * 1_048_576,
    "not ascii": lambda _: b"\xff.\xff.\xff.\xff.\xff",
    "to another key": lambda gate: gate.message(to=generate_decryption_key("ECDH-ES+A256KW").public),
    "to nobody's rsa key": lambda gate: gate.message(to=generate_decryption_key("RSA-OAEP-256", rsa_bits=2048).public),
    "by a secret that nobody shares": lambda gate: gate.message(to=generate_decryption_key("dir").public),
    "to the caller's own key": lambda gate: gate.message(to=gate.alice.own.public),
    "by somebody else's secret": lambda gate: gate.message(to=gate.bob.own.public),
    "a spoilt tag": lambda gate: gate.message()[:-4] + b"AAAA",
    "a spoilt nonce": lambda gate: b".".join(
        b"A" * 16 if place == 2 else part for place, part in enumerate(gate.message().split(b"."))
    ),
    "a spoilt content key": lambda gate: b".".join(
        part[:-6] + b"AAAAAA" if place == 1 else part for place, part in enumerate(gate.message().split(b"."))
    ),
    "alg swapped": lambda gate: reheaded(gate.message(), lambda head: {**head, "alg": "RSA-OAEP-256"}),
    "RSA1_5": lambda gate: reheaded(gate.message(to=RSA.public), lambda head: {**head, "alg": "RSA1_5"}),
    "enc swapped": lambda gate: reheaded(gate.message(), lambda head: {**head, "enc": "A128CBC-HS256"}),
    "zip": lambda gate: reheaded(gate.message(), lambda head: {**head, "zip": "DEF"}),
    "p2c": lambda gate: reheaded(
        gate.message(), lambda head: {**head, "alg": "PBES2-HS512+A256KW", "p2c": 2**31, "p2s": "x"}
    ),
    "alg none": lambda gate: reheaded(gate.message(), lambda head: {**head, "alg": "none"}),
    "a reference": lambda gate: reheaded(gate.message(), lambda head: {**head, "jku": "https://evil.example/"}),
    "crit": lambda gate: reheaded(gate.message(), lambda head: {**head, "crit": ["exp"]}),
    "an answer": lambda gate: gate.message(direction="answer"),
    "no direction": lambda gate: gate.message(direction=None),
    "another type": lambda gate: gate.message(typ="JWT"),
    "no time": lambda gate: gate.message(iat=None),
    "a time that is no number": lambda gate: gate.message(iat=True),
    "a fraction of time": lambda gate: gate.message(iat=NOW + 0.5),
    "old": lambda gate: gate.message(iat=int(NOW) - 61),
    "for later": lambda gate: gate.message(iat=int(NOW) + 6),
    "no id": lambda gate: gate.message(jti=None),
    "a short id": lambda gate: gate.message(jti="1"),
    "an id with a space": lambda gate: gate.message(jti="message number 01"),
    "no key for the answer": lambda gate: gate.message(reply_kid=None),
    "a list of keys": lambda gate: gate.message(reply_kid=[gate.alice.own.id]),
    "nobody's key for the answer": lambda gate: gate.message(reply_kid="nobody"),
    "somebody else's key for the answer": lambda gate: gate.message(reply_kid=gate.mallory.own.id),
    "no type": lambda gate: gate.message(cty=None),
    "a line break in the type": lambda gate: gate.message(cty="application/json\r\nx-admin: 1"),
    "too much": lambda gate: gate.message(b'{"note":"' + b"a" * 262_144 + b'"}'),
}


@pytest.mark.parametrize("name", BAD)
def test_whatever_is_wrong_has_the_same_code_and_no_answer_is_encrypted(shared_gate: Gate, name: str) -> None:
    exchange = shared_gate.exchange(BAD[name](shared_gate), ("content-type", "application/jose"))
    with pytest.raises(Denied) as caught:
        shared_gate.admit(exchange)
    assert caught.value.code == CODE
    assert caught.value.headers == ((b"accept", b"application/jose"),)
    assert exchange.json_body is not None
    assert exchange.seal_answer is None


def test_an_encrypted_body_must_say_that_it_is_one(gate: Gate) -> None:
    for media_type in ("application/json", "application/jwe", ""):
        assert gate.code(gate.message(), media_type=media_type) == CODE
    assert gate.code(gate.message(), media_type="Application/JOSE; charset=utf-8") == ""


def test_a_message_is_good_once_and_only_from_who_made_it(gate: Gate) -> None:
    message = gate.message()
    assert gate.code(message, caller=gate.mallory) == CODE, "taken off the wire, and sent as one's own"
    assert gate.code(message) == ""
    assert gate.code(message) == CODE
    assert gate.code(gate.message(jti="message-number-2")) == ""


def test_an_id_that_somebody_else_used_is_still_free(gate: Gate) -> None:
    assert gate.code(gate.message()) == ""
    other = gate.message(reply_kid=gate.mallory.own.id)
    assert gate.code(other, caller=gate.mallory) == ""


def test_a_message_that_does_not_hold_uses_nothing_up(gate: Gate) -> None:
    assert gate.code(gate.message()[:-4] + b"AAAA") == CODE
    assert gate.code(gate.message(direction="answer")) == CODE
    assert gate.code(gate.message()) == ""


def test_right_after_a_start_nobody_can_tell_what_was_used(gate: Gate) -> None:
    gate = Gate(replays=OwnReplays(born_at=NOW))
    assert gate.code(gate.message()) == "authenticate.unavailable"
    gate.now = NOW + 6
    assert gate.code(gate.message()) == ""
    assert Gate(replays=NoReplays()).code(gate.message()) == CODE  # made for later than that gate's now
    lost = Gate(replays=NoReplays())
    assert lost.code(lost.message()) == "authenticate.unavailable"


@pytest.mark.parametrize(
    "change", [{"revoked": True}, {"expires_at": NOW}, {"subject": "carol"}, {"issuer": "https://other"}]
)
def test_a_key_that_is_revoked_expired_or_not_theirs_is_none(gate: Gate, change: dict[str, Any]) -> None:
    gate.records[0] = gate.alice.encryption_record(**change)
    gate.apply()
    assert gate.code(gate.message()) == CODE
    bodiless = gate.sent(gate.encrypter().seal(b"", ""))
    assert gate.verdict(bodiless) == CODE


def test_a_shared_secret_serves_both_ways_and_cannot_be_turned_round(gate: Gate) -> None:
    sealed = gate.encrypter(gate.bob).seal(b'{"note":"hi"}', "application/json")
    exchange = gate.sent(sealed, caller=gate.bob)
    assert gate.verdict(exchange) == ""
    answer = gate.answered(exchange, json_answer())
    assert gate.opened(sealed, answer, gate.bob).content == b'{"note":"there"}'
    back = gate.exchange(answer.body or b"", ("content-type", "application/jose"), caller=gate.bob)
    assert gate.verdict(back) == CODE
    with pytest.raises(EncryptionRefused):
        gate.encrypter(gate.bob).open(sealed.body, status=200, message_id=sealed.message_id)


def test_a_revoked_secret_opens_nothing(gate: Gate) -> None:
    gate.records[2] = gate.bob.encryption_record(revoked=True)
    gate.apply()
    assert gate.verdict(gate.sent(gate.encrypter(gate.bob).seal(b"{}", "application/json"), caller=gate.bob)) == CODE


def test_a_secret_that_cannot_be_unsealed_is_said_to_be_left_out(gate: Gate) -> None:
    gate.records[2] = gate.bob.encryption_record(sealed="AAAA")
    gate.apply()
    assert gate.credentials.unusable_keys == ("encryption key shared cannot be used",)
    assert set(gate.credentials.encryption.callers) == {gate.alice.own.id, gate.mallory.own.id}


# -- the answer -------------------------------------------------------------------------------------------------------


def test_the_answer_is_for_the_caller_alone_and_to_their_question(gate: Gate) -> None:
    sealed = gate.encrypter().seal(b'{"note":"hi"}', "application/json")
    exchange = gate.sent(sealed)
    gate.admit(exchange)
    fields = ((b"etag", b'"1"'), (b"content-disposition", b"attachment; filename=secret"), (b"x-kept", b"1"))
    answer = gate.answered(exchange, json_answer(b'{"note":"there","hash":"x"}', *fields))
    headers = dict(answer.headers)
    assert headers[b"content-type"] == b"application/jose"
    assert headers[b"content-length"] == b"%d" % len(answer.body or b"")
    assert not {b"etag", b"content-disposition"} & set(headers)
    assert headers[b"x-kept"] == b"1"
    assert b"there" not in (answer.body or b"")
    opened = gate.opened(sealed, answer)
    assert (opened.content, opened.media_type) == (b'{"note":"there"}', "application/json"), "minimised, then encrypted"
    with pytest.raises(EncryptionRefused):
        gate.opened(sealed, answer, gate.mallory)
    another = gate.encrypter().seal(b"{}", "application/json")
    with pytest.raises(EncryptionRefused, match="another message"):
        gate.opened(another, answer)
    answer.status = 201
    with pytest.raises(EncryptionRefused, match="status"):
        gate.opened(sealed, answer)


def test_a_request_without_a_body_names_key_and_id_in_its_head(gate: Gate) -> None:
    sealed = gate.encrypter().seal(b"", "")
    exchange = gate.sent(sealed)
    plan = gate.admit(exchange)
    assert b"doorward-message-id" not in plan.request_head(exchange)
    answer = gate.answered(exchange, json_answer())
    assert gate.opened(sealed, answer).content == b'{"note":"there"}'


@pytest.mark.parametrize("missing", ["Doorward-Message-Id", "Doorward-Reply-Key"])
def test_without_them_it_is_refused(gate: Gate, missing: str) -> None:
    fields = {name: value for name, value in gate.encrypter().seal(b"", "").headers.items() if name != missing}
    assert gate.verdict(gate.exchange(b"", *fields.items())) == CODE


def test_somebody_elses_key_is_not_taken_for_the_answer(gate: Gate) -> None:
    assert gate.verdict(gate.sent(gate.encrypter().seal(b"", ""), caller=gate.mallory)) == CODE


def test_a_refusal_is_encrypted_once_the_message_was_opened(gate: Gate) -> None:
    sealed = gate.encrypter().seal(b'{"note":1}', "application/json")
    exchange = gate.sent(sealed)
    with pytest.raises(Denied) as caught:
        gate.admit(exchange)
    exchange.denied = caught.value
    from doorward.problem import denial_response

    response = denial_response(exchange, caught.value)
    gate.pipeline.seal_answer(exchange, response)
    opened = gate.opened(sealed, response)
    assert (response.status, opened.media_type) == (400, "application/problem+json")
    assert json.loads(opened.content)["type"] == "urn:doorward:denial:validate.schema"


def test_answers_without_a_body_have_none(gate: Gate) -> None:
    exchange = gate.sent(gate.encrypter().seal(b"", ""))
    gate.admit(exchange)
    answer = gate.answered(exchange, Response(204, [(b"etag", b'"1"')], b""))
    assert answer.body == b""
    assert b"etag" not in dict(answer.headers)


def test_an_empty_answer_is_a_message_too(gate: Gate) -> None:
    sealed = gate.encrypter().seal(b"", "")
    exchange = gate.sent(sealed)
    gate.admit(exchange)
    assert gate.opened(sealed, gate.answered(exchange, json_answer(b""))).content == b""


@pytest.mark.parametrize(
    "response",
    [
        json_answer(b'{"note":"' + b"a" * 262_144 + b'"}'),
        json_answer(b"", (b"content-encoding", b"br")),
        Response(200, [(b"content-type", b"application/json; a=" + b"a" * 128)], b"{}"),
    ],
    ids=["too large", "compressed", "a long type"],
)
def test_what_cannot_be_encrypted_does_not_leave(gate: Gate, response: Response) -> None:
    sealed = gate.encrypter().seal(b"", "")
    exchange = gate.sent(sealed)
    gate.admit(exchange)
    answer = gate.answered(exchange, response)
    assert answer.status == 502
    assert b"forward.upstream_framing" in gate.opened(sealed, answer).content


def test_answers_are_held_whole(gate: Gate) -> None:
    exchange = gate.sent(gate.encrypter().seal(b"", ""))
    release = gate.admit(exchange).release
    endless = Response(200, [(b"content-type", b"text/event-stream")])
    assert (release.reads_body(exchange, endless), release.streams(exchange, endless)) == (True, False)


def binary(required: bool) -> dict[str, Any]:
    """The description, with an upload in place of an order."""
    said = document()
    content: dict[str, Any] = {"application/octet-stream": {}}
    said["paths"]["/orders"]["post"]["requestBody"] = {"required": required, "content": content}
    return said


def test_a_body_that_no_control_reads_is_opened_too_and_its_kind_judged() -> None:
    gate = Gate(said=binary(required=True))
    exchange = gate.exchange(gate.message(b"\x00\x01", cty="octet-stream"), ("content-type", "application/jose"))
    assert gate.verdict(exchange) == ""
    assert exchange.request.body == b"\x00\x01"
    assert gate.code(gate.message(jti="message-number-2")) == "validate.content_type"
    assert gate.code(gate.message(b"", cty="octet-stream", jti="message-number-3")) == "validate.schema"
    assert gate.code(b"\x00\x01", media_type="application/octet-stream") == CODE


def test_an_empty_message_is_a_request_without_a_body() -> None:
    gate = Gate(said=binary(required=False))
    exchange = gate.exchange(gate.message(b"", cty="octet-stream"), ("content-type", "application/jose"))
    head = gate.admit(exchange).request_head(exchange)
    assert b"\r\ncontent-length: 0\r\n" in head


def test_a_signature_covers_the_encrypted_body() -> None:
    """A webhook's HMAC: the body proves who calls, and is opened only then."""
    said = document()
    scheme = {"type": "apiKey", "in": "header", "name": "X-Signature", "x-doorward": {"signature": "hmac"}}
    said["components"]["securitySchemes"] = {"hook": scheme}
    said["security"] = [{"hook": []}]
    gate = Gate(said=said)
    partner = Partner("hmac")
    records = [gate.alice.encryption_record(subject="partner")]
    gate.credentials.apply(credentials_data(issuers={}, signature_keys=partner.records, encryption_keys=records))

    def asked(body: bytes, after: Callable[[Ask], Ask] | None = None) -> Exchange:
        ask = Ask(method="POST", target="/orders", body=body, headers=(("content-type", "application/jose"),))
        signed = partner.hooked(Signing(after=after), ask)
        assert signed.finish is not None
        sent = signed.finish(signed, "api.example")
        exchange = gate.exchange(sent.body, *sent.headers)
        exchange.request.target = b"/orders"
        return exchange

    assert gate.verdict(asked(gate.message())) == ""
    other = gate.message(jti="message-number-3")
    swapped = asked(gate.message(jti="message-number-2"), lambda sent: replace(sent, body=other))
    assert gate.verdict(swapped) == "authenticate.signature_invalid"
    assert swapped.seal_answer is None
    assert gate.verdict(asked(gate.message())) == CODE, "signed anew, the message is the same"


# -- what does not load -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"public": ["POST /orders"]}, None),
        ({"modes": {"authenticate": "off"}}, None),
        ({"modes": {"authenticate": "observe"}}, None),
        ({"operations": {"POST /orders": {"modes": {"authenticate": "off"}}}}, None),
        ({"operations": {"GET /orders": {"websocket": {"origins": ["https://a.example"]}}}}, None),
    ],
    ids=["public", "off", "observed", "off for one", "websocket"],
)
def test_encryption_does_not_stand_in_for_a_credential(gate: Gate, settings: dict[str, Any], said: Any) -> None:
    with pytest.raises(PolicyError, match="encrypted"):
        gate.compiled(policy_of(**settings), said)


def test_the_policy_can_demand_it_too(gate: Gate) -> None:
    gate.pipeline = gate.compiled(policy_of(operations={"POST /orders": {"body": "jwe"}}), document({}))
    assert gate.code(b'{"note":"hi"}', media_type="application/json") == CODE
    assert gate.code(gate.message()) == ""


def test_a_body_is_bounded_as_it_travels(gate: Gate) -> None:
    gate.pipeline = gate.compiled(policy_of(authenticate={"encrypted_body": {"max_bytes": 3000}}))
    plan, _ = gate.pipeline._router.find("POST", b"/orders")
    assert plan.body_bytes == 4000 + 4096
    assert gate.code(gate.message(b'{"note":"' + b"a" * 2989 + b'"}')) == ""
    assert gate.code(gate.message(b'{"note":"' + b"a" * 2990 + b'"}', jti="message-number-2")) == CODE


def test_an_operation_in_clear_has_no_such_check() -> None:
    gate = Gate(said=document({}))
    plan, _ = gate.pipeline._router.find("POST", b"/orders")
    assert not plan.waits_with_body
    assert gate.code(b'{"note":"hi"}', media_type="application/json") == ""


def test_no_secret_shows(gate: Gate) -> None:
    for each in gate.credentials.encryption.callers.values():
        assert repr(SECRET) not in repr(each)
    assert encrypt(b"", OWN.public, typ="x") not in repr(gate.credentials.encryption.own)
