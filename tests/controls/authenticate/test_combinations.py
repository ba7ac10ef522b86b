"""AND and OR of OpenAPI `security`: what counts when several credentials are demanded or shown, what never helps."""

from typing import Any

import pytest

from doorward.controls.authorize import AuthorizePolicy
from doorward.controls.authorize import compile_check as compile_authorize
from doorward.denial import Denied
from doorward.exchange import Exchange
from doorward.operation import Operation, SecurityScheme

TOKEN = SecurityScheme(name="token", kind="oauth2")
SECOND = SecurityScheme(name="second", kind="openIdConnect")
KEY = SecurityScheme(name="key", kind="apiKey", location="header", parameter="X-Api-Key")
QUERY = SecurityScheme(name="query", kind="apiKey", location="query", parameter="key")
DIGEST = SecurityScheme(name="digest", kind="http", http_scheme="digest")


def key(door: Any) -> tuple[str, str]:
    return ("X-Api-Key", door.API_KEY)


def of_partner(door: Any, **claims: Any) -> tuple[str, str]:
    bearer: tuple[str, str] = door.bearer(sub="partner", **claims)
    return bearer


def passes_scopes(door: Any, exchange: Exchange) -> bool:
    """Whether `authorize` finds the scopes that the description demands."""
    operation = Operation(id="read", method="GET", path="/x", template="/x", security=door.security)
    check = compile_authorize(operation, AuthorizePolicy.model_validate({"roles": {"reader": ["GET /x"]}}))
    code = ""
    try:
        check(exchange)
    except Denied as denied:
        code = denied.code
    assert code in {"", "authorize.scope"}
    return not code


def test_all_parts_must_be_there_and_be_of_one_caller(door: Any) -> None:
    door.security = ({TOKEN: (), KEY: ()},)
    assert door.ask(of_partner(door), key(door)).caller.subject == "partner"
    assert door.code(of_partner(door)) == "authenticate.missing"
    assert door.code(key(door)) == "authenticate.missing"
    assert door.code(door.bearer(), key(door)) == "authenticate.token_claims"


@pytest.mark.parametrize("wrong", ["token", "key"])
def test_no_part_makes_up_for_a_wrong_one(door: Any, wrong: str) -> None:
    bearer = ("Authorization", "Bearer wrong") if wrong == "token" else of_partner(door)
    shown = ("X-Api-Key", "wrong") if wrong == "key" else key(door)
    code = "authenticate.token_size" if wrong == "token" else "authenticate.api_key"
    for security in (({TOKEN: (), KEY: ()},), ({TOKEN: ()}, {KEY: ()}), ({KEY: ()}, {TOKEN: (), KEY: ()})):
        door.security = security
        assert door.code(bearer, shown) == code, security


def test_the_same_place_in_two_alternatives_is_one_credential(door: Any) -> None:
    door.security = ({TOKEN: (), SECOND: ()},)
    assert door.ask(door.bearer()).caller.subject == "alice"
    door.security = ({QUERY: ()}, {KEY: ()})
    assert door.code(key(door), query="key=wrong") == "authenticate.api_key"
    assert door.ask(key(door), query=f"key={door.API_KEY}").caller.subject == "partner"


def test_an_alternative_with_a_part_that_cannot_be_checked_is_not_met_by_the_rest(door: Any) -> None:
    door.security = ({TOKEN: (), DIGEST: ()}, {KEY: ()})
    assert door.code(of_partner(door)) == "authenticate.missing"
    assert door.ask(key(door)).caller.kind == "api_key"


@pytest.mark.parametrize(("counts", "kind"), [("token", "user"), ("api_key", "api_key")])
def test_where_the_policy_says_who_counts_the_other_must_be_good_all_the_same(
    door: Any, counts: str, kind: str
) -> None:
    door.security = ({TOKEN: (), KEY: ()},)
    door.policy = door.policy.model_copy(update={"combined_caller": counts})
    assert door.ask(door.bearer(), key(door)).caller.kind == kind
    assert door.code(door.bearer(exp=door.NOW - 3600), key(door)) == "authenticate.token_time"
    door.credentials.apply(door.data(api_keys=[door.key_record(revoked=True)]))
    assert door.code(door.bearer(), key(door)) == "authenticate.api_key"


@pytest.mark.parametrize("counts", ["same", "token", "api_key"])
@pytest.mark.parametrize(
    ("demands", "scopes", "passes"),
    [
        ({TOKEN: ("read",), KEY: ()}, "read", True),
        ({TOKEN: ("read",), KEY: ()}, "", False),
        ({TOKEN: ("orders:read",), KEY: ()}, "", False),
        ({TOKEN: (), KEY: ("orders:read",)}, "", True),
        ({TOKEN: (), KEY: ("read",)}, "read", False),
        ({TOKEN: ("read",), KEY: ("orders:read",)}, "read", True),
        ({TOKEN: ("read", "write"), KEY: ()}, "read", False),
    ],
)
def test_a_scope_demanded_of_one_credential_is_granted_by_no_other(
    door: Any, counts: str, demands: Any, scopes: str, passes: bool
) -> None:
    door.security = (demands,)
    door.policy = door.policy.model_copy(update={"combined_caller": counts})
    asked = door.ask(of_partner(door, scope=scopes, roles=["reader"]), key(door))
    assert passes_scopes(door, asked) == passes


def test_a_scope_that_one_alternative_lacks_does_not_spoil_another_of_the_same_caller(door: Any) -> None:
    door.policy = door.policy.model_copy(update={"combined_caller": "api_key"})
    door.security = ({TOKEN: ("orders:read",), KEY: ()}, {KEY: ("orders:read",)})
    asked = door.ask(of_partner(door, scope="", roles=["reader"]), key(door))
    assert passes_scopes(door, asked)
    door.security = ({TOKEN: ("orders:read",), KEY: ()},)
    assert not passes_scopes(door, door.ask(of_partner(door, scope="", roles=["reader"]), key(door)))


def test_scopes_of_an_alternative_whose_caller_does_not_count_open_nothing(door: Any) -> None:
    door.security = ({TOKEN: ("admin",)}, {KEY: ()})
    asked = door.ask(door.bearer(scope="", roles=["reader"]), key(door))
    assert asked.caller.subject == "alice"
    assert not passes_scopes(door, asked), "the first credential that is shown and taken is who calls"
