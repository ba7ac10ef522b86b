"""Group commit: transactions that become durable together, and nothing else that they share."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from tests.databases import new_sqlite

from doorward.identity import events
from doorward.store import Store, open_store, principals
from doorward.store.group_commit import GROUP_MOST, GroupCommit

Work = Callable[[Connection], Any]


def names(store: Store) -> list[str]:
    with store.begin() as connection:
        return sorted(connection.execute(select(principals.c.name)).scalars())


def adding(name: str, kind: str = "user") -> Work:
    def work(connection: Connection) -> str:
        connection.execute(insert(principals).values(name=name, kind=kind))
        return name

    return work


class Bench:
    """A group commit over a store on SQLite that says how many it committed together, and can be held up."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.group = GroupCommit(self._transaction)
        self.sizes: list[int] = []
        self.before_commit: Callable[[], None] = lambda: None
        self._count = 0

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        self._count = 0
        with self.store.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            self.before_commit()
        self.sizes.append(self._count)

    def submit(self, work: Work) -> "Future[Any]":
        def counted(connection: Connection) -> Any:
            self._count += 1
            return work(connection)

        return self.group.submit(counted)

    def together(self, *works: Work) -> "list[Future[Any]]":
        """Futures of works that come while another one is under way."""
        begun, go_on = threading.Event(), threading.Event()

        def holding_up(_connection: Connection) -> None:
            begun.set()
            go_on.wait()

        self.group.submit(holding_up)
        begun.wait()
        futures = [self.submit(work) for work in works]
        go_on.set()
        return futures


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    store = open_store(new_sqlite(tmp_path))
    made = Bench(store)
    yield made
    made.group.close()
    store.close()


def test_what_comes_while_others_are_under_way_is_committed_together_in_its_order(bench: Bench) -> None:
    order: list[int] = []
    futures = bench.together(*[lambda _connection, number=number: order.append(number) for number in range(5)])
    for future in futures:
        future.result()
    assert order == [0, 1, 2, 3, 4]
    bench.group.close()
    assert bench.sizes == [0, 5]


def test_a_commit_has_no_more_transactions_than_the_first_may_wait_for(bench: Bench) -> None:
    for future in bench.together(*[adding(f"a{number}") for number in range(GROUP_MOST + 3)]):
        future.result()
    bench.group.close()
    assert bench.sizes == [0, GROUP_MOST, 3]


def test_nobody_has_an_answer_before_the_commit(bench: Bench) -> None:
    seen: list[bool] = []
    futures: list[Future[Any]] = []
    bench.before_commit = lambda: seen.extend(future.done() for future in futures)
    futures += bench.together(adding("alice"), adding("bob"))
    assert [future.result() for future in futures] == ["alice", "bob"]
    assert seen[-2:] == [False, False]
    assert names(bench.store) == ["alice", "bob"]


def test_one_that_fails_is_undone_alone(bench: Bench) -> None:
    def changing_its_mind(connection: Connection) -> None:
        adding("carol")(connection)
        raise LookupError

    works = (adding("alice"), changing_its_mind, adding("mallory", "burglar"), adding("alice"), adding("bob"))
    futures = bench.together(*works)
    errors = [type(future.exception()) for future in futures]
    assert errors == [type(None), LookupError, IntegrityError, IntegrityError, type(None)]
    assert names(bench.store) == ["alice", "bob"]
    bench.group.close()
    assert bench.sizes == [0, 5]


def test_each_sees_what_the_one_before_it_wrote(bench: Bench) -> None:
    found = bench.together(adding("alice"), lambda connection: connection.execute(select(principals.c.name)).scalar())
    assert found[1].result() == "alice"


def test_when_the_commit_fails_nobody_of_the_group_is_told_otherwise(bench: Bench) -> None:
    def broken() -> None:
        raise OSError("the disk is gone")

    bench.before_commit = broken
    futures = bench.together(adding("alice"), adding("bob"))
    assert [type(future.exception()) for future in futures] == [OSError, OSError]
    assert names(bench.store) == []
    bench.before_commit = lambda: None
    assert bench.submit(adding("carol")).result() == "carol"
    assert names(bench.store) == ["carol"]


def test_a_disk_that_is_full_spoils_none_that_had_its_answer(bench: Bench) -> None:
    bench.submit(adding("alice")).result()

    def too_much(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count=1")
        for number in range(4_000):
            adding(f"x{number:060}")(connection)

    def again(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")

    assert isinstance(bench.submit(too_much).exception(), DatabaseError)
    bench.submit(again).result()
    assert bench.submit(adding("bob")).result() == "bob"
    assert names(bench.store) == ["alice", "bob"]


def test_when_sqlite_undoes_the_whole_transaction_all_of_the_group_fail(bench: Bench) -> None:
    def undone(connection: Connection) -> None:
        # as SQLite does by itself when the disk fails
        connection.connection.driver_connection.rollback()  # type: ignore[union-attr]
        raise LookupError

    futures = bench.together(adding("alice"), undone, adding("bob"))
    assert all(future.exception() is not None for future in futures)
    assert names(bench.store) == []
    assert bench.submit(adding("carol")).result() == "carol"


def test_what_nobody_waits_for_any_more_is_left_out_unless_it_began(bench: Bench) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        adding("alice")(connection)
        begun.set()
        go_on.wait()

    first = bench.submit(slow)
    begun.wait()
    second = bench.submit(adding("bob"))
    assert (first.cancel(), second.cancel()) == (False, True)
    go_on.set()
    bench.submit(adding("carol")).result()
    assert names(bench.store) == ["alice", "carol"]


def test_who_acts_is_known_in_the_thread_too(bench: Bench) -> None:
    def recorded(connection: Connection) -> None:
        events.record(connection, "user.changed", "alice", now=1.0)

    with events.acting("admin:root"):
        futures = bench.together(recorded)
    futures[0].result()
    bench.submit(recorded).result()
    assert [event.actor for event in events.events_of(bench.store, "alice")] == ["", "admin:root"]


def test_closing_does_what_was_asked_for(bench: Bench) -> None:
    futures = bench.together(*[adding(f"a{number}") for number in range(3)])
    bench.group.close()
    assert all(future.done() for future in futures)
    assert len(names(bench.store)) == 3
    with pytest.raises(RuntimeError):
        bench.submit(adding("late"))


_DIES = """
import sys, threading
from sqlalchemy import insert
from doorward.store import open_store, principals
from doorward.store.group_commit import GroupCommit

store = open_store(sys.argv[1])

def work(connection):
    connection.execute(insert(principals).values(name="alice", kind="user"))
    print("begun", flush=True)
    threading.Event().wait()

GroupCommit(store.begin).submit(work)
threading.Event().wait()
"""


def test_what_was_not_committed_when_the_process_died_never_happened(tmp_path: Path) -> None:
    url = new_sqlite(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", _DIES, url], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    store = open_store(url)
    assert names(store) == []
    store.close()


def test_a_store_writes_what_the_event_loop_asks_for_and_reads_it(store: Store) -> None:
    async def ask() -> tuple[Any, ...]:
        written = await asyncio.gather(*(store.write(adding(f"a{number:02}")) for number in range(20)))
        with pytest.raises(IntegrityError):
            await store.write(adding("a00"))
        counted = await store.read(lambda connection: len(connection.execute(select(principals)).all()))
        return counted, written

    assert asyncio.run(ask()) == (20, [f"a{number:02}" for number in range(20)])


def test_many_loops_write_at_once_beside_those_with_a_transaction_of_their_own(store: Store) -> None:
    def by_loop(number: int) -> None:
        async def ask() -> None:
            await asyncio.gather(*(store.write(adding(f"loop-{number}-{each}")) for each in range(8)))

        asyncio.run(ask())

    def alone(number: int) -> None:
        with store.begin() as connection:
            adding(f"alone-{number}")(connection)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: (by_loop if number % 2 else alone)(number), range(40)))
    assert len(names(store)) == 20 * 8 + 20


def test_a_task_that_is_cancelled_leaves_the_others_alone(store: Store) -> None:
    async def ask() -> None:
        tasks = [asyncio.create_task(store.write(adding(f"a{number}"))) for number in range(9)]
        await asyncio.sleep(0)
        tasks[4].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [name for name in done if isinstance(name, str)] == [f"a{n}" for n in range(9) if n != 4]

    asyncio.run(ask())
    assert {f"a{n}" for n in range(9) if n != 4} <= {*names(store)}


def test_looking_up_cannot_write(tmp_path: Path) -> None:
    store = open_store(new_sqlite(tmp_path))
    with pytest.raises(OperationalError, match="readonly"):
        asyncio.run(store.read(adding("alice")))
    store.close()


def test_looking_up_sees_each_change_at_once_and_keeps_nothing_open(tmp_path: Path) -> None:
    store = open_store(new_sqlite(tmp_path))

    def look(connection: Connection) -> int:
        return len(connection.execute(select(principals)).all())

    for number in range(3):
        assert asyncio.run(store.read(look)) == number
        with store.begin() as connection:
            adding(f"a{number}")(connection)
    with store.begin() as connection:
        # a reader that had not come to its end would keep the log from being emptied
        assert connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()[0] == 0
    store.close()
