"""Several issuers at once: each is believed for itself alone, and only as far as the policy says."""

from typing import Any

import pytest

from doorward.controls.authenticate import AuthenticatePolicy, IssuerPolicy
from doorward.jose import generate_key, sign_jwt

OTHER = "https://other.example"
OTHER_KEY = generate_key("EdDSA")


@pytest.fixture
def two(door: Any) -> Any:
    """The door with a second issuer that has its own key, audience and roles."""
    second = IssuerPolicy(
        issuer=OTHER,
        audience="partners",
        algorithms=("EdDSA",),
        roles={"partner-clerk": "reader"},
        claims={"account_id": "org.account", "region": "https://other.example/region"},
    )
    door.policy = AuthenticatePolicy(issuers=(*door.policy.issuers, second))
    keys = {door.ISSUER: [door.KEY.public.jwk()], OTHER: [OTHER_KEY.public.jwk()]}
    door.credentials.apply(door.data(issuers=keys))
    return door


def other(door: Any, key: Any = OTHER_KEY, **changes: Any) -> tuple[str, str]:
    return door.bearer(door.token(key, **({"iss": OTHER, "aud": "partners"} | changes)))  # type: ignore[no-any-return]


def test_each_issuer_is_believed_with_its_own_key(two: Any) -> None:
    assert two.ask(two.bearer()).caller.issuer == two.ISSUER
    assert two.ask(other(two)).caller.issuer == OTHER


def test_no_issuer_speaks_for_another(two: Any) -> None:
    # the other's key and kid under the first one's name: a `kid` is looked up among its own issuer's keys only
    assert two.code(two.bearer(two.token(OTHER_KEY))) == "authenticate.token_key"
    assert two.code(other(two, two.KEY)) == "authenticate.token_key"
    # the first one's kid, signed by the other
    forged = sign_jwt(OTHER_KEY, {"iss": two.ISSUER}, "at+jwt").split(".")
    assert two.code(two.bearer(".".join(forged))) == "authenticate.token_key"
    assert two.code(other(two, aud="api")) == "authenticate.token_claims"
    assert two.code(two.bearer(two.token(aud="partners"))) == "authenticate.token_claims"


def test_the_same_name_at_two_issuers_is_two_callers(two: Any) -> None:
    assert two.ask(two.bearer()).caller.key != two.ask(other(two)).caller.key


def test_roles_of_an_issuer_count_only_by_their_place_in_the_map(two: Any) -> None:
    roles = ["partner-clerk", "admin", "reader"]
    assert two.ask(other(two, roles=roles)).caller.roles == {"reader"}
    assert two.ask(other(two, roles=["admin", "reader"])).caller.roles == frozenset()
    assert two.ask(two.bearer(two.token(roles=roles))).caller.roles == set(roles)


def test_claims_of_an_issuer_are_seen_only_by_their_place_in_the_map(two: Any) -> None:
    told = {"org": {"account": "a-7"}, "account_id": "a-1", "https://other.example/region": "eu", "is_staff": True}
    assert dict(two.ask(other(two, **told)).caller.claims) == {"account_id": "a-7", "region": "eu"}
    assert dict(two.ask(other(two, account_id="a-1")).caller.claims) == {}
    assert two.ask(two.bearer(two.token(account_id="a-1"))).caller.claims["account_id"] == "a-1"


def test_an_issuer_without_keys_is_unavailable_and_the_other_is_not(two: Any) -> None:
    two.credentials.apply(two.data(issuers={two.ISSUER: [two.KEY.public.jwk()], OTHER: []}))
    assert two.code(other(two)) == "authenticate.unavailable"
    assert two.ask(two.bearer())
