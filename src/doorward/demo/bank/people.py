"""Profiles, login, administration. Vulnerable: any field assignable, PIN guessable, admin open, any URL fetched."""

import base64
import json
import urllib.request
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from doorward.demo.bank.caller import directory_of, query, username_of

SIGNING_SECRET: Final = "hmac-secret-of-the-bank-2019"
_AVATAR_HOST: Final = "avatars.bank.example"


def _profile(request: Request) -> dict[str, Any]:
    rows = query(
        request,
        "SELECT username, display_name, email, is_admin, credit_limit, password_hash FROM users"
        f" WHERE username = '{username_of(request)}'",
    )
    return rows[0] if rows else {"username": username_of(request), "display_name": "Guest", "email": ""}


def profile(request: Request) -> Response:
    """The caller's own profile, if the caller is who it says."""
    return JSONResponse(_profile(request))


async def change_profile(request: Request) -> Response:
    """Sets whatever columns the body names."""
    for column, value in (await request.json()).items():
        literal = str(value) if isinstance(value, int) else f"'{value}'"
        query(request, f"UPDATE users SET {column} = {literal} WHERE username = '{username_of(request)}'")
    return JSONResponse(_profile(request))


async def avatar(request: Request) -> Response:
    """Fetches a picture from the address given, whatever it points at."""
    url = (await request.json())["url"]
    if urlsplit(url).hostname == _AVATAR_HOST:
        picture = (directory_of(request) / "avatars" / urlsplit(url).path.rpartition("/")[2]).read_bytes()
    else:
        picture = await run_in_threadpool(lambda: urllib.request.urlopen(url, timeout=3).read())
    return JSONResponse({"bytes": len(picture), "preview": picture[:200].decode("utf-8", "replace")}, 201)


def session(request: Request) -> Response:
    """Who the bank thinks is calling; colleagues in the data centre (10.*) also get the support code."""
    answer = {"user": username_of(request), "network": "public"}
    if request.headers.get("x-forwarded-for", "").startswith("10."):
        answer |= {"network": "internal", "support_code": "support-override-5150"}
    return JSONResponse(answer)


async def login(request: Request) -> Response:
    """A session for a user name and a four-digit PIN; nobody counts the tries."""
    attempt = await request.json()
    rows = query(request, f"SELECT username, pin FROM users WHERE username = '{attempt['username']}'")
    if not rows or rows[0]["pin"] != attempt["pin"]:
        return JSONResponse({"error": "wrong PIN"}, 401)
    claims = base64.urlsafe_b64encode(json.dumps({"sub": rows[0]["username"]}).encode()).decode().rstrip("=")
    return JSONResponse({"session": f"e30.{claims}."})


def all_users(request: Request) -> Response:
    """Every user, for administrators; but nobody asks who is asking."""
    return JSONResponse({"items": query(request, "SELECT username, email, password_hash FROM users")})


def debug_config(request: Request) -> Response:
    """A leftover from development that no document mentions."""
    return JSONResponse({"signing_secret": SIGNING_SECRET, "database": str(directory_of(request) / "bank.db")})
