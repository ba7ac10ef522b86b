"""Encrypted bodies inside an application: it reads and answers in clear, and nothing leaves so."""

import asyncio
import time

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.controls.authenticate.sealed import Gate, policy_of
from tests.gateway.lab import MemoryAudit

from doorward.middleware import DoorwardMiddleware


class _Audit(MemoryAudit):
    def close(self) -> None:
        return


class _Serving:
    def __init__(self, gate: Gate) -> None:
        self.policy, self.pipeline = policy_of(), gate.pipeline

    def refresh(self) -> bool:
        return False

    def ask_issuers(self, loop: asyncio.AbstractEventLoop | None) -> None:
        pass


async def _orders(request: Request) -> Response:
    said = await request.json()
    return JSONResponse({"note": f"{request.headers['content-type']} {said['note']}", "hash": "undeclared"})


async def _ask_without_a_record() -> None:
    gate, audit = Gate(now=time.time()), _Audit(asyncio.get_running_loop())
    audit.fails = lambda record: record.kind != 1
    app = DoorwardMiddleware(
        Starlette(routes=[Route("/orders", _orders, methods=["POST"])]),
        serving=_Serving(gate),
        open_audit=lambda _: audit,
    )
    encrypter = gate.encrypter()
    sealed = encrypter.seal(b'{"note":"hi"}', "application/json")
    headers = {**sealed.headers, "X-API-Key": gate.alice.api_key}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api.example") as client:
        answer = await client.post("/orders", content=sealed.body, headers=headers)
    opened = encrypter.open(answer.content, status=503, message_id=sealed.message_id)
    assert b"audit.unavailable" in opened.content


def test_what_is_said_instead_of_an_answer_without_a_record_is_encrypted_too() -> None:
    asyncio.run(_ask_without_a_record())


async def _ask() -> None:
    gate = Gate(now=time.time())
    app = DoorwardMiddleware(
        Starlette(routes=[Route("/orders", _orders, methods=["POST"])]),
        serving=_Serving(gate),
        open_audit=_Audit,
    )
    encrypter = gate.encrypter()
    sealed = encrypter.seal(b'{"note":"hi"}', "application/json")
    headers = {**sealed.headers, "X-API-Key": gate.alice.api_key}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.example") as client:
        answer = await client.post("/orders", content=sealed.body, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/jose")
        assert b"application/json hi" not in answer.content
        opened = encrypter.open(answer.content, status=200, message_id=sealed.message_id)
        assert opened.content == b'{"note":"application/json hi"}'
        again = await client.post("/orders", content=sealed.body, headers=headers)
        assert (again.status_code, again.json()["type"]) == (400, "urn:doorward:denial:authenticate.body_decryption")
        clear = await client.post("/orders", json={"note": "hi"}, headers={"X-API-Key": gate.alice.api_key})
        assert clear.status_code == 400


def test_the_application_never_sees_a_message_and_the_client_nothing_else() -> None:
    asyncio.run(_ask())
