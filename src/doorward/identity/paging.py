"""Long tables read a page at a time, by a column that orders and identifies their rows."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from sqlalchemy import Column, Row, Table, select

from doorward.store import Store

PAGE_MOST: Final = 200
"""Rows of one page at most."""
_Kept = TypeVar("_Kept")


def page(
    store: Store, table: Table, by: Column[str], of_row: Callable[[Row[Any]], _Kept], *, after: str, most: int
) -> tuple[list[_Kept], str | None]:
    """At most so many rows behind the one called `after`, and the name to go on with; None when these are the last."""
    chosen = select(table).where(by > after).order_by(by).limit(most + 1)
    with store.begin() as connection:
        rows = connection.execute(chosen).all()
    kept = rows[:most]
    return [of_row(row) for row in kept], kept[-1]._mapping[by] if len(rows) > most else None  # noqa: SLF001
