"""Fault 8: the name of a target moves, is gone, is slow, or is made to point at what only listens here."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from tests.faults.fault_proxy import BlackHole, FaultProxy
from tests.gateway.lab import PATIENCE_S, Lab, RecordingUpstream, request

from doorward.gateway.upstream_names import STALE_S

NAME = "orders.localhost"
pytestmark = pytest.mark.allow_hosts([*(f"127.0.0.{last}" for last in range(1, 7)), "::1", "localhost"])


class Names:
    """A name server that says what it is told to."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0
        self.fails = False
        self.may_answer = threading.Event()
        self.may_answer.set()

    async def resolve(self, host: str, port: int) -> list[str]:
        assert host == NAME
        self.asked += 1
        if not self.may_answer.is_set():  # else at once: a thread may take longer to begin than a request waits
            await asyncio.to_thread(self.may_answer.wait, PATIENCE_S)
        if self.fails:
            raise OSError("name server does not answer")
        return self.addresses


@contextmanager
def lab_of(names: Names, port: int, **forward: Any) -> Iterator[Lab]:
    class Named(Lab):
        resolve = staticmethod(names.resolve)

    with Named(forward={"upstream": f"http://{NAME}:{port}", **forward}) as lab:
        yield lab


def ask(lab: Lab) -> tuple[int, str]:
    answer = lab.ask(request())
    assert answer is not None
    return answer.status, answer.code


def look_up_again(lab: Lab, names: Names) -> None:
    """Have the name looked up in the background, as after `resolve_s`."""
    asked = names.asked
    lab.loop.call_soon_threadsafe(lab.pool.targets[0].addresses.expire)
    lab.wait_until(lambda: names.asked > asked)


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    """Keeps no connection."""
    made = RecordingUpstream()
    made.answers[b"/items"] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    yield made
    made.stop()


@pytest.fixture
def places(upstream: RecordingUpstream) -> Iterator[dict[str, FaultProxy]]:
    """The upstream's port on three addresses of this host."""
    with ExitStack() as opened:
        first = opened.enter_context(FaultProxy(upstream.port, host="127.0.0.2"))
        made = {"127.0.0.2": first}
        for address in ("127.0.0.3", "127.0.0.4"):
            made[address] = opened.enter_context(FaultProxy(upstream.port, host=address, port=first.port))
        yield made


def port_of(places: dict[str, FaultProxy]) -> int:
    return places["127.0.0.2"].port


def test_08_requests_follow_a_name_that_moves_and_old_connections_are_let_go(
    places: dict[str, FaultProxy], upstream: RecordingUpstream
) -> None:
    names = Names("127.0.0.2")
    del upstream.answers[b"/items"]
    with lab_of(names, port_of(places)) as lab:
        assert ask(lab) == (200, "")
        lab.wait_until(lambda: len(lab.pool.targets[0].idle) == 1)
        names.addresses = ["127.0.0.3"]
        look_up_again(lab, names)
        lab.wait_until(lambda: not lab.pool.targets[0].connections)
        assert ask(lab) == (200, "")
        assert [one.accepted for one in places.values()] == [1, 1, 0]


def test_08_a_request_under_way_is_finished_where_it_is(
    places: dict[str, FaultProxy], upstream: RecordingUpstream
) -> None:
    names = Names("127.0.0.2")
    go_on = threading.Event()

    def waits(connection: Any) -> None:
        go_on.wait(PATIENCE_S)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    upstream.answers[b"/items"] = waits
    with lab_of(names, port_of(places)) as lab, lab.connect() as client:
        client.send(request())
        upstream.arrived.get(timeout=PATIENCE_S)
        names.addresses = ["127.0.0.3"]
        look_up_again(lab, names)
        lab.wait_until(lambda: lab.pool.targets[0].addresses.known == ("127.0.0.3",))
        go_on.set()
        answer = client.answer()
        assert answer is not None
        assert answer.status == 200
        lab.wait_until(lambda: not lab.pool.targets[0].connections)


def test_08_the_last_good_answer_serves_while_the_name_server_is_gone_for_so_long_and_no_longer(
    places: dict[str, FaultProxy],
) -> None:
    names = Names("127.0.0.2")
    with lab_of(names, port_of(places)) as lab:
        assert ask(lab) == (200, "")
        names.fails = True
        look_up_again(lab, names)
        assert ask(lab) == (200, "")
        lab.pool.targets[0].addresses._answered_at -= 30.0 + STALE_S - 10.0
        assert ask(lab) == (200, "")
        lab.pool.targets[0].addresses._answered_at -= 10.0
        assert ask(lab) == (502, "forward.upstream_unreachable")
        names.fails = False
        assert ask(lab) == (200, "")


def test_08_a_slow_name_server_delays_nobody_who_has_an_answer(places: dict[str, FaultProxy]) -> None:
    names = Names("127.0.0.2")
    with lab_of(names, port_of(places)) as lab:
        assert ask(lab) == (200, "")
        names.may_answer.clear()
        look_up_again(lab, names)
        assert ask(lab) == (200, "")
        assert ask(lab) == (200, "")
        names.may_answer.set()
        assert names.asked == 2, "one lookup at a time"


def test_08_a_name_without_an_answer_in_time_is_a_502(places: dict[str, FaultProxy]) -> None:
    names = Names("127.0.0.2")
    names.may_answer.clear()
    with lab_of(names, port_of(places), connect_s=0.05) as lab:
        assert ask(lab) == (502, "forward.upstream_unreachable")
        assert ask(lab) == (502, "forward.upstream_unreachable")
        assert names.asked == 1
        names.may_answer.set()
        lab.wait_until(lambda: bool(lab.pool.targets[0].addresses.known))
        assert ask(lab) == (200, "")


POISON = [
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "::ffff:127.0.0.1",
    "169.254.169.254",
    "fe80::1%eth0",
    "0.0.0.0",
    "224.0.0.1",
]


@pytest.mark.parametrize("poison", POISON)
def test_08_an_answer_that_points_at_this_host_or_its_link_is_refused_and_the_last_good_one_stays(poison: str) -> None:
    answers = iter([["10.0.0.1", "fd00::1"], ["10.0.0.1", poison], ["10.0.0.2"]])

    async def resolve(host: str, port: int) -> list[str]:
        return next(answers)

    class Named(Lab):
        pass

    Named.resolve = staticmethod(resolve)
    with Named(forward={"upstream": "http://orders.internal:1"}) as lab:
        addresses = lab.pool.targets[0].addresses
        lab.wait_until(lambda: addresses.known == ("10.0.0.1", "fd00::1"))
        lab.loop.call_soon_threadsafe(addresses.expire)
        lab.wait_until(lambda: poison in addresses._problem)
        assert addresses.known == ("10.0.0.1", "fd00::1")
        lab.loop.call_soon_threadsafe(addresses.expire)
        lab.wait_until(lambda: addresses.known == ("10.0.0.2",))
        assert not addresses._problem


def test_a_name_is_asked_again_after_a_failed_connection(places: dict[str, FaultProxy]) -> None:
    names = Names("127.0.0.5")
    with lab_of(names, port_of(places)) as lab:
        assert ask(lab) == (502, "forward.upstream_unreachable")
        names.addresses = ["127.0.0.2"]
        assert ask(lab) == (502, "forward.upstream_unreachable"), "a dead upstream must not flood the name server"
        lab.pool.targets[0].addresses._looked_up_at -= 1.0
        assert ask(lab) == (200, "")
        assert names.asked == 2


def test_every_address_of_a_name_gets_connections(places: dict[str, FaultProxy]) -> None:
    names = Names(*places)
    with lab_of(names, port_of(places)) as lab:
        for _ in range(9):
            assert ask(lab) == (200, "")
        assert [one.accepted for one in places.values()] == [3, 3, 3]


@pytest.mark.parametrize("dead", ["127.0.0.5", "::1", "silent"])
def test_an_address_that_does_not_answer_costs_no_request(places: dict[str, FaultProxy], dead: str) -> None:
    with ExitStack() as opened:
        port = port_of(places)
        if dead == "silent":
            hole = opened.enter_context(BlackHole())
            dead, port = "127.0.0.1", hole.port
            opened.enter_context(FaultProxy(places["127.0.0.2"].to, host="127.0.0.6", port=port))
            good = "127.0.0.6"
        else:
            good = "127.0.0.2"
        names = Names(dead, good)
        with lab_of(names, port, connect_s=5.0) as lab:
            for _ in range(4):
                assert ask(lab) == (200, "")


def test_an_address_is_not_looked_up() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise AssertionError("asked")

    class Numbered(Lab):
        pass

    Numbered.resolve = staticmethod(resolve)
    with Numbered() as lab:
        assert ask(lab) == (200, "")
        assert lab.pool.targets[0].addresses not in lab.pool.deadlines._members


def test_the_systems_names_are_looked_up(upstream: RecordingUpstream) -> None:
    with Lab(forward={"upstream": f"http://localhost:{upstream.port}"}) as lab:
        assert ask(lab) == (200, "")
        assert b"host: localhost:" in upstream.seen[0].head
