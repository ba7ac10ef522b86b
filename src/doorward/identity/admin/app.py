"""The admin API over HTTP: every request is judged here before an endpoint sees it."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import jiter
import msgspec
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from doorward.errors import Missing, PolicyError, Taken
from doorward.identity import events
from doorward.identity.admin import certificates, encryption_keys, people, programs, sms
from doorward.identity.admin.access import SESSION_S, Allowance, actor_of, begin_session, end_session
from doorward.identity.admin.document import BASE, openapi
from doorward.identity.admin.endpoint import Body, Call, Desk, Endpoint
from doorward.identity.admin.problems import Refused, problem
from doorward.identity.changing import Stale, version_of
from doorward.identity.forms import read_body

BODY_BYTES: Final = 65_536
"""Longest body read, in bytes."""
_HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class Ticket(Body, frozen=True, forbid_unknown_fields=True):
    """What `doorward admin login` printed."""

    ticket: str


class Begun(msgspec.Struct, frozen=True):
    """A session: its token goes into `Authorization: Bearer`."""

    access_token: str
    expires_in: int


def _begin(call: Call) -> Begun:
    token = begin_session(call.store, call.body.ticket, now=call.now)
    if token is None:
        call.desk.verifier.floods.note(call.store, "admin.login_refused", "", now=call.now, address="admin")
        raise Refused("unauthenticated", "the ticket was used, is too old, or is none")
    return Begun(token, int(SESSION_S))


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/session",
        id="beginSession",
        summary="a ticket of `doorward admin login` becomes a session",
        answer=_begin,
        gives=Begun,
        takes=Ticket,
        status=201,
        is_open=True,
    ),
    Endpoint(
        method="DELETE",
        path="/session",
        id="endOwnSession",
        summary="this session ends",
        answer=lambda call: end_session(call.store, call.token, now=call.now),
        status=204,
    ),
    *people.ENDPOINTS,
    *programs.ENDPOINTS,
    *certificates.ENDPOINTS,
    *encryption_keys.ENDPOINTS,
    *sms.ENDPOINTS,
)


def create_admin_app(desk: Desk, hosts: Iterable[str]) -> Starlette:
    """The API as an ASGI application. `hosts`: what `Host` may say, name and port."""
    guard = _Guard(desk, frozenset(hosts))
    document = openapi(ENDPOINTS)

    async def describe(request: Request) -> Response:
        try:
            guard.require_here(request)
        except Refused as refused:
            return problem(refused)
        return JSONResponse(document, headers=_HEADERS)

    routes = [
        Route(BASE + endpoint.path, guard.answering(endpoint), methods=[endpoint.method]) for endpoint in ENDPOINTS
    ]
    app = Starlette(
        routes=[Route(f"{BASE}/openapi.json", describe, methods=["GET"]), *routes],
        exception_handlers={HTTPException: _not_ours},
    )
    # where to it would lead is made of `Host`
    app.router.redirect_slashes = False
    return app


async def _not_ours(_request: Request, error: Exception) -> Response:
    is_method = isinstance(error, HTTPException) and error.status_code == 405
    return problem(Refused("method" if is_method else "missing"))


class _Guard:
    """Host, origin, session, rate, body: in this order."""

    def __init__(self, desk: Desk, hosts: frozenset[str]) -> None:
        self._desk, self._hosts = desk, hosts
        self._allowance = Allowance()

    def answering(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        """What answers a request to that endpoint."""

        async def answer(request: Request) -> Response:
            try:
                return await self._answer(endpoint, request)
            except Refused as refused:
                return problem(refused)
            except Stale as error:
                return problem(Refused("stale", error.problem))
            except Missing as error:
                return problem(Refused("missing", error.problem))
            except Taken as error:
                return problem(Refused("taken", error.problem))
            except PolicyError as error:
                return problem(Refused("invalid", f"{error.problem}; {error.hint}" if error.hint else error.problem))
            except SQLAlchemyError:
                return problem(Refused("unavailable"))

        return answer

    def require_here(self, request: Request) -> None:
        """Nothing, for a request that is meant for this listener and comes from no other site's page.

        A name that an attacker lets point here (DNS rebinding) stands in `Host`. Errors: Refused.
        """
        if request.headers.getlist("host") != [request.headers.get("host")] or request.headers["host"] not in (
            self._hosts
        ):
            raise Refused("host")
        origin = request.headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            raise Refused("foreign")
        if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            raise Refused("foreign")

    async def _answer(self, endpoint: Endpoint, request: Request) -> Response:
        self.require_here(request)
        token, actor = await self._session(endpoint, request)
        now = self._desk.clock()
        wait_s = self._allowance.wait_s(actor, now)
        if wait_s:
            raise Refused("rate", wait_s=int(wait_s) + 1)
        call = Call(
            desk=self._desk,
            now=now,
            params=request.path_params,
            query=_query(endpoint, request),
            body=await _body(endpoint, request),
            expected=_expected(endpoint, request),
            token=token,
        )
        with events.acting(actor):
            given = await run_in_threadpool(endpoint.answer, call)
        return _response(endpoint, given)

    async def _session(self, endpoint: Endpoint, request: Request) -> tuple[str, str]:
        """Token and actor; both empty where no session is needed. Errors: Refused."""
        if endpoint.is_open:
            return "", ""
        shown = request.headers.getlist("authorization")
        scheme, _, token = shown[0].partition(" ") if len(shown) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not token:
            raise Refused("unauthenticated")
        actor = await run_in_threadpool(actor_of, self._desk.store, token, now=self._desk.clock())
        if actor is None:
            raise Refused("unauthenticated", "the session is over, or is none")
        return token, actor


def _query(endpoint: Endpoint, request: Request) -> dict[str, str]:
    found = request.query_params.multi_items()
    if len(dict(found)) != len(found) or not {name for name, _ in found} <= (
        {"limit", "after"} if endpoint.is_paged else set()
    ):
        raise Refused("invalid", "a parameter is unknown, or given twice")
    return dict(found)


def _expected(endpoint: Endpoint, request: Request) -> str | None:
    if not endpoint.needs_version:
        return None
    tag = request.headers.get("if-match")
    if tag is None:
        raise Refused("precondition")
    # an empty one equals nothing; what is weak or a list names no single state that was read
    return None if tag == "*" else tag[1:-1] if tag[:1] == tag[-1:] == '"' else ""


async def _body(endpoint: Endpoint, request: Request) -> Any:
    data = await read_body(request, BODY_BYTES)
    if data is None:
        raise Refused("too_large")
    if endpoint.takes is None:
        if data:
            raise Refused("malformed", "there is no body here")
        return None
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused("media_type")
    try:
        read = jiter.from_json(data, catch_duplicate_keys=True, allow_inf_nan=False)
        return msgspec.convert(read, endpoint.takes)
    except (ValueError, msgspec.ValidationError) as error:
        raise Refused("malformed", str(error)) from error


def _response(endpoint: Endpoint, given: Any) -> Response:
    headers = dict(_HEADERS)
    if endpoint.has_version:
        headers["etag"] = f'"{version_of(given)}"'
    if endpoint.gives is None:
        return Response(status_code=204, headers=headers)
    return Response(
        msgspec.json.encode(given), status_code=endpoint.status, headers=headers, media_type="application/json"
    )
