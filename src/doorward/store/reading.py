"""Looking something up without going to a thread: for SQLite, where a reader waits for nobody."""

import threading
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine

_Result = TypeVar("_Result")


class Reader:
    """A connection that stays open and only reads, for SQLite: taking one from the pool costs as much as it reads."""

    __slots__ = ("_connection", "_engine", "_lock")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def read(self, work: Callable[[Connection], _Result]) -> _Result:
        """What the work gives back."""
        with self._lock:
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                self._connection.exec_driver_sql("PRAGMA query_only=ON")
            return work(self._connection)

    def close(self) -> None:
        """Nothing; the connection is closed."""
        with self._lock:
            if self._connection is not None:
                # not back to the pool, where nobody expects one that only reads
                self._connection.invalidate()
                self._connection.close()
                self._connection = None
