"""Proofs used once by several hosts: a real server, two hosts with a worker's link each."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from tests.controls.authenticate.partner import exchange_of
from tests.faults.valkey import PASSWORD, Valkey, valkey
from tests.gateway.test_replays import REFUSAL, until

from doorward.attack.case import Ask
from doorward.controls.limits import SharedPolicy
from doorward.exchange import Pending, SingleUse
from doorward.gateway.replay_link import ReplayLink
from doorward.gateway.replay_service import ReplayService
from doorward.gateway.replay_valkey import ValkeyReplays
from doorward.gateway.valkey_client import client_of

LATER = 1_000.0
"""So long after now could a proof first be used: later than any memory of these tests began."""
BORN = "doorward:{replays}:born"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with valkey(tmp_path) as made:
        yield made


class Host:
    """A control process's memory, and a worker that asks it."""

    def __init__(self, path: Path, server: Valkey, clock: Callable[[], float]) -> None:
        policy = SharedPolicy.model_validate({"url": f"valkey://127.0.0.1:{server.port}/0", "password": PASSWORD})
        self.memory = ValkeyReplays(client_of(policy), policy.prefix, clock)
        self.service = ReplayService(path, clock, shared=self.memory)
        self.link = ReplayLink(path, asyncio.get_running_loop())
        self.running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.service.start()
        self.link.start()
        self.running = asyncio.create_task(self.memory.run())
        await until(lambda: self.link._transport is not None)

    async def stop(self) -> None:
        assert self.running is not None
        self.running.cancel()
        self.link.close()
        self.service.close()
        await self.memory.close()
        await asyncio.sleep(0)


class Bench:
    def __init__(self, directory: Path, server: Valkey, clock: Callable[[], float] = time.time) -> None:
        self.server, self.count = server, 0
        self.hosts = [Host(directory / f"{number}.sock", server, clock) for number in range(2)]

    async def __aenter__(self) -> Self:
        for host in self.hosts:
            await host.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for host in self.hosts:
            await host.stop()

    async def up(self) -> None:
        for host in self.hosts:
            while not host.memory.is_up:  # noqa: ASYNC110 - the test's own time limit ends it
                await asyncio.sleep(0.01)

    async def down(self) -> None:
        for host in self.hosts:
            while host.memory.is_up:
                await self.claim(self.hosts.index(host), b"any")

    async def claim(
        self, host: int, name: bytes, *, after_s: float = LATER, here: bool = False, holder: str = ""
    ) -> str:
        """What a worker of that host learns about a proof that was first good `after_s` from now."""
        self.count += 1
        exchange = exchange_of(Ask())
        exchange.id = f"{self.count:032x}"
        usable_from = time.time() + after_s
        proof = SingleUse(
            proof=name.ljust(16),
            usable_from=usable_from,
            until=usable_from + 60,
            holder=holder,
            here=here,
            refusal=REFUSAL,
        )
        while True:
            try:
                return self.hosts[host].link.claim(exchange, proof)
            except Pending as pending:
                known = asyncio.Event()
                pending.ask(known.set)
                await known.wait()


def run(
    directory: Path,
    server: Valkey,
    steps: Callable[[Bench], Awaitable[None]],
    *,
    clock: Callable[[], float] = time.time,
    born_ago_s: int | None = None,
    waits: bool = True,
) -> None:
    """`born_ago_s`: how long the server's memory is whole already."""
    if born_ago_s is not None:
        run_id: Any = server.client.info("server")
        server.client.set(BORN, f"{run_id['run_id']} {int(time.time()) - born_ago_s}")

    async def main() -> None:
        async with Bench(directory, server, clock) as bench:
            if waits:
                await bench.up()
            await steps(bench)

    asyncio.run(main())


def test_a_proof_used_at_one_host_is_seen_at_the_other(tmp_path: Path, server: Valkey) -> None:
    async def steps(bench: Bench) -> None:
        assert [await bench.claim(host, b"a") for host in (0, 1, 0)] == ["first", "seen", "seen"]
        assert [await bench.claim(host, b"b") for host in (1, 0)] == ["first", "seen"]

    run(tmp_path, server, steps)


def test_of_many_at_once_exactly_one_is_first(tmp_path: Path, server: Valkey) -> None:
    async def steps(bench: Bench) -> None:
        for name in (b"a", b"b", b"c"):
            sights = await asyncio.gather(*(bench.claim(number % 2, name) for number in range(200)))
            assert sorted(sights) == ["first"] + ["seen"] * 199

    run(tmp_path, server, steps)


def test_answers_belong_to_their_questions(tmp_path: Path, server: Valkey) -> None:
    async def steps(bench: Bench) -> None:
        for number in range(0, 100, 3):
            assert await bench.claim(1, b"%d" % number) == "first"
        sights = await asyncio.gather(*(bench.claim(0, b"%d" % number, here=number % 5 == 0) for number in range(100)))
        expected = ["seen" if number % 3 == 0 and number % 5 else "first" for number in range(100)]
        # What is good on this host alone is not asked for, and its memory began before all of them.
        assert sights == expected

    run(tmp_path, server, steps)


def test_what_an_earlier_memory_may_have_seen_is_unknown(tmp_path: Path, server: Valkey) -> None:
    async def steps(bench: Bench) -> None:
        assert await bench.claim(0, b"a", after_s=0.0) == "unknown"
        assert await bench.claim(0, b"b", after_s=LATER) == "first"

    run(tmp_path, server, steps)


def test_a_memory_that_was_emptied_refuses_what_is_older_than_it(tmp_path: Path, server: Valkey) -> None:
    async def steps(bench: Bench) -> None:
        assert await bench.claim(0, b"a", after_s=-5.0) == "first"
        server.client.flushall()
        assert await bench.claim(1, b"a", after_s=-5.0) == "unknown"
        await bench.up()
        assert await bench.claim(1, b"a", after_s=-5.0) in {"seen", "unknown"}
        assert await bench.claim(0, b"b", after_s=-5.0) == "unknown", "it could have been used before"
        await bench.up()
        assert [await bench.claim(host, b"c") for host in (0, 1)] == ["first", "seen"]

    run(tmp_path, server, steps, born_ago_s=1_000)


def test_a_server_that_was_started_anew_with_an_old_memory_is_not_believed(tmp_path: Path, server: Valkey) -> None:
    """What it wrote last may be missing, although the rest came back from its disk."""

    async def steps(bench: Bench) -> None:
        assert await bench.claim(0, b"a", after_s=-5.0) == "first"
        old: Any = server.client.get(BORN)
        server.stop()
        server.start()
        server.client.set(BORN, old)
        await bench.down()
        await bench.up()
        assert server.client.get(BORN) != old
        assert await bench.claim(1, b"a", after_s=-5.0) == "unknown"
        assert [await bench.claim(host, b"b") for host in (0, 1)] == ["first", "seen"]

    run(tmp_path, server, steps, born_ago_s=1_000)


def test_while_the_server_is_away_nothing_is_accepted(tmp_path: Path, server: Valkey) -> None:
    async def steps(bench: Bench) -> None:
        server.stop()
        assert await bench.claim(0, b"a") == "unknown"
        assert await bench.claim(0, b"n", here=True) == "first", "it needs no other host"
        assert await bench.claim(0, b"n", here=True) == "seen"
        server.start()
        await bench.down()
        await bench.up()
        assert await bench.claim(0, b"b") == "first"

    run(tmp_path, server, steps)


def test_a_server_that_never_was_there_accepts_nothing(tmp_path: Path, server: Valkey) -> None:
    async def steps(bench: Bench) -> None:
        assert await bench.claim(0, b"a") == "unknown"

    server.stop()
    run(tmp_path, server, steps, waits=False)


def test_a_server_that_hangs_is_given_up(tmp_path: Path, server: Valkey) -> None:
    async def steps(bench: Bench) -> None:
        server.client.client_pause(1500)
        assert await bench.claim(0, b"a") == "unknown"
        await bench.up()
        assert await bench.claim(0, b"b") == "first"

    run(tmp_path, server, steps)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_would_forget_accepts_nothing(tmp_path: Path, server: Valkey, policy: str) -> None:
    async def steps(bench: Bench) -> None:
        while not bench.hosts[0].memory._was_said:  # noqa: ASYNC110 - the test's own time limit ends it
            await asyncio.sleep(0.01)
        assert await bench.claim(0, b"a") == "unknown"
        server.client.config_set("maxmemory-policy", "noeviction")
        await bench.up()
        assert await bench.claim(0, b"b") == "first"

    server.client.config_set("maxmemory", "100mb")
    server.client.config_set("maxmemory-policy", policy)
    run(tmp_path, server, steps, waits=False)


def test_a_full_server_accepts_nothing(tmp_path: Path, server: Valkey) -> None:
    async def steps(bench: Bench) -> None:
        server.client.config_set("maxmemory", "1")
        assert await bench.claim(0, b"a") == "unknown"

    run(tmp_path, server, steps)


@pytest.mark.parametrize("apart_s", [60.0, -60.0])
def test_clocks_that_are_far_apart_accept_nothing(tmp_path: Path, server: Valkey, apart_s: float) -> None:
    async def steps(bench: Bench) -> None:
        while not bench.hosts[0].memory._was_said:  # noqa: ASYNC110 - the test's own time limit ends it
            await asyncio.sleep(0.01)
        assert not bench.hosts[0].memory.is_up
        assert await bench.claim(0, b"a") == "unknown"

    run(tmp_path, server, steps, clock=lambda: time.time() + apart_s, waits=False)


def test_a_clock_that_jumps_meanwhile_accepts_nothing(tmp_path: Path, server: Valkey) -> None:
    jump = 0.0

    async def steps(bench: Bench) -> None:
        nonlocal jump
        assert await bench.claim(0, b"a") == "first"
        jump = -60.0
        assert await bench.claim(1, b"b") == "unknown"

    run(tmp_path, server, steps, clock=lambda: time.time() + jump)


def test_scripts_that_the_server_forgot_are_loaded_again(tmp_path: Path, server: Valkey) -> None:
    async def steps(bench: Bench) -> None:
        server.client.script_flush()
        assert await bench.claim(0, b"a") == "unknown"
        await bench.up()
        assert await bench.claim(0, b"b") == "first"

    run(tmp_path, server, steps)


def test_nobody_takes_all_the_room_there_is(tmp_path: Path, server: Valkey) -> None:
    async def steps(bench: Bench) -> None:
        bench.hosts[0].service._seen_anywhere._most = 4
        words = [await bench.claim(0, b"%d" % number, holder="one") for number in range(3)]
        assert words == ["first", "first", "unknown"]
        assert await bench.claim(0, b"9", holder="two") == "first"

    run(tmp_path, server, steps)


def test_the_server_keeps_digests_for_as_long_as_they_could_be_accepted(tmp_path: Path, server: Valkey) -> None:
    async def steps(bench: Bench) -> None:
        await bench.claim(0, b"a", after_s=100.0)

    run(tmp_path, server, steps)
    key = "doorward:{replays}:" + b"a".ljust(16).hex()
    assert set(server.client.scan_iter()) == {BORN.encode(), key.encode()}
    assert 165_000 < server.client.pttl(key) <= 310_000
