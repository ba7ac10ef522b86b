"""What the control process follows goes on after trouble, and ends with what it cannot outlive."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from doorward.errors import PolicyError
from doorward.gateway.control import following
from doorward.gateway.control.following import Following


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "WATCH_S", 0.0)
    monkeypatch.setattr(following, "PAUSE_S", 0.0)


class World:
    """A store whose version is told, a policy that is taken over, and what became of both."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = [*troubles]
        self.published, self.confirmed = 0, 0
        self.adopted: list[Any] = []
        self.on_publish: Callable[[], None] = lambda: None
        self.has_published = asyncio.Event()
        watch = SimpleNamespace(version=self._version)
        state = SimpleNamespace(watch=watch, ring=SimpleNamespace(refresh=lambda: False))
        in_force = SimpleNamespace(adopt=self.adopted.append)
        confirming = SimpleNamespace(confirm=self._confirm)
        self.following = Following(cast("Any", state), cast("Any", in_force), cast("Any", confirming), self.publish)

    async def _version(self) -> str:
        return "1"

    def publish(self) -> None:
        self.on_publish()
        if self.troubles:
            raise self.troubles.pop(0)
        self.published += 1
        self.has_published.set()

    def _confirm(self) -> None:
        self.confirmed += 1


async def until_published(world: World, work: Coroutine[None, None, None]) -> None:
    task = asyncio.create_task(work)
    published = asyncio.create_task(world.has_published.wait())
    await asyncio.wait({task, published}, return_when=asyncio.FIRST_COMPLETED)
    for each in (task, published):
        each.cancel()
    for outcome in await asyncio.gather(task, published, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


def test_a_change_that_could_not_be_published_goes_out_once_it_can() -> None:
    async def run() -> World:
        world = World(OSError(28, "No space left on device"), PolicyError("no key", key="state"))
        await until_published(world, world.following._store("0"))
        return world

    world = asyncio.run(run())
    assert (world.published, world.troubles) == (1, [])


def test_nothing_is_confirmed_before_it_is_published() -> None:
    confirmed: list[int] = []

    async def run() -> World:
        world = World(OSError(28, "No space left on device"))
        world.on_publish = lambda: confirmed.append(world.confirmed)
        await until_published(world, world.following._store("0"))
        return world

    asyncio.run(run())
    assert confirmed == [0, 0]


def test_what_nobody_foresaw_ends_the_task() -> None:
    async def run() -> None:
        world = World(ValueError("a mistake of ours"))
        await until_published(world, world.following._store("0"))

    with pytest.raises(ValueError, match="a mistake of ours"):
        asyncio.run(run())


def test_a_policy_that_is_refused_changes_nothing_and_the_next_one_is_taken_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken_up: list[str] = []

    async def run() -> World:
        world, asked, loop = World(), asyncio.Event(), asyncio.get_running_loop()
        answers: list[Any] = [PolicyError("is missing", key="tls"), "a good one"]

        def load(_file: Path) -> Any:
            if isinstance(answers[0], PolicyError):
                loop.call_soon_threadsafe(asked.set)
                raise answers.pop(0)
            return answers[0]

        monkeypatch.setattr(following, "load_checked", load)
        asked.set()
        await until_published(world, world.following.policy(Path("doorward.yaml"), asked, lambda: taken_up.append("")))
        return world

    assert asyncio.run(run()).adopted == ["a good one"]
    assert len(taken_up) == 1
