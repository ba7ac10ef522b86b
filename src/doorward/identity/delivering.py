"""What waits in the store is delivered beside the requests: looked for each second, several at a time.

Whatever the store does, the deliverer goes on: what was taken and not finished is due again when its lease is over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

LOOK_S: Final = 1.0
"""Time between two looks for what is due, in seconds."""
_Item = TypeVar("_Item")
_log = structlog.get_logger()


async def keep_delivering(deliver: Callable[[], Awaitable[object]], what: str) -> None:
    """Nothing, and only once it is cancelled: `deliver` again and again. `what`: its name in the log."""
    while True:
        try:
            await deliver()
        except SQLAlchemyError as error:
            _log.error("deliveries wait: the store does not answer", what=what, reason=str(error))
        await asyncio.sleep(LOOK_S)


async def deliver_each(
    due: Iterable[_Item], deliver: Callable[[_Item], Awaitable[None]], *, parallel: int, what: str
) -> int:
    """How many were due: each was tried once, and one that the store fails at keeps no other back."""
    free = asyncio.Semaphore(parallel)

    async def one(item: _Item) -> None:
        async with free:
            try:
                await deliver(item)
            except SQLAlchemyError as error:
                _log.error("a delivery waits: the store does not answer", what=what, reason=type(error).__name__)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(item)) for item in due]
    return len(tasks)
