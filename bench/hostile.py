"""`python -m bench.hostile`: what the worst inputs we know cost, in this process: CPU milliseconds for a mebibyte.

Each input is measured at 100 KiB too. That steps grow with length and no faster is held by
`tests/hostile/test_cost.py`; times also show caches that no longer fit.
`PYTHONPATH=.compiled` measures the compiled build. Absolute times mean nothing on another machine.
"""

import contextlib
import gc
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.telling import Say, tell
from doorward.controls.inspect import InspectPolicy
from doorward.controls.inspect import compile_check as inspect_check
from doorward.controls.minimise import MinimisePolicy, compile_release
from doorward.controls.transport import ChunkedBody
from doorward.controls.validate import ValidatePolicy, body_check, parameters_check
from doorward.denial import Denied
from doorward.exchange import Exchange, Headers, Request, Response, Source
from doorward.gateway.worker import GC_ALLOCATIONS
from doorward.policy.openapi import description_from_document

MIB = 1 << 20
ROUNDS = 3
_STRINGS = {"type": "array", "items": {"type": "string"}}
_ANY = {"type": "object", "additionalProperties": True}
DESCRIPTION = description_from_document(
    {
        "openapi": "3.1.0",
        "info": {"title": "hostile", "version": "1"},
        "paths": {
            "/notes": {
                "post": {
                    "operationId": "note",
                    "parameters": [
                        {"name": "q", "in": "query", "schema": {"type": "string"}},
                        {"name": "tags", "in": "query", "schema": _STRINGS},
                    ],
                    "requestBody": {
                        "content": {
                            "application/json": {"schema": {"anyOf": [_ANY, {"type": "array"}, {"type": "string"}]}}
                        }
                    },
                    "responses": {
                        "200": {"description": "notes", "content": {"application/json": {"schema": _STRINGS}}}
                    },
                }
            }
        },
    }
)
(OPERATION,) = DESCRIPTION.operations
_VALIDATE = ValidatePolicy(json_members=1_000_000)
_BODY = body_check(OPERATION, _VALIDATE, DESCRIPTION)
_INSPECT = inspect_check(OPERATION, InspectPolicy(), DESCRIPTION)
_QUERY = parameters_check(OPERATION, _VALIDATE, DESCRIPTION)
_RELEASE = compile_release(OPERATION, MinimisePolicy(), DESCRIPTION)

Make = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Hostile:
    """One kind of input."""

    name: str
    way: str
    """`body`: JSON in; `query`; `answer`: JSON out; `chunks`."""
    make: Make
    """Bytes of about that many."""


def filled(unit: str, *, before: str = "", after: str = "") -> Make:
    """The unit again and again."""
    return lambda size: (before + unit * (size // len(unit)) + after).encode()


def text(unit: str) -> Make:
    """One JSON string full of the unit."""
    written = json.dumps(unit)[1:-1]
    return filled(written, before='{"note":"', after='"}')


def many(unit: str) -> Make:
    """A JSON array of strings of the unit."""
    return filled(json.dumps(unit) + ",", before="[", after='""]')


def keys(size: int) -> bytes:
    """An object of as many members as fit."""
    return ("{" + ",".join(f'"k{number:07}":1' for number in range(size // 13)) + "}").encode()


INPUTS = (
    Hostile("brackets that do not end", "body", filled("[")),
    Hostile("flat objects", "body", filled("{},", before="[", after="{}]")),
    Hostile("100,000 members", "body", keys),
    Hostile("escapes", "body", text("\x01")),
    Hostile("one long number", "body", filled("7")),
    Hostile("short numbers", "body", filled("1e9,", before="[", after="1]")),
    Hostile("quotes", "body", text("'")),
    Hostile("half a select", "body", text("select a from b where ")),
    Hostile("half a union, many strings", "body", many("x' union")),
    Hostile("comment openings", "body", text("/*")),
    Hostile("tags without end", "body", text("<a ")),
    Hostile("event handlers without end", "body", text("<b onx=")),
    Hostile("pipes and dollars", "body", text("|$(")),
    Hostile("dots and slashes", "body", text("..%2f")),
    Hostile("percent signs", "body", text("%25")),
    Hostile("prose", "body", text("Please select the best from where you are; it's easy. ")),
    Hostile("pairs", "query", filled("tags=a&", after="q=b")),
    Hostile("percent-encoded text", "query", filled("%41", before="q=")),
    Hostile("numbers that are nearly cards", "answer", many("4111 1111 1111 1112")),
    Hostile("nearly a stack trace", "answer", many("File at line 3 in main")),
    Hostile("short strings", "answer", many("ab")),
    Hostile("chunks of one byte", "chunks", filled("1\r\na\r\n", after="0\r\n\r\n")),
)


def cost_ms(hostile: Hostile, size: int) -> float:
    """CPU milliseconds, the best of some rounds: what disturbs can only add."""
    raw = hostile.make(size)
    best = float("inf")
    for _ in range(ROUNDS):
        run = ready(hostile, raw)
        began = time.process_time()
        with contextlib.suppress(Denied):  # to be refused is an outcome like another: its cost counts
            run()
        best = min(best, time.process_time() - began)
    return best * 1000


def ready(hostile: Hostile, raw: bytes) -> Callable[[], object]:
    """The call to be measured: this input through the checks of its way."""
    if hostile.way == "chunks":
        return lambda: ChunkedBody().feed(raw)
    fields = [(b"host", b"a"), (b"content-type", b"application/json")]
    query, body = (raw, b"") if hostile.way == "query" else (b"", raw)
    request = Request("POST", b"/notes", b"/notes", query, Headers(fields), has_body=bool(body), body=body)
    exchange = Exchange(id="0" * 32, now=0.0, ticks=0.0, source=Source(address="192.0.2.1"), request=request)
    exchange.operation = OPERATION
    if hostile.way == "answer":
        exchange.response = Response(200, [(b"content-type", b"application/json")], raw)
        return lambda: _RELEASE.apply(exchange)
    return lambda: _judge(exchange)


def _judge(exchange: Exchange) -> None:
    for check in (_QUERY, _BODY, _INSPECT):
        if check is not None:
            check(exchange)


def main() -> int:
    """The program."""
    return tell("hostile", __doc__, ("way", "full of", "CPU ms for 1 MiB", "for 100 KiB"), 2, _rows)


def _rows(_say: Say) -> list[tuple[str, ...]]:
    # as a worker has it
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 10, 10)
    rows = [(one.way, one.name, cost_ms(one, MIB), cost_ms(one, 100 << 10)) for one in INPUTS]
    rows.sort(key=lambda row: row[2], reverse=True)
    return [(way, name, f"{ms:.1f}", f"{tenth:.1f}") for way, name, ms, tenth in rows]


if __name__ == "__main__":
    sys.exit(main())
