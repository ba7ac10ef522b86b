"""Search, pages, files, rates and diagnostics. Vulnerable: SQL, HTML, paths and a shell line made of what was sent."""

import subprocess

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from doorward.demo.bank.caller import directory_of, query

_RATES = {"EUR": "1.0000", "USD": "1.0842", "GBP": "0.8431"}


def health(_request: Request) -> Response:
    """Alive."""
    return JSONResponse({"status": "ok", "build": "bankcore-4.2.1+debug"})


def search(request: Request) -> Response:
    """Payees by name: the text goes straight into the statement."""
    wanted = request.query_params.get("q", "")
    return JSONResponse({"items": query(request, f"SELECT name, iban FROM payees WHERE name LIKE '%{wanted}%'")})


def greeting(request: Request) -> Response:
    """A page that says hello to whatever it was given."""
    return HTMLResponse(f"<!doctype html><title>Hello</title><h1>Hello {request.query_params.get('name', '')}</h1>")


def statement_file(request: Request) -> Response:
    """A statement by file name, or any other file by its path."""
    return PlainTextResponse((directory_of(request) / "statements" / request.query_params["file"]).read_text())


def document(request: Request) -> Response:
    """A document by name; the name may be encoded, and may climb."""
    return PlainTextResponse((directory_of(request) / "documents" / request.path_params["name"]).read_text())


def rate(request: Request) -> Response:
    """An exchange rate; for a currency it does not know, a stack trace."""
    currency = request.path_params["currency"]
    return JSONResponse({"currency": currency, "rate": _RATES[currency]})


def report(request: Request) -> Response:
    """How much the bank holds."""
    held = query(request, "SELECT count(*) AS accounts, sum(balance) AS held FROM accounts")[0]
    return JSONResponse(held)


async def host_lookup(request: Request) -> Response:
    """Looks a host up with a shell line."""
    host = (await request.json())["host"]
    line = f"echo looking up {host}; getent hosts {host}"
    done = await run_in_threadpool(
        lambda: subprocess.run(line, shell=True, capture_output=True, text=True, timeout=5, check=False)
    )
    return JSONResponse({"output": done.stdout})
