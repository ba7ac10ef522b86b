"""Group commit: transactions that come while others wait for the disk become durable together, by one wait.

SQLite has one writer at a time, and to be durable each commit waits for the disk. One thread carries out whatever has
come meanwhile, each in a savepoint of its own, and commits once; nobody has an answer before that commit.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import Context, copy_context
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection

GROUP_MOST: Final = 64
"""Most transactions of one commit: the first of them waits for all the others."""
_Result = TypeVar("_Result")


class _Asked(NamedTuple):
    """One transaction that waits for its turn."""

    work: Callable[[Connection], Any]
    context: Context
    """Of whoever asked: it tells who acts."""
    future: "Future[Any]"


class GroupCommit:
    """Carries out transactions in the order they came, in a thread of its own.

    One that raises is undone alone: those beside it hold. One that nobody waits for any more is left out, unless it has
    begun. When the commit fails, or the process ends before it, none of its group has happened and none was answered.
    """

    __slots__ = ("_lock", "_runs", "_thread", "_transaction", "_waiting")

    def __init__(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
        """`transaction` gives one that holds the writers' turn from its beginning and is committed at its end."""
        self._transaction = transaction
        self._thread = ThreadPoolExecutor(1, "group-commit")
        self._lock = threading.Lock()
        self._waiting: list[_Asked] = []
        self._runs = False

    def submit(self, work: Callable[[Connection], _Result]) -> "Future[_Result]":
        """What the work will have given back once it is durable; or what it, or the commit, raised.

        The work must not ask for another transaction that writes: that one would wait for this one.
        """
        future: Future[_Result] = Future()
        with self._lock:
            if not self._runs:
                self._thread.submit(self._run)
                self._runs = True
            self._waiting.append(_Asked(work, copy_context(), future))
        return future

    def close(self) -> None:
        """Nothing; all that was asked for before is done."""
        self._thread.shutdown()

    def _run(self) -> None:
        while group := self._next_group():
            self._commit(group)

    def _next_group(self) -> list[_Asked]:
        with self._lock:
            group, self._waiting = self._waiting[:GROUP_MOST], self._waiting[GROUP_MOST:]
            self._runs = bool(group)
        return group

    def _commit(self, group: list[_Asked]) -> None:
        begun = [asked for asked in group if asked.future.set_running_or_notify_cancel()]
        try:
            with self._transaction() as connection:
                outcomes = [_carried_out(connection, asked) for asked in begun]
        except BaseException as error:  # noqa: BLE001 - all who wait are told, and the next group is tried
            _tell(begun, [(None, error)] * len(begun))
        else:
            _tell(begun, outcomes)


def _carried_out(connection: Connection, asked: _Asked) -> tuple[Any, BaseException | None]:
    """What the work gave back, or what it raised: nothing of it stays then.

    Errors: what it raised, when SQLite has undone the whole transaction for it (a full disk).
    """
    # not by SQLAlchemy, for which a savepoint is as much work as a statement
    driver: Any = connection.connection.driver_connection
    driver.execute("SAVEPOINT one")
    try:
        result = asked.context.run(asked.work, connection)
    except BaseException as error:
        if not driver.in_transaction:
            raise
        driver.execute("ROLLBACK TO one")
        driver.execute("RELEASE one")
        return None, error
    driver.execute("RELEASE one")
    return result, None


def _tell(group: Iterable[_Asked], outcomes: Iterable[tuple[Any, BaseException | None]]) -> None:
    for asked, (result, error) in zip(group, outcomes, strict=True):
        if error is None:
            asked.future.set_result(result)
        else:
            asked.future.set_exception(error)
