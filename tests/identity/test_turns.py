"""Turns at the few threads that hash: fair between networks, bounded, and nobody's turn is lost."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from doorward.identity.turns import Busy, Turns


class Hall:
    """Who is served in which order; each is served until told to go."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.served: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._go: dict[str, asyncio.Event] = {}

    async def come(self, name: str) -> asyncio.Task[None]:
        """`name` is a network and a number: `a1`."""
        self._go[name] = asyncio.Event()

        async def stay() -> None:
            async with self._turns.turn(name[0]):
                self.served.append(name)
                await self._go[name].wait()

        task = asyncio.create_task(stay())
        self._tasks.append(task)
        await settle()
        return task

    async def serve_all(self) -> list[str]:
        for event in self._go.values():
            event.set()
        for task in self._tasks:
            with contextlib.suppress(Busy, asyncio.CancelledError):
                await task
        return self.served


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def run(claim: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(claim())


def test_each_network_has_its_turn_before_any_has_a_second_one() -> None:
    async def claim() -> None:
        hall = Hall(Turns(1, 10))
        for name in ("a0", "a1", "a2", "a3", "b1", "b2", "c1"):
            await hall.come(name)
        assert await hall.serve_all() == ["a0", "a1", "b1", "c1", "a2", "b2", "a3"]

    run(claim)


def test_a_flood_of_one_network_is_turned_away_and_no_one_else() -> None:
    async def claim() -> None:
        hall = Hall(Turns(1, 4))
        flood = [await hall.come(f"a{n}") for n in range(8)]
        assert [task.done() for task in flood] == [False] * 5 + [True] * 3, "it waits for no more than there is room"
        others = [await hall.come(f"{network}1") for network in "bc"]
        assert not any(task.done() for task in others)
        await settle()
        assert [task.done() for task in flood[:5]] == [False, False, False, True, True], "its last ones make room"
        assert await hall.serve_all() == ["a0", "a1", "b1", "c1", "a2"]
        for task in (*flood[3:],):
            with pytest.raises(Busy):
                await task

    run(claim)


def test_where_all_have_as_many_the_newest_is_turned_away() -> None:
    async def claim() -> None:
        hall = Hall(Turns(1, 3))
        for name in ("a0", "a1", "b1", "c1"):
            await hall.come(name)
        with pytest.raises(Busy):
            await (await hall.come("d1"))
        assert await hall.serve_all() == ["a0", "a1", "b1", "c1"]

    run(claim)


def test_who_gives_up_leaves_their_place_and_takes_no_turn_along() -> None:
    async def claim() -> None:
        turns = Turns(1, 10)
        hall = Hall(turns)
        await hall.come("a0")
        for one in [await hall.come("a1"), await hall.come("b1")]:
            one.cancel()
        await settle()
        await hall.come("c1")
        assert await hall.serve_all() == ["a0", "c1"]
        async with asyncio.timeout(1), turns.turn("d"):
            pass

    run(claim)


@pytest.mark.parametrize("cancels_first", [True, False])
def test_a_turn_given_in_the_moment_of_giving_up_goes_to_the_next(cancels_first: bool) -> None:
    async def claim() -> None:
        turns = Turns(1, 10)
        hall = Hall(turns)
        await hall.come("a0")
        waiting = await hall.come("b1")
        await hall.come("c1")
        if cancels_first:
            waiting.cancel()
        hall._go["a0"].set()
        if not cancels_first:
            waiting.cancel()
        await settle()
        assert await hall.serve_all() == ["a0", "c1"]

    run(claim)


def test_nobody_waits_for_ever() -> None:
    async def claim() -> None:
        hall = Hall(Turns(1, 10, patience_s=0.01))
        await hall.come("a0")
        with pytest.raises(Busy):
            await (await hall.come("b1"))
        assert await hall.serve_all() == ["a0"]

    run(claim)
