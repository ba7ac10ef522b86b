"""What the control process does for API keys beside publishing: keeps when they were used, warns before they end."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from doorward.gateway.key_use_messages import SOCKET_NAME, TAKEN, read_uses
from doorward.gateway.worker_socket import WorkerConnection, WorkerSocket
from doorward.identity.api_keys import DAY_S, list_api_keys
from doorward.identity.key_uses import ending_soon, note_uses
from doorward.store import Store

KEEP_EVERY_S: Final = 15.0
"""Time between two writings of uses to the store, in seconds; of a process that is killed, as much is lost."""
_KEYS_MOST: Final = 1_000_000
"""Most keys whose uses wait to be written; what workers tell beyond is left out."""
_log: Final = structlog.get_logger()


class KeyWatch(WorkerSocket):
    """Listens for what workers tell, and writes it to the store now and then."""

    def __init__(self, state: Path, store: Store, clock: Callable[[], float] = time.time) -> None:
        super().__init__(state / SOCKET_NAME, lambda: _Worker(self._pending))
        self._store, self._clock = store, clock
        self._pending: dict[str, float] = {}
        self._warned_at = -DAY_S

    async def run(self) -> None:
        """Write, and warn once a day, until cancelled."""
        while True:
            now = self._clock()
            if now - self._warned_at >= DAY_S:
                await self._beside(self.warn, "keys that end soon cannot be told")
                self._warned_at = now
            await asyncio.sleep(KEEP_EVERY_S)
            await self._beside(self.keep, "uses of API keys are kept later")

    async def _beside(self, work: Callable[[], object], trouble: str) -> None:
        try:
            await asyncio.to_thread(work)
        except SQLAlchemyError as error:
            _log.error(trouble, reason=str(error))

    def finish(self) -> None:
        """Listen no more; what was told is in the store, if that takes it."""
        self.close()
        try:
            self.keep()
        except SQLAlchemyError as error:
            _log.error("uses of API keys are lost", reason=str(error))

    def keep(self) -> None:
        """Nothing; what was told is in the store. Errors: SQLAlchemyError, and then nothing is lost."""
        uses = dict(self._pending)
        note_uses(self._store, uses)
        for key_id, used_at in uses.items():
            if self._pending.get(key_id) == used_at:
                del self._pending[key_id]

    def warn(self) -> None:
        """A line in the log for each key that ends within two weeks and that no other one replaces."""
        for key in ending_soon(list_api_keys(self._store), now=self._clock()):
            days = max(0, int((key.expires_at - self._clock()) // DAY_S))
            _log.warning("an API key ends soon", key=key.id, name=key.name, days=days, hint="doorward key rotate")


class _Worker(WorkerConnection):
    """One worker's connection."""

    def __init__(self, pending: dict[str, float]) -> None:
        super().__init__("uses of API keys")
        self._pending = pending

    def take(self, body: bytes) -> None:
        for key_id, used_at in read_uses(body).items():
            if len(self._pending) < _KEYS_MOST or key_id in self._pending:
                self._pending[key_id] = max(used_at, self._pending.get(key_id, 0.0))
        self.write(TAKEN)
