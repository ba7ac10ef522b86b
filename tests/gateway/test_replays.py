"""Proofs used once by several workers: a real socket between two links and one service, a clock by hand."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

import pytest
from tests.controls.authenticate.partner import exchange_of

from doorward.attack.case import Ask
from doorward.denial import Denied
from doorward.exchange import Exchange, Pending, SingleUse
from doorward.gateway.limit_messages import framed, socket_address
from doorward.gateway.replay_link import ReplayLink
from doorward.gateway.replay_service import ReplayService

REFUSAL = Denied("authenticate.signature_replayed", "seen")


class Bench:
    """One service and two workers' links."""

    def __init__(self, path: Path) -> None:
        self.path, self.now = path / "replays.sock", 1_000.0
        loop = asyncio.get_running_loop()
        self.service = ReplayService(self.path, lambda: self.now)
        self.links = [ReplayLink(self.path, loop) for _ in range(2)]
        self.count = 0

    async def __aenter__(self) -> Self:
        self.service.start()
        for link in self.links:
            link.start()
        await until(lambda: all(link._transport is not None for link in self.links))
        return self

    async def __aexit__(self, *_: object) -> None:
        for link in self.links:
            link.close()
        self.service.close()
        await asyncio.sleep(0)

    def exchange(self) -> Exchange:
        self.count += 1
        exchange = exchange_of(Ask(), now=self.now)
        exchange.id = f"{self.count:032x}"
        return exchange

    async def claim(self, worker: int, name: bytes, usable_from: float = 1_001.0) -> str:
        return await sight(self.links[worker], self.exchange(), name, usable_from)


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - the test's own time limit ends it
        await asyncio.sleep(0)


async def sight(link: ReplayLink, exchange: Exchange, name: bytes, usable_from: float = 1_001.0) -> str:
    """What a check would learn, waiting as a mount does."""
    proof = SingleUse(proof=name, usable_from=usable_from, until=usable_from + 60, holder="one", refusal=REFUSAL)
    while True:
        try:
            return link.claim(exchange, proof)
        except Pending as pending:
            known: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            pending.ask(lambda known=known: known.set_result(None))  # type: ignore[misc]
            await known


def run(path: Path, steps: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        async with Bench(path) as bench:
            await steps(bench)

    asyncio.run(main())


def test_a_proof_used_at_one_worker_is_seen_at_the_other(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        assert await bench.claim(0, b"a") == "first"
        assert await bench.claim(1, b"a") == "seen"
        assert await bench.claim(1, b"b") == "first"
        assert await bench.claim(0, b"b") == "seen"

    run(tmp_path, steps)


def test_of_many_at_once_exactly_one_is_first(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        sights = await asyncio.gather(*(bench.claim(number % 2, b"same") for number in range(200)))
        assert sorted(sights) == ["first"] + ["seen"] * 199

    run(tmp_path, steps)


def test_the_service_learns_whose_a_proof_is(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        bench.service._seen._most = 2
        assert await bench.claim(0, b"a") == "first"
        assert await bench.claim(1, b"b") == "unknown", "half of the room is one holder's"

    run(tmp_path, steps)


def test_what_an_earlier_life_may_have_seen_is_unknown(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        assert await bench.claim(0, b"a", usable_from=1_000.0) == "unknown"

    run(tmp_path, steps)


def test_without_the_control_process_nobody_can_tell(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        bench.service.close()
        for link in bench.links:
            assert link._transport is not None
            link._transport.abort()
        await until(lambda: all(link._transport is None for link in bench.links))
        assert await bench.claim(0, b"a") == "unknown"

    run(tmp_path, steps)


def test_a_claim_under_way_when_the_connection_breaks_is_unknown(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        link = bench.links[0]
        waiting = asyncio.create_task(bench.claim(0, b"a"))
        await until(lambda: bool(link._under_way))
        assert link._transport is not None
        link._transport.abort()
        assert await waiting in {"unknown", "first"}
        assert await bench.claim(1, b"other") == "first"

    run(tmp_path, steps)


def test_a_link_connects_again_to_a_service_that_began_anew(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        assert await bench.claim(0, b"a") == "first"
        bench.service.close()
        bench.now = 1_010.0
        bench.service = ReplayService(bench.path, lambda: bench.now)
        bench.service.start()
        link = bench.links[0]
        assert link._transport is not None
        link._transport.abort()
        await until(lambda: link._transport is None)
        await until(lambda: link._transport is not None)
        assert await bench.claim(0, b"a") == "unknown", "it could have been used before the new set began"
        assert await bench.claim(0, b"b", usable_from=1_011.0) == "first"

    run(tmp_path, steps)


def test_a_service_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doorward.gateway.replay_link.ANSWER_S", 0.01)

    async def main() -> None:
        path = tmp_path / "replays.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
            with socket_address(path) as address:
                silent.bind(address)
            silent.listen()
            link = ReplayLink(path, asyncio.get_running_loop())
            link.start()
            await until(lambda: link._transport is not None)
            assert await sight(link, exchange_of(Ask()), b"a") == "unknown"
            link.close()
            await asyncio.sleep(0)

    asyncio.run(main())


@pytest.mark.parametrize("ends", ["before", "after"])
def test_an_answer_whose_exchange_is_over_is_not_kept(tmp_path: Path, ends: str) -> None:
    async def steps(bench: Bench) -> None:
        link, exchange = bench.links[0], bench.exchange()
        proof = SingleUse(proof=b"a", usable_from=1_001.0, until=1_061.0, refusal=REFUSAL)
        with pytest.raises(Pending) as pending:
            link.claim(exchange, proof)
        answered = asyncio.Event()
        pending.value.ask(answered.set)
        if ends == "after":
            await answered.wait()
            assert len(link._of_exchanges) == 1
        for end in exchange.on_end:
            end()
        await answered.wait()
        assert link._of_exchanges == {}

    run(tmp_path, steps)


def test_nonsense_ends_the_connection_and_not_the_service(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        with socket_address(bench.path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        writer.write(framed(b"\xc1 nonsense"))
        assert await reader.read() == b""
        writer.close()
        assert await bench.claim(0, b"a") == "first"

    run(tmp_path, steps)


def test_the_socket_is_for_our_own_user_alone(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        assert bench.path.stat().st_mode & 0o777 == 0o600
        assert bench.path.stat().st_uid == os.geteuid()

    run(tmp_path, steps)
