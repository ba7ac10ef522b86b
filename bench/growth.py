"""`python -m bench.growth`: how the cost of admitting a request grows with operations, API keys and callers.

In this process, CPU time, the best of some rounds; `PYTHONPATH=.compiled` measures the compiled build. Absolute times
mean nothing on another machine; the factors do.
"""

import gc
import random
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson

from bench.telling import Say, tell
from doorward.controls.authenticate import Credentials, credentials_data
from doorward.controls.authenticate.key_format import hash_api_key, make_api_key
from doorward.controls.forward import IdentitySigner
from doorward.controls.limits import Counters
from doorward.exchange import Exchange, Headers, Request, Source
from doorward.gateway.worker import GC_ALLOCATIONS
from doorward.jose import generate_key
from doorward.pipeline import Pipeline, compile_pipeline
from doorward.policy.document import Policy
from doorward.policy.openapi import description_from_document

OPERATIONS = (10, 100, 1_000, 10_000)
KEYS = (10, 1_000, 100_000, 1_000_000)
CALLERS = (10, 1_000, 100_000)
REQUESTS = 5_000
ROUNDS = 5
_STATUS = {"type": "string", "enum": ["open", "paid", "sent"]}
Row = tuple[str, int, float, float]


def description(count: int) -> dict[str, Any]:
    """An API of so many operations, each with a path parameter and a query parameter."""
    operation = {
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}},
            {"name": "status", "in": "query", "schema": _STATUS},
        ],
        "responses": {"200": {"description": "one"}},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "growth", "version": "1"},
        "security": [{"key": []}],
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}}},
        "paths": {f"/group{number % 97}/things{number}/{{id}}": {"get": operation} for number in range(count)},
    }


def compiled(operations: int, credentials: Credentials) -> tuple[Pipeline, float]:
    """The pipeline, and the seconds that reading and compiling the description took."""
    written = {"api": "openapi.yaml", "upstream": "http://127.0.0.1:9", "insecure_plain_http": True}
    limits = {"per_address": "99999999/second", "per_caller": "99999999/second"}
    policy = Policy.model_validate_json(orjson.dumps({**written, "roles": {"clerk": ["GET *"]}, "limits": limits}))
    document = description(operations)
    began = time.process_time()
    pipeline = compile_pipeline(
        policy,
        description_from_document(document),
        version="v1",
        credentials=credentials,
        signer=IdentitySigner(generate_key("ES256")),
        counters=Counters(),
        record_key=b"k" * 32,
    )
    return pipeline, time.process_time() - began


def credentials_of(count: int) -> tuple[Credentials, list[bytes], float]:
    """So many API keys, up to 1,000 of them to ask with, and the seconds that taking them up took."""
    chance = random.Random(7)
    made = [make_api_key(chance.randbytes(8), chance.randbytes(32)) for _ in range(count)]
    records = [
        {
            "id": key_id,
            "hash": hash_api_key(key.encode()).hex(),
            "subject": f"service-{number}",
            "roles": ["clerk"],
            "scopes": [],
            "claims": {},
            "networks": [],
            "expires_at": 4e9,
            "revoked": False,
        }
        for number, (key_id, key) in enumerate(made)
    ]
    data = credentials_data(issuers={}, api_keys=records)
    began = time.process_time()
    credentials = Credentials.from_data(data)
    took_s = time.process_time() - began
    return credentials, [key.encode() for _, key in chance.sample(made, min(count, 1_000))], took_s


def admitted_us(pipeline: Pipeline, paths: list[bytes], keys: list[bytes], addresses: list[str]) -> float:
    """CPU microseconds to admit one request."""
    gc.collect()
    gc.freeze()
    best = float("inf")
    for _ in range(ROUNDS):
        exchanges = [_exchange(paths, keys, addresses, number) for number in range(REQUESTS)]
        began = time.process_time()
        for exchange in exchanges:
            pipeline.admit_body(exchange, pipeline.admit_head(exchange))
        best = min(best, time.process_time() - began)
    gc.unfreeze()
    return best / REQUESTS * 1e6


def _exchange(paths: list[bytes], keys: list[bytes], addresses: list[str], number: int) -> Exchange:
    path = paths[number % len(paths)]
    fields = [(b"host", b"localhost"), (b"x-api-key", keys[number % len(keys)])]
    request = Request("GET", path, path, b"status=open", Headers(fields))
    source = Source(address=addresses[number % len(addresses)])
    return Exchange(id="0" * 32, now=1e9, ticks=1.0 + number * 1e-5, source=source, request=request)


def measure(say: Callable[[str], None]) -> list[Row]:
    """Rows of what, how many, seconds to take it up, microseconds a request."""
    gc.set_threshold(GC_ALLOCATIONS, 10, 10)
    rows: list[Row] = []
    few, asking, _ = credentials_of(10)
    for count in OPERATIONS:
        say(f"{count:,} operations")
        pipeline, took_s = compiled(count, few)
        paths = [f"/group{number % 97}/things{number}/7".encode() for number in range(count)]
        random.Random(7).shuffle(paths)
        rows.append(("operations", count, took_s, admitted_us(pipeline, paths[:1_000], asking, ["192.0.2.1"])))
    for count in KEYS:
        say(f"{count:,} API keys")
        many, theirs, took_s = credentials_of(count)
        pipeline, _ = compiled(10, many)
        rows.append(("API keys", count, took_s, admitted_us(pipeline, [b"/group1/things1/7"], theirs, ["192.0.2.1"])))
    for count in CALLERS:
        say(f"{count:,} addresses")
        pipeline, _ = compiled(10, few)
        addresses = [f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" for number in range(count)]
        for start in range(0, count, REQUESTS):
            for number in range(start, min(start + REQUESTS, count)):
                pipeline.count_address(_exchange([b"/x"], asking, addresses, number))
        rows.append(("addresses", count, 0.0, admitted_us(pipeline, [b"/group1/things1/7"], asking, addresses)))
    return rows


def main() -> int:
    """The program."""
    heads = ("what", "how many", "s to take up", "us a request", "x the fewest")
    return tell("growth", __doc__, heads, 1, _rows)


def _rows(say: Say) -> list[tuple[str, ...]]:
    rows = measure(say)
    first = {what: us for what, _, _, us in reversed(rows)}
    return [
        (what, f"{count:,}", f"{took_s:.2f}", f"{us:.1f}", f"{us / first[what]:.2f}")
        for what, count, took_s, us in rows
    ]


if __name__ == "__main__":
    sys.exit(main())
