"""Pages as text and the headers each of them carries."""

import datetime as dt
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, Response

from doorward.identity.pages.words import agent_words, resource_words, scope_words, sentence

if TYPE_CHECKING:
    from jinja2 import Environment

STYLE: Final = "/auth/style.css"
SCRIPT: Final = "/auth/passkey.js"


def page(
    template: str,
    values: Mapping[str, Any],
    *,
    status: int = 200,
    leads_to: str | None = None,
    headers: Mapping[str, str] | None = None,
    scripted: bool = False,
) -> Response:
    """The page of a template. `leads_to`: where its form may end up by redirects, beside here.

    `scripted`: it may run our script file (passkeys need one). No page on which a password is typed ever is.
    """
    text = _environment().get_template(f"{template}.html").render(values)
    return HTMLResponse(text, status, headers={**_headers(leads_to, scripted), **(headers or {})})


@cache
def asset(name: str) -> bytes:
    """The style sheet or the script."""
    return (files("doorward.identity.pages") / "templates" / name).read_bytes()


def _headers(leads_to: str | None, scripted: bool) -> dict[str, str]:
    # browsers hold redirects after a form to form-action too, so the client's origin has to be in it
    forms = f"'self' {_source(leads_to)}" if leads_to else "'self'"
    scripts = "script-src 'self'; require-trusted-types-for 'script'; " if scripted else ""
    return {
        "content-security-policy": (
            f"default-src 'none'; {scripts}style-src 'self'; img-src data:; form-action {forms}; "
            "frame-ancestors 'none'; base-uri 'none'"
        ),
        "cache-control": "no-store",
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        # not no-referrer: with it browsers send `Origin: null` with our own forms
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }


def _source(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} else f"{parts.scheme}:"


@cache
def _environment() -> "Environment":
    # at the first page: a control process that shows none does without
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("doorward.identity.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "time": _time,
        "scope": scope_words,
        "agent": agent_words,
        "resource": resource_words,
        "sentence": sentence,
    }
    return environment


def _time(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
