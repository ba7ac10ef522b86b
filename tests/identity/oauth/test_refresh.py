"""Refresh tokens: statements ID-21 to ID-27 of the reference, and its race matrix."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from tests.identity.lab import ISSUER, KEY, Lab

from doorward.identity.changing import ClientChange, change_client
from doorward.identity.events import events_of
from doorward.identity.revoking import revoked
from doorward.identity.tidying import tidy
from doorward.identity.users import disable_user
from doorward.jose import split_unverified, verify_signature
from doorward.store import Store


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store)


def is_void(lab: Lab, token: str, client: str = "spa") -> bool:
    answer = lab.refresh(token, client)
    assert answer.status_code in (200, 400)
    return bool(answer.status_code == 400 and answer.json()["error"] == "invalid_grant")


def jti(token: str) -> str:
    return str(verify_signature(split_unverified(token), KEY.public)["jti"])


def test_a_public_clients_token_is_replaced_at_each_use(lab: Lab) -> None:
    """ID-21."""
    token, seen = lab.tokens("spa")["refresh_token"], set()
    for _ in range(5):
        lab.now += 60
        seen.add(token)
        token = lab.refresh(token, "spa").json()["refresh_token"]
    assert len(seen | {token}) == 6


def test_a_confidential_clients_token_stays(lab: Lab) -> None:
    token = lab.tokens("web")["refresh_token"]
    for _ in range(3):
        lab.now += 60
        assert lab.refresh(token).json()["refresh_token"] == token


def test_using_a_spent_token_ends_the_family_and_tells(lab: Lab) -> None:
    """ID-22."""
    first = lab.tokens("spa")
    second = lab.refresh(first["refresh_token"], "spa").json()
    lab.now += 11
    assert is_void(lab, first["refresh_token"])
    assert is_void(lab, second["refresh_token"])
    gone = {name for kind, _, name in revoked(lab.store, ISSUER, now=lab.now) if kind == "token"}
    assert {jti(first["access_token"]), jti(second["access_token"])} <= gone
    assert "token.reuse_detected" in {event.kind for event in events_of(lab.store, "alice")}


def test_within_ten_seconds_the_predecessor_gives_the_same_successor(lab: Lab) -> None:
    """ID-23."""
    first = lab.tokens("spa")["refresh_token"]
    second = lab.refresh(first, "spa").json()["refresh_token"]
    lab.now += 10
    assert lab.refresh(first, "spa").json()["refresh_token"] == second
    assert not is_void(lab, second)


def test_once_the_successor_is_used_the_predecessor_is_reuse(lab: Lab) -> None:
    """ID-23."""
    first = lab.tokens("spa")["refresh_token"]
    second = lab.refresh(first, "spa").json()["refresh_token"]
    third = lab.refresh(second, "spa").json()["refresh_token"]
    assert is_void(lab, first)
    assert is_void(lab, third)


def test_an_older_generation_has_no_grace(lab: Lab) -> None:
    """ID-23: django-oauth-toolkit PR#1777."""
    tokens = [lab.tokens("spa")["refresh_token"]]
    for _ in range(3):
        tokens.append(lab.refresh(tokens[-1], "spa").json()["refresh_token"])
    assert is_void(lab, tokens[0])
    assert is_void(lab, tokens[-1])


def test_a_token_dies_a_day_after_its_last_use_and_thirty_after_its_birth(lab: Lab) -> None:
    """ID-24."""
    token = lab.tokens("spa")["refresh_token"]
    lab.now += 86_399
    token = lab.refresh(token, "spa").json()["refresh_token"]
    lab.now += 86_400
    assert is_void(lab, token)
    token = lab.tokens("spa")["refresh_token"]
    for _ in range(30):
        lab.now += 86_000
        token = lab.refresh(token, "spa").json()["refresh_token"]
    lab.now += 12_000
    assert is_void(lab, token)


def test_a_token_is_its_clients_alone_and_trying_another_does_not_harm_it(lab: Lab) -> None:
    """ID-25."""
    token = lab.tokens("spa")["refresh_token"]
    assert is_void(lab, token, "web")
    assert not is_void(lab, token, "spa")


def test_scopes_get_narrower_for_one_token_never_wider(lab: Lab) -> None:
    """ID-19."""
    token = lab.tokens("web")["refresh_token"]
    assert lab.refresh(token, scope="orders:read").json()["scope"] == "orders:read"
    assert lab.refresh(token, scope="orders:write").json()["error"] == "invalid_scope"
    assert lab.refresh(token).json()["scope"] == "offline_access openid orders:read"


def test_a_refused_scope_does_not_spend_the_token(lab: Lab) -> None:
    token = lab.tokens("spa")["refresh_token"]
    assert lab.refresh(token, "spa", scope="admin").json()["error"] == "invalid_scope"
    lab.now += 60
    assert not is_void(lab, token)


def test_signing_out_ends_what_was_issued_in_the_session(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    tokens = lab.redeem(visitor.authorized("spa"), "spa").json()
    visitor.get("/account")
    visitor.send("/auth/logout")
    assert is_void(lab, tokens["refresh_token"])


def test_a_disabled_user_gets_no_new_token(lab: Lab) -> None:
    token = lab.tokens("spa")["refresh_token"]
    disable_user(lab.store, "alice", now=lab.now)
    assert is_void(lab, token)


@pytest.mark.parametrize("token", ["", "x", "a.b", "x" * 5_000, "\ufffd.\ufffd", "\u00e9"])
def test_a_token_that_was_made_up_is_void(lab: Lab, token: str) -> None:
    assert is_void(lab, token)


def test_no_token_is_stored(lab: Lab) -> None:
    tokens = lab.tokens("spa")
    with lab.store.begin() as connection:
        rows = "".join(
            repr(connection.execute(text(f"SELECT * FROM {name}")).all())
            for name in ("single_use", "token_families", "issued_tokens", "sessions", "devices", "events")
        )
    assert tokens["refresh_token"].partition(".")[2] not in rows
    assert tokens["access_token"] not in rows


def test_tidying_keeps_what_lives_and_a_spent_token_stays_recognised(lab: Lab) -> None:
    first = lab.tokens("spa")["refresh_token"]
    second = lab.refresh(first, "spa").json()["refresh_token"]
    lab.now += 80_000
    tidy(lab.store, now=lab.now)
    assert is_void(lab, first)
    assert is_void(lab, second)
    tidy(lab.store, now=lab.now + 500 * 86_400)
    with lab.store.begin() as connection:
        for name in ("single_use", "token_families", "issued_tokens", "sessions"):
            assert connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() == 0


def at_once(*work: Callable[[], Any]) -> list[Any]:
    gate = threading.Barrier(len(work))

    def run(one: Callable[[], Any]) -> Any:
        gate.wait()
        return one()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


def test_parallel_refreshes_of_one_token_give_one_line(lab: Lab) -> None:
    """ID-26."""
    token = lab.tokens("spa")["refresh_token"]
    for _ in range(4):
        answers = at_once(*[partial(lab.refresh, token, "spa")] * 8)
        successors = {answer.json().get("refresh_token") for answer in answers}
        assert len(successors) == 1
        (token,) = successors
    assert not is_void(lab, token)


def test_refreshing_while_it_is_revoked_leaves_nothing_valid(lab: Lab) -> None:
    """ID-27."""
    for _ in range(6):
        tokens = lab.tokens("spa")
        token = tokens["refresh_token"]
        answers = at_once(
            partial(lab.refresh, token, "spa"),
            partial(lab.post, "/oauth/revoke", **lab.authenticated("spa"), token=token),
            partial(lab.refresh, token, "spa"),
        )
        gone = {name for kind, _, name in revoked(lab.store, ISSUER, now=lab.now) if kind == "token"}
        assert jti(tokens["access_token"]) in gone
        for answer in (answers[0], answers[2]):
            if answer.status_code == 200:
                assert is_void(lab, answer.json()["refresh_token"])
                assert jti(answer.json()["access_token"]) in gone


def test_refreshing_while_its_user_signs_out_leaves_nothing_valid(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    token = lab.redeem(visitor.authorized("spa"), "spa").json()["refresh_token"]
    visitor.get("/account")
    answers = at_once(partial(lab.refresh, token, "spa"), partial(visitor.send, "/auth/logout"))
    if answers[0].status_code == 200:
        assert is_void(lab, answers[0].json()["refresh_token"])
    assert is_void(lab, token)


def test_scopes_taken_from_a_client_are_gone_with_the_next_refresh(lab: Lab) -> None:
    """What a user granted lives for a month; the operator's word counts at once."""
    wide = "openid orders:read orders:write offline_access"
    tokens, code = lab.tokens("web", scope=wide), lab.visitor().signed_in().authorized("web", scope=wide)
    change_client(lab.store, "web", ClientChange(scopes=["orders:read", "offline_access"]), now=lab.now)
    assert lab.refresh(tokens["refresh_token"]).json()["scope"] == "offline_access openid orders:read"
    assert lab.refresh(tokens["refresh_token"], scope="orders:write").json()["error"] == "invalid_scope"
    assert lab.redeem(code).json()["scope"] == "offline_access openid orders:read"
    change_client(lab.store, "web", ClientChange(scopes=["orders:read"]), now=lab.now)
    assert lab.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
