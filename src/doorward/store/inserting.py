"""Inserting what may be there already: one statement, both databases."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """How many of the rows were new; one whose key is there already changes nothing."""
    statement = _insert(connection.dialect.name, table).values(list(rows)).on_conflict_do_nothing()
    # counted by what comes back: drivers disagree about the row count of such a statement
    return len(connection.execute(statement.returning(*table.primary_key.columns)).all())


def _insert(dialect: str, table: Table) -> Any:
    if dialect == "postgresql":
        # a twentieth of what the control process takes to start, which has no such store
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        return postgresql.insert(table)
    return sqlite.insert(table)
