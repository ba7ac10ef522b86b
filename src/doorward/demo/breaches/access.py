"""Breaches by somebody who may call, but not for this: another's object, a stronger role, a field not theirs."""

from typing import Final

from doorward.demo.bank.data import ALICE_ACCOUNT, BOB_ACCOUNT
from doorward.demo.breaches.case import API1, API3, API5, API9, Answers, Breach, found, line_with, member
from doorward.demo.client import Client


def _pay(client: Client, account: str, body: object) -> Answers:
    return (client.send_json("POST", f"/accounts/{account}/transfers", "alice", body),)


def _anothers_balance(answers: Answers) -> str | None:
    owner = member(answers[-1], "owner")
    return f"bob's balance: {member(answers[-1], 'balance')} cents" if owner == "bob" else None


def _spent(answers: Answers) -> str | None:
    return f"5 cents of bob's moved, {left} left" if (left := member(answers[-1], "balance")) is not None else None


def _hashes(answers: Answers) -> str | None:
    first = member(answers[-1], "items", 0)
    return f"{first['username']}: {first['email']}" if isinstance(first, dict) and "email" in first else None


def _promoted(answers: Answers) -> str | None:
    admin, limit = member(answers[-1], "is_admin"), member(answers[-1], "credit_limit")
    return f"is_admin={admin}, credit_limit={limit}" if limit == 9_999_999 else None


def _exposed(answers: Answers) -> str | None:
    stolen = member(answers[-1], "password_hash")
    return f"password_hash {str(stolen)[:21]}..., risk_score {member(answers[-1], 'risk_score')}" if stolen else None


def _card(answers: Answers) -> str | None:
    card = str(member(answers[-1], "card") or "")
    return f"card number {card}" if card == "4111111111111111" else None


BREACHES: Final = (
    Breach(
        id="anothers-account",
        name="read bob's account by changing the id",
        threat=API1,
        code="authorize.owner",
        attack=lambda client: (client.get(f"/accounts/{BOB_ACCOUNT}", "alice"),),
        evidence=_anothers_balance,
        twin=lambda client: (client.get(f"/accounts/{ALICE_ACCOUNT}", "alice"),),
        twin_works=found('"balance"'),
    ),
    Breach(
        id="anothers-money",
        name="pay out of bob's account",
        threat=API1,
        code="authorize.owner",
        attack=lambda client: _pay(client, BOB_ACCOUNT, {"to": ALICE_ACCOUNT, "amount": 5, "note": "thanks"}),
        evidence=_spent,
        twin=lambda client: _pay(client, ALICE_ACCOUNT, {"to": BOB_ACCOUNT, "amount": 5, "note": "thanks"}),
        twin_works=found('"balance"', status=201),
    ),
    Breach(
        id="admin-function",
        name="list all users as an ordinary customer",
        threat=API5,
        code="authorize.role",
        attack=lambda client: (client.get("/admin/users", "alice"),),
        evidence=_hashes,
        twin=lambda client: (client.get("/admin/users", "root"),),
        twin_works=found('"items"'),
    ),
    Breach(
        id="mass-assignment",
        name="make oneself administrator by adding a field",
        threat=API3,
        code="validate.unknown_property",
        attack=lambda client: (
            client.send_json(
                "PATCH", "/profile", "alice", {"display_name": "Alice", "is_admin": 1, "credit_limit": 9_999_999}
            ),
        ),
        evidence=_promoted,
        twin=lambda client: (client.send_json("PATCH", "/profile", "alice", {"display_name": "Alice"}),),
        twin_works=found('"Alice"'),
    ),
    Breach(
        id="excessive-data",
        name="read the password hash that the answer carries along",
        threat=API3,
        code="minimise.undeclared_field",
        attack=lambda client: (client.get(f"/accounts/{ALICE_ACCOUNT}", "alice"),),
        evidence=_exposed,
        twin=lambda client: (client.get(f"/accounts/{ALICE_ACCOUNT}", "alice"),),
        twin_works=found('"balance"'),
        is_finding=True,
    ),
    Breach(
        id="card-number",
        name="read the whole card number from a declared field",
        threat=API3,
        code="minimise.masked",
        attack=lambda client: (client.get(f"/accounts/{ALICE_ACCOUNT}", "alice"),),
        evidence=_card,
        twin=lambda client: (client.get(f"/accounts/{ALICE_ACCOUNT}", "alice"),),
        twin_works=found("1111"),
        is_finding=True,
    ),
    Breach(
        id="forgotten-endpoint",
        name="call a debug endpoint that nobody remembers",
        threat=API9,
        code="validate.path_unknown",
        attack=lambda client: (client.get("/debug/config", "root"),),
        evidence=lambda answers: line_with(answers, "signing_secret"),
        twin=lambda client: (client.get("/health"),),
        twin_works=found('"ok"'),
    ),
)
"""May they do this, to this object, and see this field?"""
