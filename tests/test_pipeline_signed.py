"""Signed operations in the pipeline: what runs when, what is read, what does not load."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import orjson
import pytest
from tests.controls.authenticate.partner import NOW, Partner, exchange_of

from doorward.attack.case import Ask, Signing
from doorward.controls.authenticate import Credentials, credentials_data
from doorward.controls.authenticate.replay import Sight
from doorward.controls.forward import IdentitySigner
from doorward.controls.limits import Counters
from doorward.denial import Denied
from doorward.errors import PolicyError
from doorward.exchange import Exchange, Pending, SingleUse
from doorward.jose import generate_key
from doorward.pipeline import Pipeline, compile_pipeline
from doorward.policy.document import Policy
from doorward.policy.openapi import description_from_document

JSON = {"content": {"application/json": {"schema": {"type": "object"}}}}
FILE: dict[str, Any] = {"content": {"application/octet-stream": {}}}
ANSWERS = {"200": {"description": "ok"}}


def document(extension: Any = None) -> dict[str, Any]:
    signed = {
        "type": "http",
        "scheme": "signature",
        "x-doorward": {"signature": "rfc9421"} if extension is None else extension,
    }
    hook = {"type": "apiKey", "in": "header", "name": "X-Signature", "x-doorward": {"signature": "hmac"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "orders", "version": "1"},
        "components": {"securitySchemes": {"signed": signed, "hook": hook}},
        "paths": {
            "/orders": {
                "get": {"security": [{"signed": []}], "responses": ANSWERS},
                "post": {"security": [{"signed": []}], "requestBody": JSON, "responses": ANSWERS},
            },
            "/file": {"put": {"security": [{"signed": []}], "requestBody": FILE, "responses": ANSWERS}},
            "/hook": {"post": {"security": [{"hook": []}], "requestBody": JSON, "responses": ANSWERS}},
        },
    }


def pipeline_of(credentials: Credentials, said: dict[str, Any] | None = None, **settings: Any) -> Pipeline:
    written = {"api": "openapi.yaml", "upstream": "http://127.0.0.1:9", "insecure_plain_http": True}
    roles = {"writer": ["GET /orders", "POST /orders", "PUT /file", "POST /hook"]}
    policy = Policy.model_validate_json(orjson.dumps({**written, "roles": roles, **settings}))
    return compile_pipeline(
        policy,
        description_from_document(said or document()),
        version="v1",
        credentials=credentials,
        signer=IdentitySigner(generate_key("ES256")),
        counters=Counters(),
        record_key=b"k" * 32,
    )


def admitted(pipeline: Pipeline, ask: Ask) -> tuple[str, Exchange]:
    """The code of the denial, or nothing; and the exchange."""
    sent = ask if ask.finish is None else ask.finish(ask, "api.example")
    exchange = exchange_of(sent, now=NOW)
    try:
        pipeline.admit_body(exchange, pipeline.admit_head(exchange))
    except Denied as denied:
        return denied.code, exchange
    return "", exchange


@pytest.fixture
def partner() -> Partner:
    partner = Partner()
    partner.credentials.apply(credentials_data(issuers={}, signature_keys=partner.records))
    return partner


def json_ask(target: str, body: bytes = b"{}") -> Ask:
    return Ask(method="POST", target=target, body=body, headers=(("Content-Type", "application/json"),))


def test_a_signed_request_passes_all_controls(partner: Partner) -> None:
    pipeline = pipeline_of(partner.credentials)
    code, exchange = admitted(pipeline, partner.signed(ask=Ask(target="/orders")))
    assert code == ""
    assert exchange.caller is not None
    assert exchange.caller.subject == "partner"
    assert admitted(pipeline, partner.signed(ask=json_ask("/orders")))[0] == ""


def test_a_body_that_no_control_reads_is_read_for_its_digest(partner: Partner) -> None:
    pipeline = pipeline_of(partner.credentials)
    ask = Ask(method="PUT", target="/file", body=b"\x00data", headers=(("Content-Type", "application/octet-stream"),))
    code, _ = admitted(pipeline, partner.signed(ask=ask))
    assert code == ""
    assert pipeline.admit_head(_again(partner, ask)).body_mode == "read"
    other = Signing(after=lambda sent: replace(sent, body=b"other"))
    assert admitted(pipeline, partner.signed(other, ask))[0] == "authenticate.signature_digest"


def _again(partner: Partner, ask: Ask) -> Exchange:
    signed = partner.signed(ask=ask)
    assert signed.finish is not None
    return exchange_of(signed.finish(signed, "api.example"), now=NOW)


def test_a_replay_is_refused_before_anything_else_looks_at_it(partner: Partner) -> None:
    pipeline = pipeline_of(partner.credentials)
    ask = partner.signed(ask=json_ask("/orders", b"not json"))
    assert ask.finish is not None
    same = ask.finish(ask, "api.example")
    assert admitted(pipeline, same)[0] == "validate.json_syntax"
    code, exchange = admitted(pipeline, same)
    assert code == "authenticate.signature_replayed"
    assert exchange.caller is None, "a copy proves nobody"


def test_where_proofs_are_only_observed_a_copy_goes_on_as_its_caller(partner: Partner) -> None:
    pipeline = pipeline_of(partner.credentials, modes={"authenticate": "observe"})
    ask = partner.signed(ask=Ask(target="/orders"))
    assert ask.finish is not None
    same = ask.finish(ask, "api.example")
    for findings in ([], ["observe:authenticate.signature_replayed"]):
        code, exchange = admitted(pipeline, same)
        assert (code, exchange.findings) == ("", findings)
        assert exchange.caller is not None


def test_a_webhook_is_nobodys_until_its_body_is_there(partner: Partner) -> None:
    pipeline = pipeline_of(partner.credentials)
    ask = partner.hooked(ask=json_ask("/hook"))
    assert ask.finish is not None
    exchange = exchange_of(ask.finish(ask, "api.example"), now=NOW)
    plan = pipeline.admit_head(exchange)
    assert exchange.caller is None
    assert plan.proves_by_body
    pipeline.admit_body(exchange, plan)
    assert exchange.caller is not None
    assert exchange.caller.subject == "partner"


def test_a_field_that_callers_must_sign_is_neither_removed_nor_shadowed_though_only_observed(partner: Partner) -> None:
    components = ["@method", "@authority", "@path", "@query", "x-tenant"]
    pipeline = pipeline_of(
        partner.credentials,
        modes={"authenticate": "observe", "authorize": "off"},
        authenticate={"message_signature": {"components": components}},
    )
    added = (("X-Tenant", "a"), ("X_Tenant", "b"), ("Connection", "close, x-tenant"))
    exchange = exchange_of(Ask(target="/orders", headers=added))
    head = pipeline.admit_head(exchange).request_head(exchange)
    assert b"\r\nx-tenant: a\r\n" in head
    assert b"x_tenant" not in head


@pytest.mark.parametrize(
    ("signing", "code"),
    [
        (None, "missing"),
        (Signing(), ""),
        (Signing(spoilt=True), ""),
        (Signing(created_ago_s=61), "expired"),
        (Signing(key_id="unknown"), ""),
        (Signing(key_id="ed"), ""),
        (Signing(key_id="old"), ""),
        (Signing(after=lambda ask: ask.with_header("X-Signature", "00")), "invalid"),
    ],
)
def test_a_webhook_that_no_body_could_make_right_is_refused_before_its_body(
    partner: Partner, signing: Signing | None, code: str
) -> None:
    partner.records.append(partner.records[2] | {"id": "old", "revoked": True})
    partner.credentials.apply(credentials_data(issuers={}, signature_keys=partner.records))
    pipeline = pipeline_of(partner.credentials)
    ask = json_ask("/hook") if signing is None else partner.hooked(signing, json_ask("/hook"))
    exchange = exchange_of(ask if ask.finish is None else ask.finish(ask, "api.example"), now=NOW)
    exchange.request.body = b""
    with pytest.raises(Denied) if code else nullcontext() as denied:
        pipeline.admit_head(exchange)
    assert denied is None or denied.value.code == f"authenticate.signature_{code}"


@pytest.mark.parametrize("key_id", ["unknown", "ed", "old", ""])
def test_whether_a_key_id_exists_shows_neither_before_the_body_nor_in_the_refusal(
    partner: Partner, key_id: str
) -> None:
    partner.records.append(partner.records[2] | {"id": "old", "revoked": True})
    partner.credentials.apply(credentials_data(issuers={}, signature_keys=partner.records))
    pipeline = pipeline_of(partner.credentials)
    ask = partner.hooked(Signing(key_id=key_id, spoilt=True), json_ask("/hook"))
    exchange = exchange_of(ask if ask.finish is None else ask.finish(ask, "api.example"), now=NOW)
    plan = pipeline.admit_head(exchange)
    with pytest.raises(Denied) as denied:
        pipeline.admit_body(exchange, plan)
    assert denied.value.code == "authenticate.signature_invalid"
    assert denied.value.headers == ((b"www-authenticate", b'Signature realm="api", error="invalid_signature"'),)


def test_of_two_credentials_that_are_demanded_both_are_announced_or_no_body_is_read(partner: Partner) -> None:
    said = document()
    said["paths"]["/hook"]["post"]["security"] = [{"hook": [], "signed": []}]
    pipeline = pipeline_of(partner.credentials, said)
    hooked = partner.hooked(ask=json_ask("/hook"))
    assert hooked.finish is not None
    alone = hooked.finish(hooked, "api.example")
    with pytest.raises(Denied) as denied:
        pipeline.admit_head(exchange_of(alone, now=NOW))
    assert denied.value.code == "authenticate.missing"
    both = partner.signed(ask=replace(alone, finish=None))
    assert admitted(pipeline, both)[0] == ""


def test_a_webhook_by_someone_without_the_role_is_refused(partner: Partner) -> None:
    pipeline = pipeline_of(partner.credentials, roles={"writer": ["GET /orders"]})
    assert admitted(pipeline, partner.hooked(ask=json_ask("/hook")))[0] == "authorize.role"


def test_a_webhook_goes_through_every_control_once_it_is_proved(partner: Partner) -> None:
    pipeline = pipeline_of(partner.credentials, limits={"per_caller": "1/minute"})
    assert admitted(pipeline, partner.hooked(ask=json_ask("/hook", b"[]")))[0] == "validate.schema"
    assert admitted(pipeline, partner.hooked(ask=json_ask("/hook")))[0] == "limits.rate"
    assert admitted(pipeline, json_ask("/hook"))[0] == "authenticate.signature_missing"


def test_a_webhook_that_must_wait_for_an_answer_goes_on_where_it_stopped(partner: Partner) -> None:
    class Asking:
        answer: Sight | None = None

        def claim(self, exchange: Exchange, proof: SingleUse) -> Sight:
            if self.answer is None:
                raise Pending(lambda known: known())
            return self.answer

    asking = partner.credentials.replays = Asking()
    pipeline = pipeline_of(partner.credentials)
    ask = partner.hooked(ask=json_ask("/hook"))
    assert ask.finish is not None
    exchange = exchange_of(ask.finish(ask, "api.example"), now=NOW)
    plan = pipeline.admit_head(exchange)
    with pytest.raises(Pending):
        pipeline.admit_body(exchange, plan)
    assert exchange.caller is not None
    exchange.request.body = b"proved already, and not looked at again"
    asking.answer = "seen"
    with pytest.raises(Denied) as denied:
        pipeline.admit_body(exchange, plan)
    assert denied.value.code == "authenticate.signature_replayed"


def test_an_operation_that_asks_for_no_signature_has_nothing_of_it(partner: Partner) -> None:
    pipeline = pipeline_of(partner.credentials, public=("GET /orders",))
    plan = pipeline.admit_head(exchange_of(Ask(target="/orders")))
    assert not plan.proves_by_body
    assert admitted(pipeline, Ask(target="/orders"))[0] == ""


@pytest.mark.parametrize(
    "extension", [{"signature": "hmac256"}, {"signatur": "rfc9421"}, "rfc9421", {"signature": []}, []]
)
def test_a_scheme_that_says_something_else_does_not_load(extension: Any) -> None:
    with pytest.raises(PolicyError, match="how requests are signed") as error:
        description_from_document(document(extension))
    assert error.value.key == "#/components/securitySchemes/signed/x-doorward"


def test_a_websocket_does_not_open_by_a_signature(partner: Partner) -> None:
    operations = {"GET /orders": {"websocket": {"origins": ["https://app.example"]}}}
    with pytest.raises(PolicyError, match="outlives"):
        pipeline_of(partner.credentials, operations=operations)


def test_settings_of_a_scheme_that_nobody_has_do_not_load(partner: Partner) -> None:
    with pytest.raises(PolicyError, match="no operation takes") as error:
        pipeline_of(partner.credentials, authenticate={"hmac_signatures": [{"scheme": "hok"}]})
    assert error.value.hint == "schemes: hook"


def test_hosts_that_tell_each_other_take_signatures(partner: Partner) -> None:
    pipeline = pipeline_of(partner.credentials, limits={"shared": {"url": "redis://127.0.0.1:6379", "hosts": 2}})
    assert pipeline.policy.remembers_together
    assert admitted(pipeline, partner.signed(ask=Ask(target="/orders")))[0] == ""


@pytest.mark.parametrize(
    ("settings", "loads"),
    [
        ({}, False),
        ({"transport": {"trusted_proxies": ["10.0.0.0/8"]}}, True),
        ({"insecure_plain_http": False, "tls": {"certificate": "c.pem", "key": "k.pem"}}, True),
        ({"public": ["GET /orders"]}, True),
    ],
)
def test_a_secret_is_taken_where_it_can_travel_hidden(settings: dict[str, Any], loads: bool) -> None:
    said = document()
    said["components"]["securitySchemes"] = {"basic": {"type": "http", "scheme": "basic"}}
    said["paths"] = {"/orders": {"get": {"security": [{"basic": []}], "responses": ANSWERS}}}
    outcome = nullcontext() if loads else pytest.raises(PolicyError, match="in the clear")
    with outcome:
        pipeline_of(Credentials(), said, roles={"writer": ["GET *"]}, **settings)
