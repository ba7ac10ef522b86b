"""Twice the input costs at most twice: lines of our code run and memory held, at two sizes of every way in.

Lines, not time: no other load on the machine disturbs them. What the C libraries below do is linear by their own nature
or bounded by sizes; `python -m bench.hostile` measures all of it.
"""

import contextlib
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from bench.hostile import INPUTS, ready
from tests.gateway.lab import Lab, request
from tests.hostile.judge import cost_of

from doorward.controls.limits import LimitsPolicy
from doorward.denial import Denied

BASE = 400
"""Lines that a request may take whatever its size."""
ROOM = 128 * 1024


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(limits=LimitsPolicy(head_s=5.0)) as lab:
        yield lab


def chunked(body: bytes) -> bytes:
    return request("POST", "/items", "Transfer-Encoding: chunked") + body


def fields(count: int, name: str = "X-{}", value: str = "y") -> bytes:
    return request("GET", "/items", *[f"{name.format(number)}: {value}" for number in range(count)])


WAYS: dict[str, tuple[Callable[[int], bytes], int]] = {
    "many fields": (fields, 45),
    "too many fields": (fields, 1_000),
    "one long value": (lambda n: fields(1, value="y" * n), 7_000),
    "a value of blanks": (lambda n: fields(1, value=" \t" * n), 3_000),
    "one long name": (lambda n: fields(1, name="x" * n), 7_000),
    "cookies": (lambda n: fields(1, "Cookie", "; ".join(["a=b"] * n)), 1_000),
    "hops": (lambda n: fields(1, "X-Forwarded-For", ",".join(["1.1.1.1"] * n)), 700),
    "ranges": (lambda n: fields(1, "Range", "bytes=" + ",".join(["0-0"] * n)), 1_500),
    "options of a connection": (lambda n: fields(1, "Connection", ",".join(["a"] * n)), 3_000),
    "codings": (lambda n: fields(1, "Transfer-Encoding", ",".join(["chunked"] * n)), 800),
    "a long path": (lambda n: request("GET", "/" + "a" * n), 3_500),
    "segments": (lambda n: request("GET", "/a" * n), 1_700),
    "dots": (lambda n: request("GET", "/.." * n), 1_000),
    "encoded letters": (lambda n: request("GET", "/" + "%61" * n), 1_000),
    "encoded per cents": (lambda n: request("GET", "/" + "%25" * n), 1_000),
    "semicolons": (lambda n: request("GET", "/" + ";" * n), 3_500),
    "pairs": (lambda n: request("GET", "/items?" + "a&" * n), 1_700),
    "blank lines": (lambda n: b"\r\n" * n + request(), 3_000),
    "control characters": (lambda n: request("GET", "/" + "\x01" * n), 3_000),
    "an absolute target": (lambda n: request("GET", "http://" + "a" * n + "/items"), 3_500),
    "a head without end": (lambda n: b"GET /items HTTP/1.1\r\nX: " + b"y" * n, 20_000),
    "a start line without end": (lambda n: b"GET /" + b"y" * n, 20_000),
    "a body": (lambda n: request("POST", "/items", body=b"x" * n), 30_000),
    "small chunks": (lambda n: chunked(b"1\r\na\r\n" * n + b"0\r\n\r\n"), 2_000),
    "chunk extensions": (lambda n: chunked(b"1;a=b\r\na\r\n" * n + b"0\r\n\r\n"), 400),
    "trailers": (lambda n: chunked(b"1\r\na\r\n0\r\n" + b"X: y\r\n" * n + b"\r\n"), 400),
    "a size without end": (lambda n: chunked(b"0" * n), 20_000),
}


@pytest.mark.parametrize("way", WAYS)
def test_twice_the_input_costs_at_most_twice(lab: Lab, way: str) -> None:
    make, size = WAYS[way]
    whole, twice = (cost_of(lab, make(count)) for count in (size, 2 * size))
    assert twice.lines <= 2 * whole.lines + BASE
    assert twice.peak_bytes <= 2 * whole.peak_bytes + ROOM


@pytest.mark.parametrize("way", ["a long path", "control characters", "small chunks", "a body"])
def test_memory_stays_within_ten_times_what_was_sent(lab: Lab, way: str) -> None:
    make, size = WAYS[way]
    raw = make(size)
    bare = cost_of(lab, request())
    assert cost_of(lab, raw).peak_bytes <= bare.peak_bytes + 10 * len(raw) + 64 * 1024


def steps_and_memory(run: Callable[[], object]) -> tuple[int, int]:
    """Lines of our own code run, and memory held at most, by one call."""
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        if "/doorward/" not in frame.f_code.co_filename:
            return None
        lines += event == "line"
        return trace

    previous = sys.gettrace()
    tracemalloc.start()
    sys.settrace(trace)
    try:
        with contextlib.suppress(Denied):  # to be refused is an outcome like another
            run()
    finally:
        sys.settrace(previous)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return lines, peak


@pytest.mark.parametrize("hostile", INPUTS, ids=lambda one: f"{one.way}: {one.name}")
def test_twice_the_content_costs_at_most_twice(hostile: Any) -> None:
    """Bodies, queries and answers that the benchmark measures, through validate, inspect and minimise."""
    steps_and_memory(ready(hostile, hostile.make(2_000)))  # what is built once is not counted
    (lines, peak), (twice_lines, twice_peak) = (
        steps_and_memory(ready(hostile, hostile.make(size))) for size in (16_000, 32_000)
    )
    assert twice_lines <= 2 * lines + BASE
    assert twice_peak <= 2 * peak + ROOM
