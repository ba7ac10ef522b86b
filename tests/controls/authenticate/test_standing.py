from typing import Any

import pytest


def standing(door: Any, **changes: Any) -> dict[str, Any]:
    return {
        "issuer": door.ISSUER,
        "subject": "alice",
        "roles": ["reader"],
        "scopes": None,
        "claims": {"account_id": "a-1"},
        "gone": ["team"],
    } | changes


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ({"roles": ["reader"]}, True),
        ({"roles": []}, True),
        ({"roles": ["reader", "admin"]}, False),
        ({"roles": ["admin"]}, False),
        ({"account_id": "a-1"}, True),
        ({"account_id": "a-2"}, False),
        ({"account_id": ["a-1"]}, False),
        ({"team": "red"}, False),
        ({"scope": "anything"}, True),
        ({"sub": "bob", "roles": ["admin"]}, True),
    ],
)
def test_a_token_that_says_more_than_is_true_now_is_void_and_one_that_says_less_is_good(
    door: Any, said: dict[str, Any], passes: bool
) -> None:
    bearer = door.bearer(**said)
    assert door.ask(bearer), "before the change"
    door.credentials.apply(door.data(standing=[standing(door)]))
    if passes:
        assert door.ask(bearer)
    else:
        assert door.code(bearer) == "authenticate.token_revoked"
    door.credentials.apply(door.data())
    assert door.ask(bearer), "workers are told for as long as such a token can live"


def test_a_clients_scopes_are_bounded_too(door: Any) -> None:
    door.credentials.apply(door.data(standing=[standing(door, scopes=["read"])]))
    assert door.ask(door.bearer(scope="read"))
    assert door.code(door.bearer(scope="read write")) == "authenticate.token_revoked"


def test_a_caller_of_another_issuer_with_the_same_name_is_somebody_else(door: Any) -> None:
    door.credentials.apply(door.data(standing=[standing(door, issuer="https://other.example")]))
    assert door.ask(door.bearer(roles=["admin"]))
