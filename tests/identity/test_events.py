"""What is recorded of changes, by whom, and what keeps floods of failures small."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.identity.lab import NOW, SECRET

from doorward.identity import events
from doorward.identity.api_keys import add_api_key, revoke_api_key
from doorward.identity.clients import add_client, disable_client
from doorward.identity.credentials import Attempt, Verifier
from doorward.identity.floods import NETWORKS, RECORDED, WINDOW_S, Floods
from doorward.identity.revoking import revoke
from doorward.identity.risk.signals import FAILING_COUNT
from doorward.identity.signature_keys import Grant, add_shared_secret, revoke_signature_key
from doorward.identity.users import add_user, disable_user
from doorward.sealing import Sealer
from doorward.store import Store
from doorward.store import events as table


def _all(store: Store) -> list[Any]:
    with store.begin() as connection:
        return list(connection.execute(select(table).order_by(table.c.id)).all())


def test_every_change_of_callers_is_recorded_with_who_made_it_and_what_it_says(store: Store) -> None:
    with events.acting("cli:root"):
        add_user(store, "alice", now=NOW, roles=["reader"], claims={"account_id": "a-1"})
        disable_user(store, "alice", now=NOW)
        add_client(store, "batch", now=NOW, scopes=["a"])
        disable_client(store, "batch", now=NOW)
        key, _ = add_api_key(store, "partner", now=NOW, networks=["10.0.0.0/8"])
        revoke_api_key(store, "partner", now=NOW)
        add_shared_secret(store, Sealer(b"k" * 32), "partner", Grant(), now=NOW, purpose="hmac", key_id="k-1")
        revoke_signature_key(store, "k-1", now=NOW)
        revoke(store, "token", "https://issuer.example", "jti-1", now=NOW)
    rows = _all(store)
    assert [(row.kind, row.subject) for row in rows] == [
        ("user.added", "alice"),
        ("user.disabled", "alice"),
        ("client.added", "batch"),
        ("client.disabled", "batch"),
        ("key.added", "partner"),
        ("key.revoked", "partner"),
        ("signature_key.added", "partner"),
        ("signature_key.revoked", "partner"),
        ("revocation.added", ""),
    ]
    assert {row.actor for row in rows} == {"cli:root"}
    expected = {"roles": ["reader"], "claims": {"account_id": "a-1"}, "password": False}
    assert rows[0].detail | expected == rows[0].detail
    assert rows[4].detail["networks"] == ["10.0.0.0/8"]
    assert rows[5].detail == {"key": key.id}
    assert not [row for row in rows if {"secret_hash", "hash", "sealed_secret"} & set(row.detail)]


def test_every_kind_of_event_stands_on_the_page_of_the_audit_trail() -> None:
    page = (Path(__file__).parents[2] / "docs" / "audit-trail.md").read_text("utf-8")
    assert [kind for kind in sorted(events.KINDS) if f"`{kind}`" not in page] == []


def test_what_changes_nothing_is_no_event(store: Store) -> None:
    add_user(store, "alice", now=NOW)
    for _ in range(2):
        disable_user(store, "alice", now=NOW)
        revoke(store, "token", "https://issuer.example", "jti-1", now=NOW)
    assert [row.kind for row in _all(store)] == ["user.added", "user.disabled", "revocation.added"]


def test_the_actor_is_the_subject_again_behind_the_command() -> None:
    with events.acting("cli:root"), events.acting("admin:alice"):
        assert events._actor.get() == "admin:alice"
    assert events._actor.get() == ""


def test_an_unknown_kind_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="no kind of event"), store.begin() as connection:
        events.record(connection, "login.whatever", "", now=NOW)


def test_of_a_flood_the_first_are_recorded_and_the_others_by_their_number(store: Store) -> None:
    floods = Floods()
    for number in range(100):
        floods.note(store, "login.fail", "", now=NOW, address=f"192.0.2.{number}")
    assert len(_all(store)) == RECORDED
    floods.note(store, "login.fail", "", now=NOW + WINDOW_S, address="192.0.2.1")
    counted = [row for row in _all(store) if row.kind == "login.many_refused"]
    assert [(row.address, row.detail) for row in counted] == [
        ("192.0.2.0/24", {"event": "login.fail", "count": 100 - RECORDED})
    ]


def test_a_flood_from_everywhere_stays_small_and_counts_everybody(store: Store) -> None:
    floods = Floods()
    addresses = [f"{first}.{second}.2.1" for first in range(1, 11) for second in range(100)]
    addresses += [f"2001:db8:{number:x}::1" for number in range(100)] + ["not an address"]
    for address in addresses:
        for _ in range(RECORDED + 1):
            floods.note(store, "login.fail", "", now=NOW, address=address)
    assert len(_all(store)) == RECORDED * (NETWORKS + 1)
    floods.note(store, "login.ok", "", now=NOW + WINDOW_S, address="")
    rows = _all(store)
    counted = sum(row.detail["count"] for row in rows if row.kind == "login.many_refused")
    assert counted + RECORDED * (NETWORKS + 1) == len(addresses) * (RECORDED + 1)


def test_guesses_at_names_nobody_has_leave_few_events(store: Store) -> None:
    verifier = Verifier(store, SECRET)
    for number in range(40):
        attempt = Attempt(name=f"nobody{number}", secret=f"guess {number}", address="192.0.2.1")
        verifier.password(attempt, now=NOW)
        verifier.both_at_once(attempt, "totp", "123456", now=NOW)
    rows = _all(store)
    assert {row.subject for row in rows} == {""}
    assert max(sum(row.kind == kind for row in rows) for kind in {row.kind for row in rows}) <= RECORDED


def test_the_switch_that_challenges_everybody_is_recorded_once(store: Store) -> None:
    verifier = Verifier(store, SECRET)
    for number in range(FAILING_COUNT + 5):
        address = f"10.{number}.0.1"
        verifier.password(Attempt(name=f"nobody{number}", secret=f"guess {number}", address=address), now=NOW)
    raised = [row for row in _all(store) if row.kind == "risk.raised"]
    assert [row.detail for row in raised] == [{"cause": "many accounts fail"}]
