"""Samples must be valid for the API they are made from, or nothing they prove is worth anything."""

import json

import pytest

from doorward.attack.case import Ask
from doorward.attack.samples import UNDECLARED, DescribedSamples
from doorward.jose import split_unverified


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
