import re
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Table, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError
from tests.databases import Postgres

from doorward.errors import PolicyError
from doorward.store import METADATA, Store, open_store, principals
from doorward.store.prepared import Prepared
from doorward.store.single_use import Purpose


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def test_the_file_and_its_log_are_readable_by_their_owner_alone(file_store: Store, tmp_path: Path) -> None:
    with file_store.begin() as connection:
        connection.execute(insert(principals).values(name="a", kind="user"))
        modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o600}


def test_a_file_that_was_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch(0o644)
    path.chmod(0o644)
    open_store(f"sqlite:///{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_commit_waits_for_the_disk(file_store: Store) -> None:
    with file_store.begin() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_the_migrations_make_exactly_the_tables(store: Store) -> None:
    with store.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_the_migrations_allow_exactly_what_the_tables_say(store: Store) -> None:
    """What is compared above leaves out which values a column may have."""

    def values(texts: Iterable[object]) -> list[list[str]]:
        return sorted(sorted(re.findall(r"'(\w+)'", str(text))) for text in texts)

    def checks(table: Table) -> Iterator[CheckConstraint]:
        for constraints in (table.constraints, *(column.constraints for column in table.columns)):
            yield from (each for each in constraints if isinstance(each, CheckConstraint))

    said = {name: values(check.sqltext for check in checks(table)) for name, table in METADATA.tables.items()}
    with store.begin() as connection:
        asked = inspect(connection)
        allowed = {
            name: values(check["sqltext"] for check in asked.get_check_constraints(name)) for name in METADATA.tables
        }
    assert allowed == said
    assert said["single_use"] == [sorted(Purpose)]


def test_opening_again_keeps_what_was_stored(store: Store, store_url: str) -> None:
    with store.begin() as connection:
        connection.execute(insert(principals).values(name="alice", kind="user"))
    store.close()
    opened = open_store(store_url)
    with opened.begin() as connection:
        assert connection.execute(select(principals.c.name)).scalars().all() == ["alice"]
    opened.close()


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    rows = [{"name": "alice", "kind": "user"}, {"name": "bob", "kind": "burglar"}]
    with pytest.raises(IntegrityError), store.begin() as connection:
        connection.execute(insert(principals), rows)
    with store.begin() as connection:
        assert connection.execute(select(principals)).all() == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:////no/such/directory/store.db", "not a url"])
def test_a_store_that_cannot_be_opened_is_the_operators_mistake(url: str) -> None:
    with pytest.raises(PolicyError):
        open_store(url)


def test_a_store_of_a_newer_version_is_left_as_it_is_and_the_operator_told(store: Store, store_url: str) -> None:
    with store.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(PolicyError, match="newer Doorward"):
        open_store(store_url)
    with store.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_processes_that_open_an_empty_postgresql_at_once_all_find_the_tables(postgres: Postgres) -> None:
    url = postgres.empty_url()

    def count(_number: int) -> int:
        opened = open_store(url)
        with opened.begin() as connection:
            found = len(connection.execute(select(principals)).all())
        opened.close()
        return found

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(count, range(4))) == [0] * 4
    postgres.drop(url)


def test_writers_of_one_process_queue_instead_of_asking_again_and_again(file_store: Store) -> None:
    def write(number: int) -> None:
        with file_store.begin() as connection:
            # whoever has to ask SQLite for its turn is refused at once
            connection.execute(text("PRAGMA busy_timeout=0"))
            connection.execute(insert(principals).values(name=f"a{number}", kind="user"))
            connection.execute(select(principals)).all()

    with ThreadPoolExecutor(16) as pool:
        assert len(list(pool.map(write, range(200)))) == 200


def test_writers_queue_that_go_to_the_driver_themselves(file_store: Store) -> None:
    add = Prepared(insert(principals), ("name", "kind"))

    def write(number: int) -> None:
        with file_store.begin() as connection:
            # whoever has to ask SQLite for its turn is refused at once
            connection.execute(text("PRAGMA busy_timeout=0"))
            add.run(connection, {"name": f"a{number}", "kind": "user"})
            connection.execute(select(principals)).all()

    with ThreadPoolExecutor(16) as pool:
        assert len(list(pool.map(write, range(200)))) == 200


def test_a_writer_that_fails_gives_its_turn_back(file_store: Store) -> None:
    for _ in range(3):
        with pytest.raises(IntegrityError), file_store.begin() as connection:
            connection.execute(insert(principals).values(name="a", kind="nothing"))
    with file_store.begin() as connection:
        connection.execute(insert(principals).values(name="a", kind="user"))


def test_each_migration_is_named_by_its_revision() -> None:
    scripts = ScriptDirectory(str(files("doorward.store") / "migrations"))
    assert all(Path(each.path).name.startswith(f"v{each.revision}_") for each in scripts.walk_revisions())


def test_a_store_of_an_older_form_is_brought_to_the_newest(store: Store, store_url: str) -> None:
    with store.begin() as connection:
        newest = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        before = ScriptDirectory(str(files("doorward.store") / "migrations")).get_revision(str(newest)).down_revision
        config = Config()
        config.set_main_option("script_location", str(files("doorward.store") / "migrations"))
        config.attributes["connection"] = connection
        command.downgrade(config, str(before))
    store.close()
    opened = open_store(store_url)
    with opened.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == newest
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    opened.close()
