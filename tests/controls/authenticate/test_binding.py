"""Tokens bound to a certificate (RFC 8705), ID-48 and ID-50 of the reference, and bindings that cannot be checked."""

from typing import Any

import pytest

from doorward.jose import generate_key

MINE, OTHER = "A" * 43, "B" * 43


def bound(door: Any, **methods: object) -> tuple[str, str]:
    header: tuple[str, str] = door.bearer(door.token(cnf=methods))
    return header


def test_a_token_bound_to_a_certificate_needs_a_connection_made_with_it(door: Any) -> None:
    header = bound(door, **{"x5t#S256": MINE})
    assert door.ask(header, certificate=MINE).caller.subject == "alice"
    assert door.code(header) == "authenticate.certificate_missing"
    assert door.code(header, certificate=OTHER) == "authenticate.certificate_mismatch"
    assert door.ask(header, certificate=MINE), "also when the token is remembered"
    assert door.code(header) == "authenticate.certificate_missing"


@pytest.mark.parametrize("name", ["X-Client-Cert", "Client-Cert", "X-Forwarded-Client-Cert", "SSL-Client-Cert"])
def test_a_header_that_tells_of_a_certificate_is_no_certificate(door: Any, name: str) -> None:
    header = bound(door, **{"x5t#S256": MINE})
    assert door.code(header, (name, MINE)) == "authenticate.certificate_missing"


def test_a_token_of_any_kind_may_come_over_a_connection_with_a_certificate(door: Any) -> None:
    assert door.ask(door.bearer(), certificate=OTHER)


@pytest.mark.parametrize("demand", ["any", "certificate"])
def test_where_the_policy_demands_it_a_token_without_a_certificate_is_refused(door: Any, demand: str) -> None:
    door.policy = door.policy.model_copy(update={"proof": demand, "hosts": ("api.example",)})
    assert door.code(door.bearer(), certificate=MINE) == "authenticate.token_unbound"
    assert door.ask(bound(door, **{"x5t#S256": MINE}), certificate=MINE)


def test_a_token_bound_twice_needs_both(door: Any) -> None:
    key = generate_key("ES256")
    header = bound(door, jkt=key.public.thumbprint, **{"x5t#S256": MINE})
    assert door.code(header) == "authenticate.certificate_missing"
    assert door.code(header, certificate=MINE) == "authenticate.proof_missing"


def test_a_certificate_does_not_stand_in_for_a_proof(door: Any) -> None:
    assert door.code(bound(door, jkt=MINE), certificate=MINE) == "authenticate.proof_missing"


def test_a_token_bound_to_a_certificate_comes_as_bearer(door: Any) -> None:
    token = bound(door, **{"x5t#S256": MINE})[1].removeprefix("Bearer ")
    assert door.code(("Authorization", f"DPoP {token}"), certificate=MINE) == "authenticate.token_unbound"


@pytest.mark.parametrize(
    "confirmation",
    [
        {},
        {"jwk": {}},
        {"kid": "k"},
        {"jku": "https://keys.example"},
        {"jkt": MINE, "unheard": "x"},
        {"jkt": ""},
        {"jkt": "short"},
        {"jkt": 5},
        {"jkt": ["A" * 43]},
        {"x5t#S256": "\u00e9" * 43},
        {"x5t": MINE},
        "text",
        [MINE],
        0,
    ],
)
def test_a_binding_that_cannot_be_checked_is_no_reason_to_do_without(door: Any, confirmation: object) -> None:
    denied = door.code(door.bearer(door.token(cnf=confirmation)), certificate=MINE)
    assert denied == "authenticate.token_claims"


def test_a_binding_of_null_is_one_that_cannot_be_checked(door: Any) -> None:
    from doorward.jose import sign_jwt

    claims = {"iss": door.ISSUER, "aud": "api", "sub": "a", "exp": door.NOW + 9, "iat": door.NOW, "cnf": None}
    assert door.code(door.bearer(sign_jwt(door.KEY, claims, "at+jwt"))) == "authenticate.token_claims"
