"""Notices writes to a SQLite store without reading a row of it."""

import sqlite3
from pathlib import Path


class StoreWatch:
    """Notices that somebody else wrote to a SQLite store: SQLite itself counts, no row is read."""

    __slots__ = ("_connection",)

    def __init__(self, path: Path) -> None:
        # A connection of its own, kept open: the count is one of this connection against all others.
        self._connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)

    def version(self) -> int:
        """A number that is another one after every write to the store. Errors: sqlite3.Error.

        Source: sqlite.org/pragma.html#pragma_data_version.
        """
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Let go of the store."""
        self._connection.close()
