"""Opening the store: the file private, durable and of the newest form before anybody reads it."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from anyio import to_thread
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from doorward.errors import PolicyError
from doorward.store.group_commit import GroupCommit
from doorward.store.reading import Reader
from doorward.store.watching import Watch
from doorward.store.writing import BUSY_MS, queueing

_KEPT: Final = 4
"""Connections that stay open between transactions."""
_OVERFLOW: Final = 60
"""Connections beyond them; there are forty threads in the control process."""
_MIGRATION_LOCK: Final = 0x646F6F72
"""Key of PostgreSQL's advisory lock around migrations."""
_Result = TypeVar("_Result")


class Store:
    """An open store. `begin` gives one transaction: committed at its end, undone when it raises.

    What the event loop has to write goes by `write`, many transactions a commit, and what it has to look up by `read`.
    """

    __slots__ = ("_engine", "_group", "_reading")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._group: GroupCommit | None = None
        self._reading: Reader | None = None
        if engine.dialect.name == "sqlite":
            self._group = GroupCommit(self._begin_to_write)
            self._reading = Reader(engine)

    def begin(self) -> AbstractContextManager[Connection]:
        """A transaction of its own."""
        return self._engine.begin()

    async def write(self, work: Callable[[Connection], _Result]) -> _Result:
        """What the work gives back, durable. Errors: whatever it raised, and nothing of it stays.

        It is one transaction in another thread. It must not ask this store for one more that writes.
        """
        if self._group is not None:
            return await asyncio.wrap_future(self._group.submit(work))
        return await to_thread.run_sync(self._alone, work)

    async def read(self, work: Callable[[Connection], _Result]) -> _Result:
        """What the work, a statement or two that look something up by its key, gives back.

        A file is asked at once: its readers wait for no writer, and that takes less time than going to a thread.
        """
        if self._reading is not None:
            return self._reading.read(work)
        return await to_thread.run_sync(self._alone, work)

    def _alone(self, work: Callable[[Connection], _Result]) -> _Result:
        with self.begin() as connection:
            return work(connection)

    @contextmanager
    def _begin_to_write(self) -> Iterator[Connection]:
        with self.begin() as connection:
            # at once: SQLite undoes a transaction that has read before it must wait for a writer of another process
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def watch(self, *, owns: bool = False) -> Watch:
        """A look at the changes of the store. `owns`: as the one process that serves from it.

        Errors: PolicyError; SQLAlchemyError.
        """
        return Watch(self._engine, owns=owns)

    def close(self) -> None:
        """Nothing; what was to be written is, and connections kept open are closed."""
        if self._group is not None:
            self._group.close()
        if self._reading is not None:
            self._reading.close()
        self._engine.dispose()


def open_store(url: str, arguments: Mapping[str, str | int] = MappingProxyType({})) -> Store:
    """The store at an SQLAlchemy URL (`sqlite:////var/lib/doorward/store.db`), made or migrated where needed.

    `arguments` is what PostgreSQL's driver is told beside it.

    A SQLite file is made with mode 0600, which its write-ahead log inherits; WAL with synchronous=FULL, so that a
    revocation that was confirmed survives a power cut. Errors: PolicyError when it cannot be opened.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            _make_private(parsed)
            # Opening costs more than most transactions. Never more connections than threads that could use one.
            engine = create_engine(
                parsed, pool_size=_KEPT, max_overflow=_OVERFLOW, connect_args={"factory": queueing()}
            )
            event.listen(engine, "connect", _configure_sqlite)
        else:
            engine = create_engine(
                parsed, pool_size=_KEPT, max_overflow=_OVERFLOW, pool_pre_ping=True, connect_args={**arguments}
            )
        try:
            _migrate(engine)
        except BaseException:
            engine.dispose()
            raise
    except ModuleNotFoundError as error:
        raise PolicyError(
            f"the store cannot be opened: {error}", key="store", hint="pip install 'doorward[postgres]'"
        ) from error
    except (ArgumentError, OperationalError, OSError) as error:
        is_server = url.startswith("postgresql")
        raise PolicyError(
            f"the store cannot be opened: {error.orig if isinstance(error, OperationalError) else error}",
            key="store" if is_server else "state",
            hint="does the server run, and let this user in?" if is_server else "it must be a directory to write to",
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
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(engine: Engine) -> None:
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # two processes that open the store at once must not both migrate; SQLite's one writer sees to it there
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        found, newest = _revision(connection), _newest()
        if found == newest:
            return
        if found is not None and found > newest:
            raise PolicyError(
                f"the store was made or migrated by a newer Doorward (its form is {found}, this one knows {newest})",
                key="state",
                hint="run that version, or put back the backup of before it",
            )
        # half the time of opening, which only a store that is not of the newest form takes
        from doorward.store.migrating import migrate  # noqa: PLC0415

        migrate(connection)


def _revision(connection: Connection) -> str | None:
    """What the store says it is; None for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _newest() -> str:
    """The revision of the newest migration, which its file is named by."""
    names = (file.name for file in (files("doorward.store") / "migrations" / "versions").iterdir())
    return max(name[1:5] for name in names if name.startswith("v"))
