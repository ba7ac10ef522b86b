"""Breaches that pretend to be somebody: no credential, a forged, altered, stolen or overheard one, a guessed PIN."""

from typing import Final

from doorward.attack.wire import Answer
from doorward.demo.bank.caller import IDENTITY_HEADER, claims_of
from doorward.demo.bank.data import BOB_ACCOUNT
from doorward.demo.breaches.case import API2, API8, Answers, Breach, found, member
from doorward.demo.client import Client, unsigned, with_subject

_PIN_TRIES: Final = 30
_ACCOUNT: Final = "/accounts/acc-1001"


def _whose_profile(answers: Answers, name: str) -> str | None:
    username, email = member(answers[-1], "username"), member(answers[-1], "email")
    return f"profile of {username}: {email}" if username == name else None


def _balance(answers: Answers) -> str | None:
    balance = member(answers[-1], "balance")
    return f"balance of {member(answers[-1], 'owner')}: {balance} cents" if balance is not None else None


def _own_profile(client: Client) -> Answers:
    return (client.get("/profile", "alice"),)


def _bearer(client: Client, token: str) -> Answers:
    return (client.get("/profile", "nobody", ("Authorization", f"Bearer {token}")),)


def _support_code(answers: Answers) -> str | None:
    code = member(answers[-1], "support_code")
    return f"support code {code}" if code else None


def _guess_pins(client: Client) -> Answers:
    answers: list[Answer] = []
    for number in range(_PIN_TRIES):
        answers.append(client.send_json("POST", "/login", "app", {"username": "bob", "pin": f"{number:04d}"}))
        if answers[-1].status != 401:
            break
    return tuple(answers)


def _guessed(answers: Answers) -> str | None:
    session = str(member(answers[-1], "session") or "")
    guessed = claims_of(session).get("sub") == "bob"
    return f"bob's PIN guessed at try {len(answers)}, session {session[:24]}..." if guessed else None


def _overhear(client: Client) -> Answers:
    return Answer(status=200, body=client.overheard(_ACCOUNT, "alice")), client.in_plain().get(_ACCOUNT, "alice")


def _overheard(answers: Answers) -> str | None:
    seen = answers[0].text
    place = seen.find("Authorization: Bearer ")
    heard = place >= 0 and '"balance"' in seen
    return f"on the wire: {seen[place : place + 32]}... and the balance" if heard else None


BREACHES: Final = (
    Breach(
        id="no-credential",
        name="read an account without any credential",
        threat=API2,
        code="authenticate.missing",
        attack=lambda client: (client.get(f"/accounts/{BOB_ACCOUNT}"),),
        evidence=_balance,
        twin=lambda client: (client.get(_ACCOUNT, "alice"),),
        twin_works=found('"balance"'),
    ),
    Breach(
        id="unsigned-token",
        name="become bob with a token that nobody signed (alg: none)",
        threat=API2,
        code="authenticate.token_algorithm",
        attack=lambda client: _bearer(client, unsigned({"sub": "bob", "exp": 4_000_000_000})),
        evidence=lambda answers: _whose_profile(answers, "bob"),
        twin=_own_profile,
        twin_works=found('"alice"'),
    ),
    Breach(
        id="altered-token",
        name="write another name into a token on its way",
        threat=API2,
        code="authenticate.token_signature",
        attack=lambda client: _bearer(client, with_subject(client.tokens["alice"], "root")),
        evidence=lambda answers: _whose_profile(answers, "root"),
        twin=_own_profile,
        twin_works=found('"alice"'),
    ),
    Breach(
        id="expired-token",
        name="use a stolen token long after it expired",
        threat=API2,
        code="authenticate.token_time",
        attack=lambda client: (client.get("/profile", "expired"),),
        evidence=lambda answers: _whose_profile(answers, "alice"),
        twin=_own_profile,
        twin_works=found('"alice"'),
    ),
    Breach(
        id="revoked-token",
        name="use a stolen token after its owner reported the theft",
        threat=API2,
        code="authenticate.token_revoked",
        attack=lambda client: (client.get("/profile", "revoked"),),
        evidence=lambda answers: _whose_profile(answers, "alice"),
        twin=_own_profile,
        twin_works=found('"alice"'),
    ),
    Breach(
        id="man-in-the-middle",
        name="listen between client and API, then strip the TLS",
        threat=API8,
        code="transport.tls_plaintext",
        attack=_overhear,
        evidence=_overheard,
        twin=lambda client: (client.get(_ACCOUNT, "alice"),),
        twin_works=found('"balance"'),
    ),
    Breach(
        id="forged-identity-header",
        name="send the header by which the gateway names the caller",
        threat=API2,
        code="transport.identity_header",
        attack=lambda client: (
            client.get("/profile", "alice", (IDENTITY_HEADER, unsigned({"sub": "root"}, algorithm="ES256"))),
        ),
        evidence=lambda answers: _whose_profile(answers, "root"),
        twin=_own_profile,
        twin_works=found('"alice"'),
        is_finding=True,
    ),
    Breach(
        id="forged-address",
        name="claim to call from inside the data centre",
        threat=API8,
        code="transport.forwarded",
        attack=lambda client: (client.get("/session", "alice", ("X-Forwarded-For", "10.0.0.7")),),
        evidence=_support_code,
        twin=lambda client: (client.get("/session", "alice"),),
        twin_works=found('"public"'),
        is_finding=True,
    ),
    Breach(
        id="guessed-pin",
        name="try one PIN after another until the account opens",
        threat=API2,
        code="limits.rate",
        attack=_guess_pins,
        evidence=_guessed,
        twin=lambda client: (client.send_json("POST", "/login", "app", {"username": "alice", "pin": "4711"}),),
        twin_works=found('"session"'),
    ),
)
"""Who is calling?"""
