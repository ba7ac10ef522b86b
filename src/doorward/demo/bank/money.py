"""Accounts and transfers. Vulnerable: object ids unchecked, SQL by concatenation, first-key check, notes unescaped."""

import json
import re

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from doorward.demo.bank.caller import directory_of, query

_CHECKED_AMOUNT = re.compile(rb'"amount"\s*:\s*(-?[0-9]+)')
_UNCHECKED_LIMIT = 1_000
"""Transfers above this amount (cents) need a second signature; the check reads the *first* `amount` it sees."""


def account(request: Request) -> Response:
    """One account, whoever asks, with every column there is."""
    rows = query(request, f"SELECT * FROM accounts WHERE id = '{request.path_params['account_id']}'")
    if not rows:
        return JSONResponse({"error": "no such account"}, 404)
    return JSONResponse({**rows[0], "card": rows[0]["card_number"]})


def transactions(request: Request) -> Response:
    """The latest transfers of an account, as many as asked for."""
    account_id, limit = request.path_params["account_id"], request.query_params.get("limit", "20")
    rows = query(
        request,
        f"SELECT id, to_account, amount, note FROM transfers WHERE from_account = '{account_id}'"
        f" ORDER BY id DESC LIMIT {limit}",
    )
    return JSONResponse({"items": rows})


async def transfer(request: Request) -> Response:
    """Money moves, in either direction; the note goes into the statement as text."""
    raw = await request.body()
    first = _CHECKED_AMOUNT.search(raw)
    if first and int(first[1]) > _UNCHECKED_LIMIT:
        return JSONResponse({"error": "a second signature is needed"}, 403)
    order = json.loads(raw)
    source, target, amount = request.path_params["account_id"], order["to"], order["amount"]
    query(request, f"UPDATE accounts SET balance = balance - {amount} WHERE id = '{source}'")
    query(request, f"UPDATE accounts SET balance = balance + {amount} WHERE id = '{target}'")
    made = query(
        request,
        "INSERT INTO transfers (from_account, to_account, amount, note)"
        f" VALUES ('{source}', '{target}', {amount}, '{order.get('note', '')}') RETURNING id, amount, note",
    )[0]
    balance = query(request, f"SELECT balance FROM accounts WHERE id = '{source}'")[0]["balance"]
    return JSONResponse({**made, "to": target, "balance": balance}, 201)


def statement(request: Request) -> Response:
    """The last notes as a page; nothing is escaped."""
    rows = query(
        request,
        f"SELECT note FROM transfers WHERE from_account = '{request.path_params['account_id']}'"
        " ORDER BY id DESC LIMIT 5",
    )
    items = "".join(f"<li>{row['note']}</li>" for row in rows)
    return HTMLResponse(f"<!doctype html><title>Statement</title><ul>{items}</ul>")


async def upload(request: Request) -> Response:
    """A document for the account, of any size, streamed to disk."""
    received = 0
    with (directory_of(request) / "documents" / f"upload-{request.path_params['account_id']}").open("wb") as file:
        async for piece in request.stream():
            received += file.write(piece)
    return JSONResponse({"bytes": received}, 201)
