from typing import Any

import pytest

from doorward.errors import PolicyError
from doorward.operation import SecurityScheme

BEARER = SecurityScheme(name="jwt", kind="http", http_scheme="bearer")
OAUTH = SecurityScheme(name="oauth", kind="oauth2")
DIGEST = SecurityScheme(name="digest", kind="http", http_scheme="digest")
HEADER_KEY = SecurityScheme(name="key", kind="apiKey", location="header", parameter="X-Partner-Key")
QUERY_KEY = SecurityScheme(name="query", kind="apiKey", location="query", parameter="api_key")
COOKIE_KEY = SecurityScheme(name="cookie", kind="apiKey", location="cookie", parameter="partner")


def partner(door: Any) -> tuple[str, str]:
    return ("X-Partner-Key", door.API_KEY)


@pytest.mark.parametrize("security", [(), ({},)])
def test_an_operation_that_asks_for_nothing_still_needs_a_credential(door: Any, security: Any) -> None:
    door.security = security
    assert door.code() == "authenticate.missing"
    assert door.ask(door.bearer()).scopes_demanded == (frozenset(),)
    assert door.ask(("x-api-key", door.API_KEY)).caller.kind == "api_key"


def test_an_optional_credential_is_demanded(door: Any) -> None:
    door.security = ({}, {BEARER: ()})
    assert door.code() == "authenticate.missing"


def test_a_key_travels_where_the_description_says(door: Any) -> None:
    door.security = ({HEADER_KEY: ()},)
    assert door.ask(partner(door))
    assert door.code(("x-api-key", door.API_KEY)) == "authenticate.missing"


def test_a_key_in_the_query_is_found_once_and_by_its_exact_name(door: Any) -> None:
    door.security = ({QUERY_KEY: ()},)
    assert door.ask(query=f"a=1&api_key={door.API_KEY}&b")
    assert door.code(query=f"api_key={door.API_KEY}&api_key={door.API_KEY}") == "authenticate.api_key"
    assert door.code(query=f"API_KEY={door.API_KEY}&xapi_key={door.API_KEY}") == "authenticate.missing"


def test_a_key_in_a_cookie_is_found_once(door: Any) -> None:
    door.security = ({COOKIE_KEY: ()},)
    assert door.ask(("Cookie", f"theme=dark; partner={door.API_KEY}"))
    assert door.code(("Cookie", f"partner={door.API_KEY}; partner=x")) == "authenticate.api_key"
    assert door.code(("Cookie", "theme=dark")) == "authenticate.missing"


def test_one_of_the_alternatives_is_enough(door: Any) -> None:
    door.security = ({BEARER: ()}, {HEADER_KEY: ()})
    assert door.ask(door.bearer()).caller.kind == "user"
    assert door.ask(partner(door)).caller.kind == "api_key"


def test_the_first_alternative_that_is_met_names_the_caller(door: Any) -> None:
    door.security = ({HEADER_KEY: ("k",)}, {BEARER: ("t",)})
    asked = door.ask(door.bearer(), partner(door))
    assert (asked.caller.kind, asked.scopes_demanded) == ("api_key", (frozenset({"k"}),))


def test_a_wrong_credential_is_a_denial_although_another_is_right(door: Any) -> None:
    door.security = ({BEARER: ()}, {HEADER_KEY: ()})
    assert door.code(door.bearer(exp=1), partner(door)) == "authenticate.token_time"
    assert door.code(door.bearer(), ("X-Partner-Key", "guess")) == "authenticate.api_key"


def test_the_scopes_of_every_alternative_that_is_met_are_handed_on(door: Any) -> None:
    door.security = ({OAUTH: ("read",)}, {BEARER: ("write", "read")}, {HEADER_KEY: ()})
    assert door.ask(door.bearer()).scopes_demanded == (frozenset({"read"}), frozenset({"write", "read"}))


def test_all_schemes_of_one_alternative_must_be_met(door: Any) -> None:
    door.security = ({BEARER: (), HEADER_KEY: ()},)
    assert door.code(door.bearer()) == "authenticate.missing"
    assert door.code(partner(door)) == "authenticate.missing"
    assert door.ask(door.bearer(sub="partner"), partner(door)).caller.kind == "user"


def test_two_credentials_of_different_subjects_are_refused_unless_the_policy_says_who_counts(door: Any) -> None:
    door.security = ({BEARER: (), HEADER_KEY: ()},)
    both = (door.bearer(), partner(door))
    assert door.code(*both) == "authenticate.token_claims"
    for counts, kind in (("token", "user"), ("api_key", "api_key")):
        door.policy = door.policy.model_copy(update={"combined_caller": counts})
        assert door.ask(*both).caller.kind == kind


def test_an_alternative_that_cannot_be_checked_is_never_met(door: Any) -> None:
    door.security = ({DIGEST: ()}, {BEARER: ()}, {DIGEST: (), HEADER_KEY: ()})
    assert door.ask(door.bearer())
    assert door.code(partner(door)) == "authenticate.missing"


def test_an_operation_that_nobody_could_call_is_the_operators_mistake(door: Any) -> None:
    door.security = ({DIGEST: ()},)
    with pytest.raises(PolicyError, match="digest"):
        door.ask(door.bearer())
