"""The head check over the shared request sets. Single rows are attacked over a socket in tests/hostile."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doorward.controls.transport import ChunkedBody, check_head, without_upgrade
from doorward.denial import Denied
from doorward.gateway.request_reader import RequestReader

CORPORA = Path(__file__).resolve().parents[4] / "shared" / "corpora"


def cases(name: str) -> Iterator[dict[str, Any]]:
    path = CORPORA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"the shared set {name} is not here")
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def verdict(raw: bytes) -> str:
    """`accepted`, `incomplete`, or the code that refuses the first message in `raw`."""
    for _ in range(2):
        raw = raw.removeprefix(b"\r\n")
    end = raw.find(b"\r\n\r\n")
    if end < 0:
        return "incomplete"
    head, rest = raw[: end + 4], raw[end + 4 :]
    reader = RequestReader()
    try:
        check_head(head)
        reader.read_head(without_upgrade(head))
        if any(name == b"transfer-encoding" for name, _ in reader.headers):
            body = ChunkedBody()
            body.feed(rest)
            reader.read_body(rest[: len(rest) - len(body.rest)], is_last=body.is_complete)
            return "accepted" if body.is_complete else "incomplete"
    except Denied as denied:
        return denied.code
    return "accepted"


def test_no_disguise_of_the_transfer_coding_is_accepted() -> None:
    accepted = [
        case["id"]
        for case in cases("http1_smuggling")
        if case["expect"] == "block" and verdict(case["raw"].encode("latin-1")) in {"accepted", "incomplete"}
    ]
    assert accepted == []


def test_every_request_that_must_be_refused_is() -> None:
    # A head that never ends is refused by the gateway, not by the check: a bare LF in it at once, the rest by time.
    # Data after a request that closes the connection is never read.
    accepted = [
        case["id"]
        for case in cases("http1_llhttp")
        if case["expect"] == "block"
        and verdict(case["raw"].encode("latin-1")) == "accepted"
        and case.get("reason") != "Data after `Connection: close`"
    ]
    assert accepted == []


STRICTER = {
    "transport.method_unknown",  # REPORT, PURGE, SEARCH, ...: not of an API
    "transport.method_denied",  # CONNECT
    "transport.upgrade",  # WebSocket
    "transport.path_fragment",  # RFC 9112 section 3.2 has no fragment in a target
}


def test_no_good_request_is_refused() -> None:
    refused = {}
    for case in cases("http1_llhttp"):
        found = verdict(case["raw"].encode("latin-1"))
        ours = found in STRICTER or "Content-Length: 003" in case["raw"] or " HTTP/1." not in case["raw"]
        if case["expect"] == "pass" and found not in {"accepted", "incomplete"} and not ours:
            refused[case["id"]] = found
    assert refused == {}


def test_a_head_without_bytes_is_refused() -> None:
    for head in (b"", b"\r\n\r\n", b"\r\n"):
        with pytest.raises(Denied):
            check_head(head)
