"""What nobody serves, and what broke: told to programs as everywhere (RFC 9457), and to people as a page."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from doorward.denial import DENIALS
from doorward.identity.pages.rendering import page

_CODES: Final = {404: "validate.path_unknown", 405: "validate.method"}
_DENIAL: Final = "urn:doorward:denial:"
_HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_FAULT: Final = "urn:doorward:fault", "Internal error", 500


def refusal(code: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer of that code, one of `denial.DENIALS`."""
    denial = DENIALS[code]
    return _problem(_DENIAL + code, denial.title, denial.status, headers)


def explains_itself(app: Starlette, base: str) -> Starlette:
    """The application, which answers what it does not serve, and what breaks in it, in a form that is read.

    It leads nobody from a path to the same one with, or without, a slash: where to would be made of `Host`.
    """
    app.router.redirect_slashes = False
    app.add_exception_handler(HTTPException, _told(base))
    app.add_exception_handler(Exception, _told(base))
    return app


def _told(base: str) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        kind, title, status = _FAULT
        headers: Mapping[str, str] | None = None
        if isinstance(error, HTTPException):
            kind, title = _named(error.status_code)
            status, headers = error.status_code, error.headers
        if "text/html" not in request.headers.get("accept", ""):
            return _problem(kind, title, status, headers)
        text = "There is nothing here." if status == 404 else "Go back and try again."
        values = {"base": base, "title": title, "text": text, "link": "", "link_text": ""}
        return page("message", values, status=status, headers=headers)

    return answer


def _named(status: int) -> tuple[str, str]:
    """Type and title of what the framework refuses with that status."""
    code = _CODES.get(status)
    # RFC 9457 section 4.2.1: it means no more than the status does
    return ("about:blank", HTTPStatus(status).phrase) if code is None else (_DENIAL + code, DENIALS[code].title)


def _problem(kind: str, title: str, status: int, headers: Mapping[str, str] | None) -> Response:
    body: dict[str, Any] = {"type": kind, "title": title, "status": status}
    return JSONResponse(body, status, {**_HEADERS, **(headers or {})}, media_type="application/problem+json")
