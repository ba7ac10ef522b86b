"""Writers of one process take turns at a SQLite file.

SQLite has one writer at a time and lets the others poll for their turn, which under load some never get; so those of
this process queue for it, from their first change to the end of their transaction. It is the driver's connection that
does: what SQLAlchemy would call before each statement costs as much as a small statement.
"""

import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Final, Self

BUSY_MS: Final = 5_000
"""How long a writer waits for another one, in milliseconds: the command line and the control process share the file."""
_READS: Final = frozenset({"SELECT", "PRAGMA"})


def queueing() -> Callable[..., sqlite3.Connection]:
    """What makes connections to one file that take turns among themselves."""
    turn = threading.Lock()

    class Cursor(sqlite3.Cursor):
        connection: "Connection"

        def execute(self, statement: str, parameters: Any = ()) -> Self:
            self.connection.queue(statement)
            return super().execute(statement, parameters)

        def executemany(self, statement: str, parameters: Any) -> Self:
            self.connection.queue(statement)
            return super().executemany(statement, parameters)

    class Connection(sqlite3.Connection):
        has_turn = False

        def cursor(self, _factory: object = None) -> Any:
            return super().cursor(Cursor)

        def execute(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
            # sqlite3's own makes a cursor that knows of no turn
            made: sqlite3.Cursor = self.cursor().execute(statement, parameters)
            return made

        def queue(self, statement: str) -> None:
            if not self.has_turn and statement[:6] not in _READS:
                # whoever does not get it in time asks SQLite, as a writer of another process would
                self.has_turn = turn.acquire(timeout=BUSY_MS / 1000)

        def commit(self) -> None:
            try:
                super().commit()
            finally:
                self._give_back()

        def rollback(self) -> None:
            try:
                super().rollback()
            finally:
                self._give_back()

        def close(self) -> None:
            try:
                super().close()
            finally:
                self._give_back()

        def _give_back(self) -> None:
            if self.has_turn:
                self.has_turn = False
                turn.release()

    return Connection
