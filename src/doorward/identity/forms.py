"""Forms and queries, read strictly: each parameter once, nothing malformed, nothing long."""

import re
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from doorward.identity.oauth_errors import OAuthError

FORM_BYTES: Final = 8192
"""Longest form or query read, in bytes."""
FORM_FIELDS: Final = 32
_FORM_TYPE: Final = re.compile(r"application/x-www-form-urlencoded\s*(;.*)?", re.IGNORECASE)


async def read_form(request: Request) -> dict[str, str]:
    """The form, each field once. Errors: OAuthError `invalid_request`.

    Source: RFC 6749 section 3.2; Keycloak CVE-2026-9689 (duplicate parameters).
    """
    if request.scope["query_string"]:
        raise OAuthError("invalid_request", "parameters belong into the body, where no log keeps them")
    return unique(await read_fields(request))


async def read_fields(request: Request) -> list[tuple[str, str]]:
    """The fields of the form as they came. Errors: OAuthError `invalid_request`."""
    if _FORM_TYPE.fullmatch(request.headers.get("content-type", "")) is None:
        raise OAuthError("invalid_request", "the body must be application/x-www-form-urlencoded")
    body = await read_body(request, FORM_BYTES)
    if body is None:
        raise OAuthError("invalid_request", "the form is too long", 413)
    return parse_fields(body)


async def read_body(request: Request, most: int) -> bytes | None:
    """The body; None when it has more bytes than that, of which no more are read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)


def parse_fields(data: bytes) -> list[tuple[str, str]]:
    """The fields of a query or form. Errors: OAuthError `invalid_request`."""
    if len(data) > FORM_BYTES:
        raise OAuthError("invalid_request", "the query is too long", 414)
    try:
        fields = parse_qsl(
            data.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(data),
            errors="strict",
            max_num_fields=FORM_FIELDS,
        )
    except ValueError:
        raise OAuthError("invalid_request", "the form is malformed") from None
    if any("\x00" in text for field in fields for text in field):
        # no name, code or secret has one, and PostgreSQL keeps none
        raise OAuthError("invalid_request", "the form is malformed")
    return fields


def unique(fields: list[tuple[str, str]]) -> dict[str, str]:
    """The fields by name. Errors: OAuthError `invalid_request` for one that comes twice."""
    found = dict(fields)
    if len(found) != len(fields):
        raise OAuthError("invalid_request", "a parameter is given twice")
    return found
