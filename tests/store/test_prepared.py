"""Statements that the driver carries out itself give and keep what SQLAlchemy would."""

from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError, MultipleResultsFound, StatementError

from doorward.store import Store, clients, principals
from doorward.store.prepared import Prepared

ADD_PRINCIPAL = Prepared(insert(principals), ("name", "kind"))
COLUMNS = ("name", "secret_hash", "roles", "scopes", "claims", "created_at", "disabled_at", "trusted")
ADD = Prepared(insert(clients), COLUMNS)
BY_NAME = select(clients).where(clients.c.name == bindparam("of_name"))
DISABLE = Prepared(
    update(clients)
    .where(clients.c.name == bindparam("of_name"), clients.c.created_at < bindparam("at"))
    .values(disabled_at=bindparam("at"))
    .returning(clients.c.claims, clients.c.disabled_at)
)
ROW: dict[str, Any] = {
    "name": "batch",
    "secret_hash": "",
    "roles": ["a", "ä\u2028\"'"],
    "scopes": [],
    "claims": {"deep": [{"x": None}, 1.5, 2**70]},
    "created_at": 1.25,
    "disabled_at": None,
    "trusted": True,
}


@pytest.fixture
def filled(store: Store) -> Store:
    with store.begin() as connection:
        ADD_PRINCIPAL.run(connection, {"name": "batch", "kind": "client"})
        ADD.run(connection, ROW)
    return store


def test_what_it_keeps_sqlalchemy_finds_and_it_finds_the_same(filled: Store) -> None:
    with filled.begin() as connection:
        found = connection.execute(BY_NAME, {"of_name": "batch"}).one()
        again = Prepared(BY_NAME).one(connection, {"of_name": "batch"})
    assert {name: getattr(found, name) for name in ROW} == ROW
    assert again is not None
    assert again._asdict() == found._asdict()
    assert type(again.trusted) is bool


def test_nobody_is_none(filled: Store) -> None:
    with filled.begin() as connection:
        assert Prepared(BY_NAME).one(connection, {"of_name": "x' OR 1=1 --"}) is None


def test_a_change_gives_back_what_it_changed_once(filled: Store) -> None:
    with filled.begin() as connection:
        changed = DISABLE.one(connection, {"of_name": "batch", "at": 9.5})
        assert changed is not None
        assert (changed.claims, changed.disabled_at) == (ROW["claims"], 9.5)
        assert DISABLE.one(connection, {"of_name": "batch", "at": 1.0}) is None


def test_it_is_undone_with_its_transaction(filled: Store) -> None:
    def change_and_break() -> None:
        with filled.begin() as connection:
            DISABLE.one(connection, {"of_name": "batch", "at": 9.5})
            raise LookupError

    with pytest.raises(LookupError):
        change_and_break()
    with filled.begin() as connection:
        assert connection.execute(BY_NAME, {"of_name": "batch"}).one().disabled_at is None


def test_a_value_that_is_missing_is_not_made_up(filled: Store) -> None:
    with filled.begin() as connection:
        for values in ({}, {"of_name": "batch"}):
            with pytest.raises((KeyError, StatementError)):
                DISABLE.one(connection, values)


def test_more_than_one_row_is_an_error(filled: Store) -> None:
    everybody = Prepared(select(principals))
    with filled.begin() as connection:
        ADD_PRINCIPAL.run(connection, {"name": "other", "kind": "client"})
        with pytest.raises((ValueError, MultipleResultsFound)):
            everybody.one(connection, {})


def test_what_the_database_refuses_is_the_error_that_sqlalchemy_has(filled: Store) -> None:
    with pytest.raises(IntegrityError) as caught, filled.begin() as connection:
        ADD_PRINCIPAL.run(connection, {"name": "batch", "kind": "client"})
    assert caught.value.orig is not None
