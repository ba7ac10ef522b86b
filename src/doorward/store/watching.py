"""Notices that anybody, in any process, has written to the store, without reading a row of it."""

import contextlib
import threading
from typing import Final

from anyio import to_thread
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from doorward.errors import PolicyError

_VERSION: Final = {
    "sqlite": text("PRAGMA data_version"),
    # all of it: the newest transaction says nothing about an older one that ends after it
    "postgresql": text("SELECT pg_current_snapshot()::text"),
}
"""Sources: sqlite.org/pragma.html#pragma_data_version; PostgreSQL manual 9.27, pg_current_snapshot."""
_OWN: Final = text("SELECT pg_try_advisory_lock(x'6f776e72'::int)")
_DISOWN: Final = text("SELECT pg_advisory_unlock(x'6f776e72'::int)")
"""One control process a database: two would each sign with keys, and keep a trail, that the other knows nothing of. A
SQLite file is in the state directory, which has one `doorward run` anyway."""


class OwnerLost(RuntimeError):
    """The database belongs to another control process now: what we know of it counts no more."""


class Watch:
    """One look at the store, over a connection of its own."""

    __slots__ = ("_connection", "_engine", "_lock", "_owns", "_was_open")

    def __init__(self, engine: Engine, *, owns: bool) -> None:
        """`owns`: for as long as it is open, no other one that owns can be. Errors: PolicyError; SQLAlchemyError."""
        self._engine, self._owns = engine, owns and engine.dialect.name == "postgresql"
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._was_open = False
        with self._lock:
            self._open()
        self._was_open = True

    async def version(self) -> str:
        """A text that is another one whenever a change was committed since; it may be another one without.

        Cheap enough to ask ten times a second. A file is asked at once, a server from a thread.
        Errors: SQLAlchemyError; OwnerLost.
        """
        if self._engine.dialect.name == "sqlite":
            return self._ask()
        return await to_thread.run_sync(self._ask)

    def close(self) -> None:
        """Let go of the store."""
        with self._lock:
            if self._owns and self._connection is not None:
                # at once: the server notices the end of a session when it comes to it
                with contextlib.suppress(SQLAlchemyError):
                    self._connection.execute(_DISOWN)
            self._drop()

    def _ask(self) -> str:
        with self._lock:
            try:
                connection = self._connection or self._open()
                return str(connection.execute(_VERSION[self._engine.dialect.name]).scalar_one())
            except SQLAlchemyError:
                self._drop()
                raise

    def _open(self) -> Connection:
        # SQLite compares with what this very connection saw before, so it is kept
        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if self._owns and not self._is_owner(self._connection):
            self._drop()
            if self._was_open:
                raise OwnerLost("another Doorward runs on this database now")
            raise PolicyError(
                "another Doorward runs on this database",
                key="store.url",
                hint="each has a database of its own; others name its provider under `issuers`",
            )
        return self._connection

    def _is_owner(self, connection: Connection) -> bool:
        try:
            return bool(connection.execute(_OWN).scalar_one())
        except SQLAlchemyError:
            self._drop()
            raise

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # not back to the pool: the lock of an owner lives as long as its session
            connection.invalidate()
            connection.close()
