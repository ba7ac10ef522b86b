"""Everything the admin API may refuse, in one table: code to status and title. Answered as problem+json (RFC 9457)."""

from typing import Final

from starlette.responses import JSONResponse, Response

PROBLEMS: Final = {
    "invalid": (400, "This cannot be done"),
    "malformed": (400, "The body is not what the description says"),
    "unauthenticated": (401, "A session is needed: doorward admin login"),
    "foreign": (403, "Not for browsers of other sites"),
    "missing": (404, "Not found"),
    "method": (405, "Not this method"),
    "taken": (409, "It is there already"),
    "unreachable": (409, "There is no way to reach the user"),
    "stale": (412, "It was changed meanwhile"),
    "too_large": (413, "The body is too large"),
    "media_type": (415, "The body must be application/json"),
    "host": (421, "Not this host"),
    "precondition": (428, "If-Match with the ETag you have read is needed"),
    "rate": (429, "Too many requests"),
    "unavailable": (503, "The store does not answer"),
}


class Refused(Exception):
    """The API says no. `detail` is for the operator who asks."""

    def __init__(self, code: str, detail: str = "", *, wait_s: int = 0) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail, self.wait_s = code, detail, wait_s


def problem(refused: Refused) -> Response:
    """The answer."""
    status, title = PROBLEMS[refused.code]
    body = {"type": f"urn:doorward:admin:{refused.code}", "title": title, "status": status}
    if refused.detail:
        body["detail"] = refused.detail
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if refused.wait_s:
        headers["retry-after"] = str(refused.wait_s)
    return JSONResponse(body, status, headers, media_type="application/problem+json")
