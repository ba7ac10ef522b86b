"""What the bank holds: made up anew for each run, in one directory. It knows nothing of HTTP."""

import hashlib
import sqlite3
from pathlib import Path
from typing import Final

ALICE_ACCOUNT: Final = "acc-1001"
BOB_ACCOUNT: Final = "acc-2002"
PIN_OF_BOB: Final = "0019"

_SCHEMA: Final = """
CREATE TABLE users (username TEXT PRIMARY KEY, password_hash TEXT, pin TEXT, display_name TEXT, email TEXT,
                    account_id TEXT, is_admin INTEGER DEFAULT 0, credit_limit INTEGER DEFAULT 1000, avatar TEXT);
CREATE TABLE accounts (id TEXT PRIMARY KEY, owner TEXT, currency TEXT, balance INTEGER, card_number TEXT,
                       password_hash TEXT, risk_score INTEGER);
CREATE TABLE transfers (id INTEGER PRIMARY KEY, from_account TEXT, to_account TEXT, amount INTEGER, note TEXT);
CREATE TABLE payees (name TEXT, iban TEXT);
"""
_PEOPLE: Final = (
    # username, PIN, display name, account, admin, balance in cents, card (a published test number)
    ("alice", "4711", "Alice Archer", ALICE_ACCOUNT, 0, 250_000, "4111111111111111"),
    ("bob", PIN_OF_BOB, "Bob Brewer", BOB_ACCOUNT, 0, 7_314_159, "5555555555554444"),
    ("carol", "2718", "Carol Carter", "acc-3003", 0, 99_000, "378282246310005"),
    ("root", "1618", "The Administrator", "acc-9009", 1, 1, "6011111111111117"),
)
_PAYEES: Final = (
    ("Union Select Coffee", "DE02120300000000202051"),
    ("Drop Table Furniture", "DE02500105170137075030"),
    ("Greenfield Rents", "DE02100500000054540402"),
)
_HISTORY_ROWS: Final = 5_000


def password_hash_of(username: str) -> str:
    """The hash the bank keeps: unsalted SHA-1, as one finds in the wild."""
    return "sha1$" + hashlib.sha1(f"{username}-summer-2025".encode()).hexdigest()


def create(directory: Path) -> None:
    """A fresh bank in `directory`: database, statements, and a file outside the statements that nobody should get."""
    with sqlite3.connect(directory / "bank.db") as database:
        database.executescript(_SCHEMA)
        for username, pin, name, account, is_admin, balance, card in _PEOPLE:
            database.execute(
                "INSERT INTO users (username, password_hash, pin, display_name, email, account_id, is_admin)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (username, password_hash_of(username), pin, name, f"{username}@bank.example", account, is_admin),
            )
            database.execute(
                "INSERT INTO accounts VALUES (?, ?, 'EUR', ?, ?, ?, 17)",
                (account, username, balance, card, password_hash_of(username)),
            )
        database.executemany("INSERT INTO payees VALUES (?, ?)", _PAYEES)
        database.executemany(
            "INSERT INTO transfers (from_account, to_account, amount, note) VALUES (?, ?, ?, 'standing order')",
            [(ALICE_ACCOUNT, BOB_ACCOUNT, 100 + row % 900) for row in range(_HISTORY_ROWS)],
        )
    database.close()
    for folder in ("statements", "documents", "avatars"):
        (directory / folder).mkdir()
    (directory / "statements" / "2025-01.txt").write_text("Statement for January 2025: nothing unusual\n")
    (directory / "documents" / "terms.v2.txt").write_text("Terms and conditions, second edition\n")
    (directory / "avatars" / "fox.png").write_bytes(b"\x89PNG a very small fox")
    (directory / "secrets.txt").write_text("vault-master-key=7f3a-for-the-vault-only\n")
