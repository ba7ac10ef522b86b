"""The shared request sets, sent to a running gateway: nothing ambiguous is forwarded, nothing good is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.lab import OK, Client, Lab, request

from doorward.controls.limits import LimitsPolicy

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
NOT_OURS = frozenset(
    {
        "transport.method_unknown",  # REPORT, PURGE, SEARCH, ...: of no API
        "transport.method_denied",  # CONNECT
        "transport.upgrade",  # a WebSocket that no operation declares
        "transport.path_fragment",  # RFC 9112 section 3.2 has no fragment in a target
        "transport.start_line",  # HTTP/0.9, RTSP and ICE
        "transport.cl_invalid",  # `003`
        "transport.unexpected_body",
        "validate.path_unknown",  # framing passed: the set asks for paths that no description here has
        "limits.slow_header",  # the set's message ends before its head does
        "limits.slow_body",  # or its body
        "transport.path_bytes",  # a quotation mark in a target is no URI character (RFC 3986 section 2)
    }
)


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
    lab.upstream.answers[b"/"] = OK
    forwarded, refused = [], {}
    for case in cases("http1_llhttp"):
        raw = case["raw"].encode("latin-1")
        if case.get("host_missing") and case["expect"] == "pass":
            line, end, rest = raw.lstrip(b"\r\n").partition(b"\r\n")
            raw = line + end + b"Host: api.test\r\n" + rest
        answers = codes(lab, raw)
        if case["expect"] == "block" and "" in answers and case.get("reason") != "Data after `Connection: close`":
            forwarded.append(case["id"])
        strange = [code for code in answers if code and code not in NOT_OURS and not code.startswith("transport.host_")]
        if case["expect"] == "pass" and strange:
            refused[case["id"]] = strange
    assert forwarded == []
    assert refused == {}
