"""Who is calling, according to the bank: whoever the request says. That is the vulnerability."""

import base64
import binascii
import json
import sqlite3
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request

from doorward import wire

IDENTITY_HEADER: Final = wire.IDENTITY_HEADER.decode()
"""Where the gateway names the caller. The bank believes that only the gateway can send it, and checks no signature."""
_ANYBODY: Final = "bob"
"""Whose session a request without any credential gets: a default that once helped a developer."""


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a token. Neither its signature, its algorithm nor its expiry is looked at."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def username_of(request: Request) -> str:
    """The user the request claims to come from."""
    for value in (request.headers.get(IDENTITY_HEADER, ""), request.headers.get("authorization", "")):
        subject = claims_of(value.removeprefix("Bearer ")).get("sub")
        if subject:
            return str(subject)
    return _ANYBODY


def directory_of(request: Request) -> Path:
    """Where this bank keeps its files."""
    directory: Path = request.app.state.directory
    return directory


def query(request: Request, sql: str) -> list[dict[str, Any]]:
    """The rows of a statement that somebody has glued together from text."""
    database = sqlite3.connect(directory_of(request) / "bank.db")
    database.row_factory = sqlite3.Row
    try:
        with database:
            return [dict(row) for row in database.execute(sql)]
    finally:
        database.close()
