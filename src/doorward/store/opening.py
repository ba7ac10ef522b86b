"""Opening the store: the file private, durable and of the newest form before anybody reads it."""

import os
from contextlib import AbstractContextManager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from doorward.errors import PolicyError

_BUSY_MS: Final = 5_000
"""How long a writer waits for another one, in milliseconds: the command line and the control process share the file."""
_MIGRATION_LOCK: Final = 0x646F6F72
"""Key of PostgreSQL's advisory lock around migrations."""
_VERSION_OF: Final = {
    "sqlite": "PRAGMA data_version",
    "postgresql": "SELECT pg_snapshot_xmax(pg_current_snapshot())::text",
}


class Store:
    """An open store. `begin` gives one transaction: committed at its end, undone when it raises."""

    __slots__ = ("_engine", "_watching")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._watching: Connection | None = None

    def begin(self) -> AbstractContextManager[Connection]:
        """A transaction of its own."""
        return self._engine.begin()

    def data_version(self) -> int:
        """A number that differs from the last one when anybody, in any process, has committed a change since.

        It may differ without one. Cheap enough to ask ten times a second, always from one thread.
        """
        if self._watching is None:
            # SQLite compares with what this very connection saw before, so it is kept
            self._watching = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return int(self._watching.execute(text(_VERSION_OF[self._engine.dialect.name])).scalar_one())

    def close(self) -> None:
        """Nothing; connections kept open are closed."""
        if self._watching is not None:
            self._watching.close()
            self._watching = None
        self._engine.dispose()


def open_store(url: str) -> Store:
    """The store at an SQLAlchemy URL (`sqlite:////var/lib/doorward/store.db`), made or migrated where needed.

    A SQLite file is made with mode 0600, which its write-ahead log inherits; WAL with synchronous=FULL, so that a
    revocation that was confirmed survives a power cut. Errors: PolicyError when it cannot be opened.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            _make_private(parsed)
            engine = create_engine(parsed, poolclass=NullPool)
            event.listen(engine, "connect", _configure_sqlite)
        else:
            engine = create_engine(parsed, pool_pre_ping=True)
        _migrate(engine)
    except (ArgumentError, OperationalError, OSError, ModuleNotFoundError) as error:
        raise PolicyError(
            f"the store cannot be opened: {error}",
            key="state",
            hint="it must be a directory this user may write to",
        ) from error
    return Store(engine)


def _make_private(url: URL) -> None:
    if not url.database or url.database == ":memory:":
        raise PolicyError("the store must be a file", key="state", hint="sqlite:////absolute/path/store.db")
    path = Path(url.database)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.close(descriptor)
    path.chmod(0o600)


def _configure_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(engine: Engine) -> None:
    with as_file(files("doorward.store") / "migrations") as scripts, engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(scripts).replace("%", "%%"))
        config.attributes["connection"] = connection
        if connection.dialect.name == "postgresql":
            # two processes that open the store at once must not both migrate; SQLite's one writer sees to it there
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        command.upgrade(config, "head")
