"""Taking turns: of those who count before they write, each sees what the one before wrote."""

from typing import Final

from sqlalchemy import Connection, false, func, select, update

from doorward.store.tables.waiting import mails

_BEGINS_TO_WRITE: Final = update(mails).where(false()).values(attempts=0)
"""Changes nothing. SQLite has one writer at a time, from its first such statement to the end of its transaction."""


def take_turn(connection: Connection, name: str) -> None:
    """Nothing; until this transaction ends, nobody else has the turn of that name.

    Taken before what is counted is read.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
    else:
        connection.execute(_BEGINS_TO_WRITE)
