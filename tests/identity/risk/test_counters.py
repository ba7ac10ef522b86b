"""Counts of failed guesses in the store: a slot is taken, and given back, without two logins waiting for each other."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from tests.databases import Postgres

from doorward.identity.risk import counters
from doorward.identity.risk.decision import Facts
from doorward.store import Store, login_counters, open_store

NOW = 1_800_000_000.0


def facts(failures: int, since_s: float, in_a_row: int) -> Facts:
    return Facts(known_device=True, failures=failures, since_failure_s=since_s, in_a_row=in_a_row)


def counted(store: Store) -> dict[str, int]:
    with store.begin() as connection:
        return {row.place: row.failures for row in connection.execute(select(login_counters))}


def test_what_is_given_back_was_no_guess_and_nothing_is_counted_below_zero(store: Store) -> None:
    slot = counters.reserve(store, "a", "home", facts, now=NOW)
    assert isinstance(slot, counters.Slot)
    assert counted(store) == {"home": 1, counters.IN_A_ROW: 1}
    for _ in range(2):
        with store.begin() as connection:
            counters.give_back(connection, slot)
        assert counted(store) == {"home": 0, counters.IN_A_ROW: 0}


def test_the_row_of_all_is_locked_before_another_whatever_it_counts(postgres: Postgres) -> None:
    """Else a login that finds nothing in it, and one that finds something, lock the two rows in two orders."""
    url = postgres.new_url()
    store, other = open_store(url), open_store(url)
    slot = counters.reserve(store, "a", "home", facts, now=NOW)
    assert isinstance(slot, counters.Slot)
    with store.begin() as connection:
        counters.clear(connection, "a", counters.IN_A_ROW)
    of_all = "SELECT 1 FROM login_counters WHERE account = 'a' AND place = :place FOR UPDATE NOWAIT"
    with store.begin() as connection:
        counters.give_back(connection, slot)
        with pytest.raises(OperationalError, match="could not obtain lock"), other.begin() as beside:
            beside.execute(text(of_all), {"place": counters.IN_A_ROW})
    other.close()
    store.close()
    postgres.drop(url)
