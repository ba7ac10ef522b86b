"""Fault rows 1-7, 9, 10 and 13 of `docs/faults.md`: an upstream that is slow, dead, lying, flapping or cut off."""

from __future__ import annotations

import ssl
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.fault_proxy import BlackHole, FaultProxy, Faults
from tests.gateway.certificates import DAY, NOW, Authority
from tests.gateway.lab import Client, Lab, request

from doorward.controls.limits import LimitsPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GOOD = b'{"ok":true}'
BODY = b"x" * 400
LONG = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 400\r\nx-pad: " + b"y" * 120 + b"\r\n\r\n" + BODY
)
CUT_BYTES = 600


@contextmanager
def broken(**forward: Any) -> Iterator[tuple[Lab, FaultProxy]]:
    """A gateway whose upstream stands behind a proxy that can be told what to break."""
    with FaultProxy(0) as proxy:
        forward = {"upstream": f"http://{proxy.address}", **forward}
        with Lab(forward=forward, limits=LimitsPolicy(write_s=2.0)) as lab:
            proxy.to = lab.upstream.port
            yield lab, proxy


def asked(lab: Lab, raw: bytes = b"") -> tuple[int, str]:
    answer = lab.ask(raw or request())
    assert answer is not None
    return answer.status, answer.code


def test_01_a_slow_upstream_is_a_504_and_keeps_nobody_else_waiting() -> None:
    with broken(response_s=0.3, breaker_failures=0) as (lab, proxy):
        proxy.faults = Faults(latency_s=5.0)
        with lab.connect() as slow:
            slow.send(request())
            # what needs no upstream is answered while the other waits
            assert asked(lab, request("GET", "/nowhere")) == (404, "validate.path_unknown")
            answer = slow.answer()
        assert answer is not None
        assert (answer.status, answer.code) == (504, "forward.upstream_timeout")
        proxy.faults = Faults()
        assert asked(lab) == (200, "")


def test_02_a_dead_upstream_is_a_502_and_only_what_may_be_repeated_is_repeated_once() -> None:
    with broken(breaker_failures=0) as (lab, proxy):
        proxy.faults = Faults(cut_after=0, resets=True)
        before = proxy.requests
        assert asked(lab, request("POST", body=b"x"))[0] == 502
        assert proxy.requests == before + 1
        assert asked(lab)[0] == 502
        assert proxy.requests <= before + 3
        proxy.faults = Faults()
        assert asked(lab) == (200, "")


def test_02_a_refused_connection_is_a_502() -> None:
    with broken(breaker_failures=0) as (lab, proxy):
        proxy.faults = Faults(refuses=True)
        assert asked(lab) in {(502, "forward.upstream_unreachable"), (502, "forward.upstream_framing")}
        proxy.faults = Faults()
        assert asked(lab) == (200, "")


def test_03_a_black_hole_costs_the_time_to_connect_and_then_nothing() -> None:
    with (
        BlackHole() as hole,
        Lab(forward={"upstream": f"http://127.0.0.1:{hole.port}", "connect_s": 0.1, "breaker_s": 600.0}) as lab,
    ):
        codes = [asked(lab, request("POST", body=b"x"))[1] for _ in range(8)]
        assert set(codes[:5]) <= {"forward.upstream_unreachable", "forward.upstream_timeout"}
        assert codes[-1] == "forward.upstream_busy"


def test_03_the_breaker_opens_after_five_and_asks_nothing_more_of_the_upstream() -> None:
    with broken(response_s=0.1, breaker_s=600.0) as (lab, proxy):
        proxy.faults = Faults(swallows=True)
        for _ in range(5):
            assert asked(lab, request("POST", body=b"x")) == (504, "forward.upstream_timeout")
        before = proxy.requests
        for _ in range(5):
            assert asked(lab) == (503, "forward.upstream_busy")
        assert proxy.requests == before


def test_04_a_flapping_target_beside_a_good_one_costs_nobody_an_answer() -> None:
    with FaultProxy(0) as flapping, FaultProxy(0) as good:
        forward = {"targets": (flapping.address, good.address), "breaker_s": 0.05}
        with Lab(forward=forward) as lab:
            flapping.to = good.to = lab.upstream.port
            seen: Counter[int] = Counter()
            for number in range(200):
                if number % 10 == 0:
                    flapping.faults = Faults(refuses=number % 20 == 0)
                    flapping.break_all()
                seen[asked(lab)[0]] += 1
    assert seen[200] >= 195
    # it is never left alone for good
    assert flapping.accepted > 2


@pytest.mark.parametrize("faults", [Faults(length_off_by=3), Faults(length_off_by=-3), Faults(flips=5)])
def test_05_a_lie_is_a_502_or_an_end_and_never_the_next_answer(faults: Faults) -> None:
    with broken(response_s=0.3, breaker_failures=0) as (lab, proxy):
        proxy.faults = faults
        with lab.connect() as client:
            client.send(request("POST", body=b"x"))
            answer = client.answer()
            assert answer is None or answer.status in {502, 504}
        proxy.faults = Faults()
        for _ in range(3):
            answer = lab.ask(request())
            assert answer is not None
            assert (answer.status, answer.body) == (200, GOOD)


def test_06_an_answer_cut_after_any_byte_is_never_taken_for_a_whole_one() -> None:
    """All cuts from 0 to 600 of an answer of about 600 bytes, held whole and streamed."""
    found: Counter[str] = Counter()
    with broken(breaker_failures=0) as (lab, proxy):
        lab.upstream.answers[b"/items"] = lab.upstream.answers[b"/upload"] = LONG
        for cut in range(CUT_BYTES):
            proxy.faults = Faults(cut_after=cut, resets=cut % 2 == 0)
            raw = request("POST", "/items" if cut % 3 else "/upload", body=b"x")
            with Client(lab.port) as client:
                client.send(raw)
                try:
                    answer = client.answer()
                except (EOFError, AssertionError):
                    found["aborted"] += 1
                    continue
            if answer is None:
                found["aborted"] += 1
            elif answer.status == 200:
                assert answer.body == BODY
                assert cut >= len(LONG)
                found["whole"] += 1
            else:
                assert answer.status == 502
                found["refused"] += 1
        proxy.faults = Faults()
        assert asked(lab)[0] == 200
    # a reset right behind the last byte may destroy it: then it is no answer either
    assert 1 <= found["whole"] <= CUT_BYTES - len(LONG)
    assert found["whole"] + found["refused"] + found["aborted"] == CUT_BYTES


def test_10_slow_clients_are_held_for_their_time_and_others_are_served() -> None:
    limits = LimitsPolicy(head_s=1.0, connections_per_address=1_000)
    with Lab(limits=limits) as lab:
        slow = [Client(lab.port) for _ in range(400)]
        for client in slow:
            client.send(b"GET /items HTTP/1.1\r\nHost: api.test\r\nX-")
        assert asked(lab) == (200, "")
        assert lab.gateway.load.buffered_bytes == 0
        for client in slow:
            answer = client.answer()
            assert answer is None or answer.status == 408
            client.socket.close()
        lab.wait_until(lambda: len(lab.gateway.connections) == 0)
        assert asked(lab) == (200, "")


def test_13_clients_that_ask_again_and_again_are_not_multiplied() -> None:
    with broken(breaker_failures=0) as (lab, proxy):
        assert asked(lab) == (200, "")
        proxy.faults = Faults(cut_after=0)
        before = proxy.requests
        for _ in range(200):
            assert asked(lab)[0] == 502
        # one in ten, and the ten that were saved up
        assert proxy.requests - before <= 200 * 1.1 + 10


@pytest.mark.parametrize("kind", ["expired", "another name", "another authority"])
def test_07_an_upstream_whose_certificate_changed_is_spoken_to_no_more(tmp_path: Path, kind: str) -> None:
    authority = Authority(tmp_path)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(authority.issue("127.0.0.1").file)
    with Lab(context=shown) as upstream:
        trusting = {"upstream": f"https://127.0.0.1:{upstream.port}", "ca_file": str(authority.file), "host": "client"}
        with Lab(forward={**trusting, "idle_s": 0.0, "breaker_failures": 0}) as lab:
            assert asked(lab) == (200, "")
            changed = {
                "expired": lambda: authority.issue("127.0.0.1", begins=NOW - 30 * DAY, ends=NOW - DAY),
                "another name": lambda: authority.issue("evil.test"),
                "another authority": lambda: authority.beside("evil").issue("127.0.0.1"),
            }[kind]()
            shown.load_cert_chain(changed.file)
            assert asked(lab) == (502, "forward.upstream_tls")
            assert asked(lab, request("POST", body=b"x")) == (502, "forward.upstream_tls")
            shown.load_cert_chain(authority.issue("127.0.0.1").file)
            assert asked(lab) == (200, "")
