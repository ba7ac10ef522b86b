"""What nobody serves, and what broke: told to programs as everywhere (RFC 9457), and to people as a page."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from doorward.denial import DENIALS
from doorward.identity.pages.rendering import page

_CODES: Final = {404: "validate.path_unknown", 405: "validate.method"}
_HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_FAULT: Final = "urn:doorward:fault", "Internal error", 500


def refusal(code: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer of that code, one of `denial.DENIALS`."""
    denial = DENIALS[code]
    return _problem(f"urn:doorward:denial:{code}", denial.title, denial.status, headers)


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
        kind, title, status, headers = _FAULT[0], _FAULT[1], _FAULT[2], None
        if isinstance(error, HTTPException):
            code = _CODES[error.status_code]
            kind, title, status = f"urn:doorward:denial:{code}", DENIALS[code].title, error.status_code
            headers = error.headers
        if "text/html" not in request.headers.get("accept", ""):
            return _problem(kind, title, status, headers)
        text = "There is nothing here." if status == 404 else "Go back and try again."
        values = {"base": base, "title": title, "text": text, "link": "", "link_text": ""}
        return page("message", values, status=status, headers=headers)

    return answer


def _problem(kind: str, title: str, status: int, headers: Mapping[str, str] | None) -> Response:
    body: dict[str, Any] = {"type": kind, "title": title, "status": status}
    return JSONResponse(body, status, {**_HEADERS, **(headers or {})}, media_type="application/problem+json")
