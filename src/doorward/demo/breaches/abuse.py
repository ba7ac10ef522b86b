"""Breaches by values the description forbids: too much, too deep, negative, twice, or pointing somewhere else."""

from typing import Final

from doorward.attack.wire import Answer
from doorward.demo.bank.data import ALICE_ACCOUNT, BOB_ACCOUNT
from doorward.demo.breaches.case import API4, API6, API7, API8, Answers, Breach, found, line_with, member
from doorward.demo.client import Client

_TRANSFERS: Final = f"/accounts/{ALICE_ACCOUNT}/transfers"
_HISTORY: Final = f"/accounts/{ALICE_ACCOUNT}/transactions"
_OVERSIZED_BYTES: Final = 3 << 20
_DEEP: Final = b'{"to": "acc-2002", "amount": 1, "note": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
_TWICE: Final = b'{"to": "acc-2002", "amount": 10, "note": "rent", "amount": 900000}'


def _pay(client: Client, body: object) -> Answers:
    return (client.send_json("POST", _TRANSFERS, "alice", body),)


def _order(amount: int) -> dict[str, object]:
    return {"to": BOB_ACCOUNT, "amount": amount, "note": "rent"}


def _upload(client: Client, size: int) -> Answers:
    kind = (("Content-Type", "application/octet-stream"),)
    return (client.ask("PUT", f"/accounts/{ALICE_ACCOUNT}/upload", "alice", kind, bytes(size)),)


def _fetch(client: Client, url: str) -> Answers:
    return (client.send_json("POST", "/profile/avatar", "alice", {"url": url}),)


def _moved(answers: Answers, *, wanted: int) -> str | None:
    amount = member(answers[-1], "amount")
    return f"{amount} cents moved, balance {member(answers[-1], 'balance')}" if amount == wanted else None


def _stored(answers: Answers) -> str | None:
    return f"{size:,} bytes stored" if isinstance(size := member(answers[-1], "bytes"), int) else None


def _rows(answers: Answers) -> str | None:
    items = member(answers[-1], "items")
    return f"{len(items):,} rows in one answer" if isinstance(items, list) and len(items) > 1_000 else None


def _traceback(answers: Answers) -> str | None:
    answer: Answer = answers[-1]
    return (line_with(answers, "KeyError") or "a stack trace") if "Traceback" in answer.text else None


BREACHES: Final = (
    Breach(
        id="negative-amount",
        name="pay a negative amount and take money out",
        threat=API6,
        code="validate.schema",
        attack=lambda client: _pay(client, _order(-500_000)),
        evidence=lambda answers: _moved(answers, wanted=-500_000),
        twin=lambda client: _pay(client, _order(500)),
        twin_works=found('"amount"', status=201),
    ),
    Breach(
        id="amount-twice",
        name="name the amount twice: one is checked, the other paid",
        threat=API8,
        code="validate.json_duplicate",
        attack=lambda client: _pay(client, _TWICE),
        evidence=lambda answers: _moved(answers, wanted=900_000),
        twin=lambda client: _pay(client, _order(10)),
        twin_works=found('"amount"', status=201),
    ),
    Breach(
        id="fetch-internal",
        name="make the bank fetch its own debug page",
        threat=API7,
        code="validate.schema",
        attack=lambda client: _fetch(client, f"http://127.0.0.1:{client.bank_port}/debug/config"),
        evidence=lambda answers: line_with(answers, "signing_secret"),
        twin=lambda client: _fetch(client, "https://avatars.bank.example/fox.png"),
        twin_works=found("small fox", status=201),
    ),
    Breach(
        id="page-too-large",
        name="ask for the whole history in one page",
        threat=API4,
        code="validate.parameter",
        attack=lambda client: (client.get(f"{_HISTORY}?limit=1000000", "alice"),),
        evidence=_rows,
        twin=lambda client: (client.get(f"{_HISTORY}?limit=10", "alice"),),
        twin_works=found('"items"'),
    ),
    Breach(
        id="body-too-large",
        name="fill the disk with one upload",
        threat=API4,
        code="limits.body_size",
        attack=lambda client: _upload(client, _OVERSIZED_BYTES),
        evidence=_stored,
        twin=lambda client: _upload(client, 2_000),
        twin_works=found("2000", status=201),
    ),
    Breach(
        id="body-too-deep",
        name="crash the JSON parser with 50,000 brackets",
        threat=API4,
        code="validate.json_limit",
        attack=lambda client: _pay(client, _DEEP),
        evidence=lambda answers: "RecursionError inside the bank" if "RecursionError" in answers[-1].text else None,
        twin=lambda client: _pay(client, _order(1)),
        twin_works=found('"amount"', status=201),
    ),
    Breach(
        id="stack-trace",
        name="provoke an error that tells how the bank is built",
        threat=API8,
        code="minimise.upstream_error",
        attack=lambda client: (client.get("/rates/XXX", "alice"),),
        evidence=_traceback,
        twin=lambda client: (client.get("/rates/EUR", "alice"),),
        twin_works=found('"1.0000"'),
        is_finding=True,
    ),
)
"""Does it fit the API description, and is it within its limits?"""
