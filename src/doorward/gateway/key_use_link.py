"""A worker's way to tell which API keys were used: beside the requests, never because of one.

What cannot be told is kept and told later. Nothing depends on it: without the control process requests go on.
"""

import asyncio
import contextlib
from itertools import islice
from pathlib import Path
from typing import Final

import structlog

from doorward.gateway.key_use_messages import IDS_MOST, TAKEN, pack_uses
from doorward.gateway.limit_messages import socket_address

TELL_S: Final = 2.0
"""Time between two tellings, in seconds."""
ANSWER_S: Final = 2.0
"""Longest wait for the control process, in seconds."""
_log: Final = structlog.get_logger()


class KeyUseLink:
    """Tells, every two seconds, what `used` holds, and empties it. Everything happens on the loop's thread."""

    __slots__ = ("_path", "_task", "_used")

    def __init__(self, path: Path, used: dict[str, float]) -> None:
        """`used`: when each key was last used, by id; whoever notes uses there goes on doing so."""
        self._path, self._used = path, used
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Tell from now on."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Tell the rest, if somebody listens, and stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self.tell()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TELL_S)
            await self.tell()

    async def tell(self) -> bool:
        """Whether everything that was to be told is told. What was not stays, unless the key was used again since."""
        while self._used:
            batch = dict(islice(self._used.items(), IDS_MOST))
            for key_id in batch:
                del self._used[key_id]
            is_told = False
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._send(pack_uses(batch))
                is_told = True
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                _log.debug("uses of API keys are told later", reason=type(error).__name__)
                return False
            finally:
                if not is_told:  # cancelled, too
                    for key_id, used_at in batch.items():
                        self._used.setdefault(key_id, used_at)
        return True

    async def _send(self, data: bytes) -> None:
        with socket_address(self._path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        try:
            writer.write(data)
            await reader.readexactly(len(TAKEN))
        finally:
            writer.close()
