"""Uses of API keys on their way from workers to the store: a real socket, a real store, a clock by hand."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from doorward.gateway import key_use_link
from doorward.gateway.key_use_link import KeyUseLink
from doorward.gateway.key_use_messages import SOCKET_NAME
from doorward.gateway.key_watch import KeyWatch
from doorward.gateway.limit_messages import framed
from doorward.identity.api_keys import DAY_S, add_api_key, list_api_keys
from doorward.store import Store, open_store

NOW = 1_800_000_000.0


class Bench:
    """A store with one key, what listens, and two workers that tell."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.now = directory, NOW
        self.store: Store = open_store(f"sqlite:///{directory / 'store.db'}")
        self.key, _ = add_api_key(self.store, "partner", now=NOW)
        self.watch = KeyWatch(directory, self.store, lambda: self.now)
        self.used: list[dict[str, float]] = [{}, {}]
        self.links = [KeyUseLink(directory / SOCKET_NAME, used) for used in self.used]

    async def listen(self) -> None:
        self.watch.start()
        assert self.watch._serving is not None
        await self.watch._serving

    def kept(self) -> float | None:
        return list_api_keys(self.store)[0].last_used_at


def run(directory: Path, steps: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        bench = Bench(directory)
        try:
            await steps(bench)
        finally:
            bench.watch.close()
            bench.store.close()
            for _ in range(10):  # connections that are being closed
                await asyncio.sleep(0)

    asyncio.run(main())


def test_what_workers_tell_is_kept_and_the_latest_use_counts(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        await bench.listen()
        bench.used[0][bench.key.id], bench.used[1][bench.key.id] = NOW + 9, NOW + 4
        assert await bench.links[0].tell()
        assert await bench.links[1].tell()
        assert bench.used == [{}, {}]
        assert bench.kept() is None, "nothing is written because somebody tells"
        bench.watch.keep()
        assert bench.kept() == NOW + 9
        bench.watch.keep()

    run(tmp_path, steps)


def test_what_nobody_listens_to_is_told_later_and_a_newer_use_is_not_overwritten(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        bench.used[0].update({bench.key.id: NOW, "other": NOW})
        telling = asyncio.create_task(bench.links[0].tell())
        assert not await telling
        assert bench.used[0] == {bench.key.id: NOW, "other": NOW}
        await bench.listen()
        bench.used[0][bench.key.id] = NOW + 1
        assert await bench.links[0].tell()
        bench.watch.finish()
        assert bench.kept() == NOW + 1

    run(tmp_path, steps)


def test_a_use_while_a_telling_is_under_way_is_told_next(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        await bench.listen()
        bench.used[0][bench.key.id] = NOW
        telling = asyncio.create_task(bench.links[0].tell())
        await asyncio.sleep(0)
        bench.used[0][bench.key.id] = NOW + 3
        assert await telling
        bench.watch.keep()
        assert bench.kept() == NOW + 3

    run(tmp_path, steps)


def test_a_worker_that_stops_tells_the_rest(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        await bench.listen()
        bench.links[0].start()
        bench.used[0][bench.key.id] = NOW
        await bench.links[0].close()
        bench.watch.keep()
        assert bench.kept() == NOW

    run(tmp_path, steps)


def test_a_worker_that_stops_while_it_tells_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_use_link, "TELL_S", 0)

    async def steps(bench: Bench) -> None:
        asked = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            await reader.read()
            writer.close()

        server = await asyncio.start_unix_server(silent, tmp_path / SOCKET_NAME)
        bench.used[0][bench.key.id] = NOW
        bench.links[0].start()
        await asked.wait()
        server.close()
        await bench.listen()
        await bench.links[0].close()
        bench.watch.keep()
        assert bench.kept() == NOW

    run(tmp_path, steps)


@pytest.mark.parametrize("nonsense", [b"\xff\xff\xff\xff", framed(b"nonsense"), framed(b"\x93\x01\x02\x03")])
def test_nonsense_ends_the_connection_and_not_the_service(tmp_path: Path, nonsense: bytes) -> None:
    async def steps(bench: Bench) -> None:
        await bench.listen()
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / SOCKET_NAME))
        writer.write(nonsense)
        assert await reader.read() == b""
        writer.close()
        bench.used[0][bench.key.id] = NOW
        assert await bench.links[0].tell()

    run(tmp_path, steps)


def test_keys_that_end_soon_are_named_in_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def steps(bench: Bench) -> None:
        bench.watch.warn()
        assert "ends soon" not in capsys.readouterr().out
        bench.now = NOW + 80 * DAY_S
        bench.watch.warn()
        told = capsys.readouterr().out
        assert "ends soon" in told
        assert bench.key.id in told

    run(tmp_path, steps)


def test_the_clock_of_a_running_watch_is_the_machines(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    assert KeyWatch(tmp_path, store)._clock is time.time
    store.close()
