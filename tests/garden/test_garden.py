"""The same bytes to Doorward in front of real servers: no request is read in two ways, no answer reaches another."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from typing import Any, Final

import pytest
from tests.garden import grammar
from tests.garden.servers import serving
from tests.gateway.lab import Answer, Client, Lab, StubPipeline, StubRelease

from doorward.controls import forward
from doorward.controls.forward import IdentitySigner
from doorward.exchange import Exchange
from doorward.jose import generate_key
from doorward.operation import Operation, RequestBody
from doorward.pipeline import Plan

CASES: Final = int(os.environ.get("GARDEN_CASES", "400"))
"""Requests a server; `GARDEN_CASES=20000` for a night."""
SERVERS: Final = ("nginx", "haproxy", "uvicorn-httptools", "uvicorn-h11", "gunicorn", "aiohttp", "node")


class OpenPipeline(StubPipeline):
    """Lets every request through that `transport` takes, and remembers how it was read."""

    def __init__(self, policy: Any) -> None:
        super().__init__(policy)
        self._policy = policy
        self._signer = IdentitySigner(generate_key("ES256"), policy)
        self.read: dict[str, tuple[str, bytes, bytes]] = {}

    def admit_head(self, exchange: Exchange) -> Plan:
        self._check(exchange)
        method = exchange.request.method
        body = RequestBody(required=False, content={})
        operation = Operation(id=method, method=method, path="/", template="/", request_body=body)
        exchange.operation = operation
        return Plan(
            operation=operation,
            head=(),
            body=(),
            body_mode="read",
            body_bytes=64 * 1024,
            request_head=forward.compile_request_head(operation, self._policy, self._signer),
            release=StubRelease(reads=True),
            records_intent=operation.changes_state,
        )

    def admit_body(self, exchange: Exchange, plan: Any) -> None:
        request = exchange.request
        query = b"?" + request.query if request.query else b""
        self.read[exchange.id] = (request.method, request.path + query, request.body)


class OpenLab(Lab):
    """A gateway that lets everything through."""

    pipeline_type = OpenPipeline


@pytest.fixture(scope="module", params=SERVERS)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenLab]:
    with (
        serving(request.param, tmp_path_factory.mktemp("garden")) as port,
        OpenLab(forward={"upstream": f"http://127.0.0.1:{port}", "breaker_failures": 0, "response_s": 5.0}) as lab,
    ):
        yield lab


def answers(client: Client) -> list[Answer]:
    """All answers of a connection, until it ends or nothing comes for half a second."""
    client.socket.settimeout(0.5)
    found: list[Answer] = []
    with contextlib.suppress(TimeoutError, EOFError, ConnectionError):
        while (answer := client.answer()) is not None:
            found.append(answer)
    return found


def test_a_request_is_read_by_the_server_as_doorward_read_it(lab: OpenLab) -> None:
    pipeline = lab.pipeline
    assert isinstance(pipeline, OpenPipeline)
    through = refused = 0
    for seed in range(CASES):
        raw = grammar.request(seed)
        pipeline.read.clear()
        with lab.connect() as client:
            # Its sender ends its side: whatever is incomplete is told so, and not waited for.
            client.send(raw)
            with contextlib.suppress(OSError):
                client.socket.shutdown(socket.SHUT_WR)
            got = answers(client) if not raw.startswith(b"HEAD") else []
        for answer in got:
            if answer.status != 200:
                refused += 1
                continue
            through += 1
            told = json.loads(answer.body)
            name = answer.headers[b"x-request-id"].decode()
            assert told["id"] == name, f"seed {seed}: an answer of another request"
            method, target, body = pipeline.read[name]
            seen = (told["method"], told["target"].encode("latin-1"), bytes.fromhex(told["body"]))
            assert seen == (method, target, body), f"seed {seed}: {raw!r}"
    assert through > CASES // 10, "hardly anything passed: the garden proves nothing"
    assert refused > CASES // 10, "hardly anything was refused: the garden proves nothing"


def test_each_of_many_pipelined_requests_gets_its_own_answer(lab: OpenLab) -> None:
    for count in (1, 2, 7, 50):
        raw = b"".join(
            b"PUT /item/%d HTTP/1.1\r\nHost: api.test\r\nContent-Length: %d\r\n\r\n%b" % (n, len(b"%d" % n), b"%d" % n)
            for n in range(count)
        )
        with lab.connect() as client:
            client.send(raw)
            for number in range(count):
                answer = client.answer()
                assert answer is not None
                told = json.loads(answer.body)
                assert told["target"] == f"/item/{number}"
                assert bytes.fromhex(told["body"]) == b"%d" % number
                assert told["id"] == answer.headers[b"x-request-id"].decode()
