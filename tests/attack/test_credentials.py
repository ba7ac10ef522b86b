"""Tokens of the simulated callers: minted, given, forged."""

import json

import pytest

from doorward.attack.credentials import GivenTokens, MintedTokens
from doorward.jose import JoseError, PublicKey, generate_key, split_unverified, verify_signature

KEY = generate_key("ES256")
MINTED = MintedTokens(
    key=KEY,
    issuer="https://issuer.example",
    audience="api",
    roles={"reader": "customer", "admin": "boss"},
    scopes=("a", "b"),
    claims={"account_id": "acc-1001"},
)


def claims_of(token: str | None, key: PublicKey = KEY.public) -> dict[str, object]:
    assert token is not None
    return dict(verify_signature(split_unverified(token), key))


def test_a_minted_token_is_signed_and_says_who_calls() -> None:
    claims = claims_of(MINTED.token("reader"))
    assert claims["roles"] == ["customer"]
    assert claims["scope"] == "a b"
    assert claims["account_id"] == "acc-1001"


def test_nobody_has_no_role_and_the_anonymous_have_no_token() -> None:
    assert claims_of(MINTED.token("nobody"))["roles"] == []
    assert MINTED.token("anonymous") is None


def test_a_forged_claim_can_be_signed_with_the_real_key() -> None:
    assert claims_of(MINTED.forge({}, {"aud": "other"}, valid_signature=True))["aud"] == "other"


def test_a_forged_claim_can_be_signed_by_a_stranger() -> None:
    with pytest.raises(JoseError):
        claims_of(MINTED.forge({}, {"roles": ["boss"]}, valid_signature=False))


def test_none_removes_a_member() -> None:
    assert "exp" not in claims_of(MINTED.forge({}, {"exp": None}, valid_signature=True))


def test_a_given_token_can_be_altered_but_not_signed() -> None:
    given = GivenTokens(tokens={"reader": MINTED.token("reader") or ""})
    assert given.forge({}, {"sub": "x"}, valid_signature=True) is None
    altered = given.forge({}, {"sub": "x"}, valid_signature=False)
    assert json.loads(split_unverified(altered or "").jws.payload)["sub"] == "x"


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "\xff.\xff.\xff", "W10.W10.x"])
def test_a_token_that_is_no_jwt_is_left_alone(token: str) -> None:
    assert GivenTokens(tokens={"reader": token}).forge({}, {}, valid_signature=False) is None


def test_no_secret_shows_in_a_repr() -> None:
    token = MINTED.token("reader") or ""
    assert token not in repr(GivenTokens(tokens={"reader": token}))
    assert "****" in repr(MINTED)
