"""Statements that the busiest requests make: SQLAlchemy writes their SQL once, SQLite's driver carries them out.

To carry one out by SQLAlchemy takes several times as long as SQLite takes to answer it, and a refresh makes seven.
Other databases are asked over a network anyhow, and as always.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError

Statement: TypeAlias = Select[Any] | Insert | Update | Delete
_Converter: TypeAlias = Callable[[Any], Any]


class _Ready(NamedTuple):
    """A statement as SQLite's driver takes it."""

    sql: str
    order: tuple[str, ...]
    """Names of its values."""
    given: tuple[tuple[str, _Converter], ...]
    """Of which values the driver gets something else (JSON)."""
    found: tuple[tuple[int, _Converter], ...]
    """Which columns come from the driver as something else."""
    row: Any
    """Makes a row of cells."""


class Prepared:
    """One statement. Values are converted as its columns say; everything goes into the transaction that has begun."""

    __slots__ = ("_columns", "_ready", "_statement")

    def __init__(self, statement: Statement, columns: Sequence[str] | None = None) -> None:
        """`columns`: which ones an `insert` is given; every other value stands in the statement as a `bindparam`."""
        self._statement, self._columns = statement, columns
        self._ready: _Ready | None = None

    def run(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Nothing; it is carried out. Errors: KeyError for a value that is missing; SQLAlchemyError."""
        if connection.dialect.name != "sqlite":
            connection.execute(self._statement, values)
            return
        self._rows(self._made(connection.dialect), connection, values)

    def one(self, connection: Connection, values: Mapping[str, Any]) -> Any | None:
        """The row it gives, by names of columns; None for none. Errors: as `run`, and for more than one."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, values).one_or_none()
        ready = self._made(connection.dialect)
        rows = self._rows(ready, connection, values)
        if not rows:
            return None
        (row,) = rows
        cells = list(row)
        for index, convert in ready.found:
            cells[index] = convert(cells[index])
        return ready.row(cells)

    def _rows(self, ready: _Ready, connection: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        given = dict(values)
        for name, convert in ready.given:
            given[name] = convert(given[name])
        driver: Any = connection.connection.driver_connection
        try:
            return list(driver.execute(ready.sql, [given[name] for name in ready.order]))
        except sqlite3.Error as error:
            # as SQLAlchemy has it, without the values
            raise DBAPIError.instance(ready.sql, None, error, sqlite3.Error, dialect=connection.dialect) from error

    def _made(self, dialect: Dialect) -> _Ready:
        if self._ready is None:
            # of two threads that come first, both make the same
            self._ready = _ready(self._statement, self._columns, dialect)
        return self._ready


def _ready(statement: Statement, columns: Sequence[str] | None, dialect: Dialect) -> _Ready:
    compiled: Any = statement.compile(dialect=dialect, column_keys=columns)
    cells: Sequence[Any] = statement.exported_columns.values()
    given = [(name, bind.type.dialect_impl(dialect).bind_processor(dialect)) for name, bind in compiled.binds.items()]
    found = [cell.type.dialect_impl(dialect).result_processor(dialect, None) for cell in cells]
    row_of: Any = namedtuple  # noqa: PYI024 - columns are known only now
    return _Ready(
        sql=compiled.string,
        order=tuple(compiled.positiontup),
        given=tuple((name, convert) for name, convert in given if convert is not None),
        found=tuple((index, convert) for index, convert in enumerate(found) if convert is not None),
        row=row_of("Row", [cell.key for cell in cells])._make,
    )
