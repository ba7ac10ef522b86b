import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.middleware.mounts import AsgiAudit, FixedServing, make_api, token

from doorward.controls.audit.records import Closed, Outcome
from doorward.controls.limits import LimitsPolicy
from doorward.exchange import Exchange, Pending
from doorward.middleware import DoorwardMiddleware
from doorward.pipeline import Pipeline, Plan


class Talk:
    """One ASGI conversation with the guarded `app`, without a server."""

    def __init__(self, app: ASGIApp, **limits: Any) -> None:
        self.serving = FixedServing(9)
        if limits:
            update = {"limits": LimitsPolicy.model_validate(limits)}
            self.serving.policy = self.serving.policy.model_copy(update=update)
        self.guard = DoorwardMiddleware(app, serving=self.serving, open_audit=self._open)
        self.audit: AsgiAudit | None = None
        self.sent: list[Message] = []

    def _open(self, loop: asyncio.AbstractEventLoop) -> AsgiAudit:
        self.audit = AsgiAudit(loop)
        return self.audit

    async def say(self, scope: Scope, *messages: Message) -> None:
        waiting = list(messages)

        async def receive() -> Message:
            if waiting:
                return waiting.pop(0)
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Message) -> None:
            self.sent.append(message)

        await self.guard(scope, receive, send)

    @property
    def status(self) -> int:
        status = self.sent[0]["status"]
        assert isinstance(status, int)
        return status

    def outcomes(self) -> list[Outcome]:
        assert self.audit is not None
        return self.audit.outcomes()


def scope(method: str, path: str, *headers: tuple[bytes, bytes], length: int = 0) -> dict[str, Any]:
    fields = [(b"host", b"api.test"), (b"authorization", token("alice", "clerk").partition(": ")[2].encode()), *headers]
    if length:
        fields.append((b"content-length", b"%d" % length))
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": fields,
        "client": ("192.0.2.1", 4711),
        "scheme": "https",
        "extensions": {"http.response.pathsend": {}},
    }


def post() -> dict[str, Any]:
    """With a token made now: a token made on import is over before a long run gets here."""
    return scope("POST", "/orders", (b"content-type", b"application/json"), length=12)


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    pass


async def breaking(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("secret")


async def half(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise RuntimeError("secret")


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the application was reached")


@pytest.mark.parametrize("app", [breaking, silent])
def test_an_application_that_breaks_or_stays_silent_is_a_recorded_fault(app: ASGIApp) -> None:
    talk = Talk(app)
    asyncio.run(talk.say(scope("GET", "/orders")))
    assert talk.status == 500
    assert b"secret" not in talk.sent[1]["body"]
    assert [(outcome.status, outcome.code) for outcome in talk.outcomes()] == [(500, "")]


def test_an_answer_cut_in_the_middle_is_recorded_as_incomplete_and_told_to_the_server() -> None:
    talk = Talk(half)
    with pytest.raises(RuntimeError):
        asyncio.run(talk.say(scope("GET", "/file")))
    assert talk.audit is not None
    assert [entry.complete for entry in talk.audit.entries() if isinstance(entry, Closed)] == [False]


def test_a_body_is_complete_when_its_last_byte_came(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[float] = []
    monkeypatch.setattr(Pipeline, "admit_body", lambda _self, exchange, _plan: times.append(exchange.complete_at))
    monkeypatch.setattr("doorward.middleware.asgi.time", SimpleNamespace(time=lambda: 9e9, monotonic=time.monotonic))
    asyncio.run(Talk(silent).say(post(), {"type": "http.request", "body": b'{"note":"a"}'}))
    assert times == [9e9]


def test_a_client_that_leaves_in_its_body_reaches_no_application_and_is_recorded() -> None:
    talk = Talk(never)
    first = {"type": "http.request", "body": b'{"no', "more_body": True}
    asyncio.run(talk.say(post(), first, {"type": "http.disconnect"}))
    assert talk.sent == []
    assert [outcome.findings for outcome in talk.outcomes()] == [("transport.client_gone",)]


def test_a_body_that_never_ends_is_refused_in_time() -> None:
    talk = Talk(never, body_s=0.1)
    asyncio.run(talk.say(post(), {"type": "http.request", "body": b'{"no', "more_body": True}))
    assert (talk.status, talk.outcomes()[0].code) == (408, "limits.slow_body")


def test_bodies_beyond_the_budget_are_refused_and_what_was_held_is_given_back() -> None:
    talk = Talk(never, buffered_bytes=65_536)
    talk.guard.load.hold(65_530)
    asyncio.run(talk.say(post(), {"type": "http.request", "body": b'{"note":"aa"}'}))
    assert (talk.status, talk.outcomes()[0].code) == (503, "limits.overload")
    assert talk.guard.load.buffered_bytes == 65_530


def test_the_application_gets_no_way_around_send_and_learns_who_calls() -> None:
    seen: list[Scope] = []

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    asyncio.run(Talk(look).say({**scope("GET", "/orders"), "raw_path": b"/%6Frders"}))
    assert seen[0]["extensions"] == {}
    assert (seen[0]["path"], seen[0]["raw_path"]) == ("/orders", b"/orders")
    assert seen[0]["doorward.caller"].subject == "alice"


def test_a_websocket_is_refused() -> None:
    talk = Talk(never)
    asyncio.run(talk.say({"type": "websocket"}, {"type": "websocket.connect"}))
    assert talk.sent == [{"type": "websocket.close", "code": 1008}]


def test_the_lifespan_is_the_applications_and_its_end_closes_the_audit() -> None:
    talk = Talk(make_api())

    async def live() -> None:
        await talk.say(scope("GET", "/health"))
        assert talk.guard.audit is talk.audit
        await talk.say({"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})

    asyncio.run(live())
    assert [message["type"] for message in talk.sent[-2:]] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert talk.audit is not None
    assert talk.audit.is_closed


def test_a_new_policy_is_followed_while_serving() -> None:
    talk = Talk(silent)
    looked: list[bool] = []

    def refresh() -> bool:
        looked.append(True)
        talk.serving.policy = talk.serving.policy.model_copy(update={"limits": LimitsPolicy(connections=7)})
        return True

    talk.serving.refresh = refresh  # type: ignore[method-assign]
    talk.guard.refresh(1.0)
    talk.guard.refresh(1.1)
    assert len(looked) == 1
    assert talk.guard.load.policy.connections == 7
    talk.guard.refresh(1.3)
    assert len(looked) == 2


async def refused_early() -> int:
    """The status of an upload whose file is too large, of which the end never comes."""
    talk = Talk(silent)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    upload = scope("POST", "/documents", (b"content-type", b"multipart/form-data; boundary=b"), length=4000)
    await talk.say(upload, {"type": "http.request", "body": head + b"x" * 2100, "more_body": True})
    assert [outcome.code for outcome in talk.outcomes()] == ["validate.upload_size"]
    return talk.status


def test_a_file_above_its_bound_is_refused_before_its_end() -> None:
    assert asyncio.run(refused_early()) == 413


class _Asking:
    """A pipeline whose check of the head has to ask somebody first, who answers later."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def admit_head(self, exchange: Exchange) -> Plan:
        if not self.asked:
            raise Pending(self._ask)
        return self._pipeline.admit_head(exchange)

    def _ask(self, known: Callable[[], None]) -> None:
        self.asked += 1
        asyncio.get_running_loop().call_soon(known)


def test_a_check_that_has_to_ask_somebody_is_waited_for() -> None:
    talk = Talk(make_api())
    asking = _Asking(talk.serving.pipeline)
    talk.serving.pipeline = cast("Pipeline", asking)
    asyncio.run(talk.say(scope("GET", "/orders/1"), {"type": "http.request", "body": b""}))
    assert asking.asked == 1
    assert [outcome.status for outcome in talk.outcomes()] == [talk.status]
    assert talk.status != 500
