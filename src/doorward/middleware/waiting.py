"""Steps of the pipeline that have to ask somebody, in an application that can wait."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from doorward.exchange import Pending

_Result = TypeVar("_Result")


async def passed(step: Callable[[], _Result]) -> _Result:
    """What the step gives, once nothing that it had to ask for is missing. Errors: as the step, without Pending."""
    while True:
        try:
            return step()
        except Pending as pending:
            known = asyncio.Event()
            pending.ask(known.set)
        await known.wait()
