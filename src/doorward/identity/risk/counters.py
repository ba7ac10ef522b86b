"""Failures of each account, in the store: reserved before a guess is checked, given back when it was none.

A guess takes its slot by a comparing update of what the decision was made from, so of any number of parallel guesses
only as many are checked as may be (keycloak#31726), and a restart forgets nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, case, delete, select, update

from doorward.identity.risk.decision import FORGET_S, Facts, Verdict, decide
from doorward.store import Store, login_counters
from doorward.store.inserting import insert_new

IN_A_ROW: Final = "*"
"""The row of an account that counts everything since its last success."""
UNKNOWN: Final = ""
"""The row all unknown devices share."""
_LEFT_ALONE_S: Final = 90 * 86_400.0
"""Time after which failures in a row are forgotten: names nobody has would fill the table otherwise."""
_TRIES: Final = 8
"""How often a lost race is decided anew before the loser has to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One guess that may now be checked."""

    account: str
    place: str


def reserve(
    store: Store, account: str, place: str, facts: Callable[[int, float, int], Facts], *, now: float
) -> Slot | Verdict:
    """The slot in which a guess may be checked, or the verdict that it may not.

    `facts` makes the facts of failures, the time since the last and failures in a row.
    """
    for _ in range(_TRIES):
        with store.begin() as connection:
            _ensure(connection, account, place, now)
            rows = {row.place: row for row in connection.execute(_select(account, place))}
            mine, all_rows = rows[place], rows[IN_A_ROW]
            since_s = max(0.0, now - mine.last_at)
            failures = 0 if since_s >= FORGET_S else mine.failures
            verdict = decide(facts(failures, since_s, all_rows.failures))
            if verdict.kind != "allow":
                return verdict
            # every change of any row of the account moves this version: whoever read before it decides anew
            taken = connection.execute(
                update(login_counters)
                .where(*_row(account, IN_A_ROW), login_counters.c.version == all_rows.version)
                .values(failures=all_rows.failures + 1, last_at=now, version=all_rows.version + 1)
            ).rowcount
            if taken:
                values = {"failures": failures + 1, "last_at": now}
                connection.execute(update(login_counters).where(*_row(account, place)).values(values))
                return Slot(account=account, place=place)
    return Verdict(kind="wait", wait_s=1.0, cause="parallel")


def give_back(connection: Connection, slot: Slot) -> None:
    """Nothing; the guess in that slot was none (right so far, or seen before)."""
    failures = login_counters.c.failures
    fewer = {"failures": case((failures > 0, failures - 1), else_=0), "version": login_counters.c.version + 1}
    # the row of all first, as everywhere, and whatever it counts: two that lock them in two orders would wait for each
    # other, and a row that a condition passes over is not locked
    for place in (IN_A_ROW, slot.place):
        connection.execute(update(login_counters).where(*_row(slot.account, place)).values(fewer))


def clear(connection: Connection, account: str, *places: str) -> None:
    """Nothing; these rows of the account are forgotten, all of them when none is named."""
    named = (login_counters.c.place.in_(places),) if places else ()
    of_account = login_counters.c.account == account
    moved = {"version": login_counters.c.version + 1}
    connection.execute(update(login_counters).where(of_account, login_counters.c.place == IN_A_ROW).values(moved))
    connection.execute(update(login_counters).where(of_account, *named).values(failures=0))


def purge(connection: Connection, *, now: float) -> int:
    """How many rows went that say nothing any more: forgotten guesses, accounts left alone for long."""
    forgotten = (login_counters.c.place != IN_A_ROW) & (login_counters.c.last_at <= now - FORGET_S)
    left_alone = login_counters.c.last_at <= now - _LEFT_ALONE_S
    return connection.execute(delete(login_counters).where(forgotten | left_alone)).rowcount


def _ensure(connection: Connection, account: str, place: str, now: float) -> None:
    rows = [
        {"account": account, "place": name, "failures": 0, "last_at": now, "version": 0} for name in (place, IN_A_ROW)
    ]
    insert_new(connection, login_counters, rows)


def _select(account: str, place: str) -> Select[Any]:
    return select(login_counters).where(
        login_counters.c.account == account, login_counters.c.place.in_((place, IN_A_ROW))
    )


def _row(account: str, place: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return login_counters.c.account == account, login_counters.c.place == place
