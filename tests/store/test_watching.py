"""Changes of the store are noticed by whoever looks, whoever made them; a database has one owner."""

import asyncio

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import SQLAlchemyError
from tests.databases import Postgres

from doorward.errors import PolicyError
from doorward.store import Store, open_store, principals
from doorward.store.watching import OwnerLost, Watch


def version(watch: Watch) -> str:
    return asyncio.run(watch.version())


def add(store: Store, name: str) -> None:
    with store.begin() as connection:
        connection.execute(insert(principals).values(name=name, kind="user"))


def test_a_change_shows_whoever_made_it_and_nothing_else_does_in_a_file(store: Store, store_url: str) -> None:
    watch, other = store.watch(), open_store(store_url)
    seen = [version(watch)]
    if store_url.startswith("sqlite"):
        assert version(watch) == seen[0]
    for writer, name in ((store, "alice"), (other, "bob")):
        add(writer, name)
        seen.append(version(watch))
    watch.close()
    other.close()
    assert len(set(seen)) == 3


def test_a_change_shows_that_ends_after_one_that_began_later(postgres: Postgres) -> None:
    """A count of transactions that have begun, or of the newest that has ended, would miss it."""
    url = postgres.new_url()
    store = open_store(url)
    watch = store.watch()
    with store.begin() as connection:
        connection.execute(insert(principals).values(name="alice", kind="user"))
        add(store, "bob")
        before = version(watch)
    assert version(watch) != before
    watch.close()
    store.close()
    postgres.drop(url)


def test_one_owner_serves_from_a_database_and_others_may_look(postgres: Postgres) -> None:
    url = postgres.new_url()
    first, second = open_store(url), open_store(url)
    owner = first.watch(owns=True)
    second.watch().close()
    with pytest.raises(PolicyError, match="another Doorward runs on this database"):
        second.watch(owns=True)
    owner.close()
    second.watch(owns=True).close()
    first.close()
    second.close()
    postgres.drop(url)


def test_an_owner_whose_session_ended_owns_again_unless_somebody_was_faster(postgres: Postgres) -> None:
    url = postgres.new_url()
    first, second = open_store(url), open_store(url)
    owner = first.watch(owns=True)
    postgres.end_sessions(url)
    with pytest.raises(SQLAlchemyError):
        version(owner)
    assert version(owner)
    postgres.end_sessions(url)
    faster = second.watch(owns=True)
    with pytest.raises(SQLAlchemyError):
        version(owner)
    with pytest.raises(OwnerLost):
        version(owner)
    faster.close()
    first.close()
    second.close()
    postgres.drop(url)
