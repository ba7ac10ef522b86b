"""Asks a virus scanner about files: the clamd protocol over a Unix socket or TCP. Decides nothing.

One connection a file, as clamd wants it; so many at a time as the policy says, the others wait, all within one time.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

from doorward.controls.validate.antivirus import ANSWER_BYTES, ANSWER_END, instream, judge_answer, unscanned
from doorward.controls.validate.policy import AntivirusPolicy
from doorward.denial import Denied

Uploads: TypeAlias = tuple[tuple[str, bytes], ...]
"""Files to scan, each after the name of its field."""
Done: TypeAlias = Callable[[Exception | None], None]
"""Called on the loop with the Denied, with what broke on our side, or with None: nothing was found."""
_UNSENT_BYTES: Final = 256 << 10
"""Most bytes that wait in memory for a slow scanner, in addition to the file."""


class Scanner:
    """Scans for one event loop."""

    def __init__(self) -> None:
        self._turns: dict[tuple[str, int], asyncio.Semaphore] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, policy: AntivirusPolicy, uploads: Uploads, done: Done) -> Callable[[], object]:
        """Scan, then call `done`, unless what is returned was called before: it gives up."""
        task = asyncio.get_running_loop().create_task(self._report(policy, uploads, done))
        # The loop itself holds tasks weakly: one that nobody holds may vanish half-way.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task.cancel

    async def scan(self, policy: AntivirusPolicy, uploads: Uploads) -> Denied | None:
        """Why the files may not pass; None when nothing was found in any. Never raises for what a scanner does."""
        try:
            async with asyncio.timeout(policy.timeout_s), self._turn(policy):
                for field, data in uploads:
                    judge_answer(await _ask(policy.address, data), field[:64])
        except Denied as denied:
            return denied
        except TimeoutError:
            return unscanned(f"the scanner gave no answer within {policy.timeout_s:g} s")
        except asyncio.IncompleteReadError:
            return unscanned("the scanner closed the connection before it had answered")
        except (OSError, asyncio.LimitOverrunError) as error:
            return unscanned(f"the scanner could not be asked: {type(error).__name__}")
        return None

    async def _report(self, policy: AntivirusPolicy, uploads: Uploads, done: Done) -> None:
        verdict: Exception | None
        try:
            verdict = await self.scan(policy, uploads)
        except Exception as error:  # noqa: BLE001 - containment: the exchange fails, closed; it never waits for ever
            verdict = error
        done(verdict)

    def _turn(self, policy: AntivirusPolicy) -> asyncio.Semaphore:
        key = policy.address, policy.connections
        return self._turns.setdefault(key, asyncio.Semaphore(policy.connections))


async def _ask(address: str, data: bytes) -> bytes:
    """The scanner's whole answer. Errors: OSError, IncompleteReadError, LimitOverrunError."""
    reader, writer = await _connect(address)
    try:
        writer.transport.set_write_buffer_limits(_UNSENT_BYTES)
        try:
            for piece in instream(data):
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            # It may have said why before it hung up: that the file is larger than it takes, for one.
            return await reader.readuntil(ANSWER_END)
        return await reader.readuntil(ANSWER_END)
    finally:
        writer.transport.abort()


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.startswith("/"):
        return await asyncio.open_unix_connection(address, limit=ANSWER_BYTES)
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port), limit=ANSWER_BYTES)
