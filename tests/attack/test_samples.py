"""Samples must be valid for the API they are made from, or nothing they prove is worth anything."""

import json
from pathlib import Path
from typing import Any

import pytest

from doorward.attack.case import Ask
from doorward.attack.credentials import MintedTokens
from doorward.attack.roles import cast_for
from doorward.attack.samples import UNDECLARED, DescribedSamples
from doorward.jose import generate_key, split_unverified
from doorward.policy.document import Policy
from doorward.policy.openapi import description_from_document


def needed(ask: Ask | None) -> Ask:
    assert ask is not None
    return ask


def test_reading_needs_no_role_beyond_the_reader(bank_samples: DescribedSamples) -> None:
    ask = needed(bank_samples.read())
    assert (ask.method, ask.who) == ("GET", "reader")
    assert ask.target == "/profile"


def test_writing_sends_a_body_the_description_allows(bank_samples: DescribedSamples) -> None:
    ask = needed(bank_samples.write())
    assert (ask.method, ask.target) == ("POST", "/accounts/acc-1001/transfers")
    assert json.loads(ask.body) == {"to": "acc-2002", "amount": 10}
    assert ("Content-Type", "application/json") in ask.headers


def test_a_privileged_request_is_one_the_reader_may_not_make(bank_samples: DescribedSamples) -> None:
    ask = needed(bank_samples.privileged("reader"))
    assert (ask.method, ask.target, ask.who) == ("GET", "/admin/users", "reader")


def test_another_object_is_a_valid_id_that_is_not_the_callers_own(bank_samples: DescribedSamples) -> None:
    assert needed(bank_samples.owned(own=True)).target == "/accounts/acc-1001"
    assert needed(bank_samples.owned(own=False)).target == "/accounts/acc-1002"


def test_text_travels_in_a_free_text_member_of_a_body(bank_samples: DescribedSamples) -> None:
    assert json.loads(needed(bank_samples.text("it's <b>")).body)["note"] == "it's <b>"


def test_text_travels_percent_encoded_in_a_query(bank_samples: DescribedSamples) -> None:
    assert needed(bank_samples.query_text("a b&c")).target == "/search?q=a%20b%26c"


@pytest.mark.parametrize(
    ("kind", "value", "member"), [("number", -1, "amount"), ("string", "x", "note"), ("extra", 1, UNDECLARED)]
)
def test_one_member_of_a_kind_is_replaced(
    bank_samples: DescribedSamples, kind: str, value: object, member: str
) -> None:
    ask = needed(bank_samples.body_value(kind, value))  # type: ignore[arg-type]
    assert json.loads(ask.body)[member] == value


def test_a_binary_upload_is_found(bank_samples: DescribedSamples) -> None:
    assert needed(bank_samples.streamed()).method == "PUT"


def test_a_scoped_request_differs_from_its_twin_in_the_scope_only(bank_samples: DescribedSamples) -> None:
    scopes = []
    for has_scope in (True, False):
        ask = needed(bank_samples.scoped(has_scope=has_scope))
        token = dict(ask.headers)["Authorization"].removeprefix("Bearer ")
        payload = json.loads(split_unverified(token).jws.payload)
        scopes.append(payload["scope"])
    assert scopes == ["reports:read", ""]


def test_an_api_key_travels_where_the_description_puts_it(bank_samples: DescribedSamples) -> None:
    assert ("X-Api-Key", "dw_key") in needed(bank_samples.api_key("valid")).headers


def test_a_key_that_does_not_exist_makes_the_attack_not_applicable(bank_samples: DescribedSamples) -> None:
    assert bank_samples.api_key("expired") is None


def test_there_is_no_laboratory_outside_the_laboratory(bank_samples: DescribedSamples) -> None:
    assert bank_samples.lab("refused") is None


def described(request: dict[str, Any], answer: dict[str, Any], **policy: Any) -> DescribedSamples:
    """Samples for an API with one operation, which takes and answers objects with these members."""
    description = description_from_document(
        {
            "openapi": "3.1.0",
            "info": {"title": "t", "version": "1"},
            "paths": {
                "/notes": {
                    "post": {
                        "requestBody": content_of(request),
                        "responses": {"201": {"description": "", **content_of(answer)}},
                    }
                }
            },
        }
    )
    made = Policy.model_validate(
        {
            "api": Path("openapi.yaml"),
            "state": Path("state"),
            "upstream": "http://127.0.0.1:1",
            "insecure_plain_http": True,
            "roles": {"writer": ("POST /notes",)},
            **policy,
        }
    )
    cast = cast_for(description, made)
    key = generate_key("ES256")
    tokens = MintedTokens(key=key, issuer="i", audience="a", roles=cast.roles, scopes=(), claims=cast.claims)
    return DescribedSamples(description, made, cast, tokens)


def content_of(members: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"type": "object", "properties": members}}}}


TEXT = {"type": "string"}
SQL = {"type": "string", "x-doorward": {"contains": "sql"}}


def test_a_text_travels_in_the_field_that_is_said_to_hold_its_kind() -> None:
    samples = described({"query": SQL, "note": TEXT}, {})
    assert json.loads(needed(samples.containing("sql", "SELECT 1")).body) == {"query": "SELECT 1"}
    assert samples.containing("code", "x = 1") is None


def test_a_field_that_is_said_to_hold_something_is_no_place_for_other_texts() -> None:
    assert json.loads(needed(described({"query": SQL, "note": TEXT}, {}).text("it's")).body) == {"note": "it's"}
    assert described({"query": SQL}, {}).text("it's") is None


def test_a_text_is_echoed_where_request_and_answer_have_the_member_and_the_policy_masks_the_kind() -> None:
    masked = {"minimise": {"mask": ["iban"]}}
    ask = described({"other": TEXT, "note": TEXT}, {"note": TEXT}, **masked).echoed("iban", "DE89")
    assert json.loads(needed(ask).body) == {"note": "DE89"}
    assert described({"note": TEXT}, {"note": TEXT}, **masked).echoed("email", "a@b.example") is None
    assert described({"note": TEXT}, {"note": TEXT}).echoed("iban", "DE89") is None
    assert described({"note": TEXT}, {"other": TEXT}, **masked).echoed("iban", "DE89") is None
    declared = {"type": "string", "format": "iban"}
    assert described({"note": TEXT}, {"note": declared}, **masked).echoed("iban", "DE89") is None
