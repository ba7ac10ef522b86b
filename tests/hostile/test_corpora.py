"""The shared request sets, sent to a running gateway: nothing ambiguous is forwarded, nothing good is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.lab import Client, Lab, request

from doorward.controls.limits import LimitsPolicy

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
FOREIGN = frozenset({"validate.path_unknown", "transport.host_unknown", "transport.host_mismatch"})
"""Framing and fields were read and found good: the set asks for paths and hosts that nothing here serves."""
STRICTER = {
    "transport.host_invalid": (2, 23, 76, 77, 122),  # a later request of the stream has no Host: RFC 9112 section 3.2
    "transport.cl_invalid": (17, 18),  # `003`
    "limits.slow_header": (32, 33),  # the message ends before its head does
    "transport.method_unknown": (57, 61, 63, 64, 65, 66, 67, 71),  # REPORT, PURGE, SEARCH, ...: of no API
    "transport.method_denied": (58, 59, 60, 121),  # CONNECT
    "transport.start_line": (68, 69, 70, 83),  # HTTP/0.9, RTSP and ICE
    "transport.path_fragment": (105, 106, 120),  # RFC 9112 section 3.2 has no fragment in a target
    "transport.path_bytes": (113,),  # a quotation mark in a target is no URI character: RFC 3986 section 2
}
"""Good requests of llhttp's set (by number) that are refused here, with which code, and why."""


def cases(name: str) -> Iterator[dict[str, Any]]:
    path = CORPORA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"the shared set {name} is not here")
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(limits=LimitsPolicy(head_s=0.2, body_s=0.2, idle_s=0.2)) as lab:
        yield lab


def codes(lab: Lab, raw: bytes) -> list[str]:
    """The codes of all answers (empty text: it was forwarded), up to the close."""
    found = []
    with Client(lab.port) as client:
        client.send(raw)
        while (answer := client.answer(to_head=raw.lstrip().startswith(b"HEAD "))) is not None:
            found.append(answer.code)
    return found


def test_no_disguise_of_the_transfer_coding_reaches_the_upstream(lab: Lab) -> None:
    """Sent to an operation that takes a body: what is forwarded was read as one request, and was one."""
    seen = len(lab.upstream.seen)
    forwarded = []
    for case in cases("http1_smuggling"):
        raw = case["raw"].encode("latin-1")
        line, _, rest = raw.partition(b"\r\n")
        raw = b"POST /items HTTP/1.1\r\n" + rest if line.startswith(b"POST ") else raw
        answers = codes(lab, raw)
        if case["expect"] == "block" and (not answers or "" in answers):
            forwarded.append(case["id"])
    assert forwarded == []
    assert len(lab.upstream.seen) == seen
    assert lab.ask(request()) is not None


def test_llhttp_s_bad_requests_are_refused_and_its_good_ones_are_not(lab: Lab) -> None:
    forwarded, refused = [], set()
    for case in cases("http1_llhttp"):
        raw = case["raw"].encode("latin-1")
        if case.get("host_missing") and case["expect"] == "pass":
            line, end, rest = raw.lstrip(b"\r\n").partition(b"\r\n")
            raw = line + end + b"Host: api.test\r\n" + rest
        answers = codes(lab, raw)
        if case["expect"] == "block" and "" in answers and case.get("reason") != "Data after `Connection: close`":
            forwarded.append(case["id"])
        if case["expect"] == "pass":
            refused |= {(code, int(case["id"][4:])) for code in answers if code and code not in FOREIGN}
    assert forwarded == []
    assert refused == {(code, number) for code, numbers in STRICTER.items() for number in numbers}
