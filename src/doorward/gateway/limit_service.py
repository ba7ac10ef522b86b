"""Keeps the counts that workers share: part of the control process, reached over a Unix socket."""

import time
from collections import OrderedDict
from functools import partial
from pathlib import Path
from typing import Final

from doorward.controls.limits import Bucket, Gcra, Ledger, Link, SharedBucket, SlotLedger, Tally
from doorward.exchange import Pending
from doorward.gateway.limit_messages import Answer, Entry, pack, read_entries
from doorward.gateway.worker_socket import WorkerConnection, WorkerSocket

TABLES: Final = 4_096
"""Limits counted at a time; the one not used for longest goes first. A quota has a new one each window."""
LATE_S: Final = 60
"""How long after the end of its window something may still be told of a quota, in seconds."""


class SharedCounts:
    """The counts of one host. With `link` they are in turn shared with `hosts - 1` others."""

    def __init__(self, link: Link | None = None, hosts: int = 1) -> None:
        self._link = link
        self._hosts = hosts
        self._tables: OrderedDict[tuple[str, int], Bucket] = OrderedDict()
        self._until_s: dict[tuple[str, int], int] = {}

    def take(self, entry: Entry, now_ns: int) -> None:
        """Count what was let through already."""
        bucket = self._bucket(entry)
        ledger = bucket.ledger
        if entry.number > ledger.get(entry.key) and not entry.is_slots:
            # This count began anew (the control process did), or never heard of it.
            ledger.put(entry.key, entry.number)
        if entry.spent < 0:
            bucket.give_back(entry.key, -entry.spent)
        elif entry.spent:
            bucket.charge(entry.key, bucket.after(entry.key, now_ns, entry.spent), now_ns, entry.spent)

    def answer(self, entry: Entry, now_ns: int) -> Answer:
        """How it stands, with the wish counted if it was granted. Errors: Pending."""
        bucket = self._bucket(entry)
        is_granted = False
        if entry.wish:
            after = bucket.after(entry.key, now_ns, entry.wish)
            left = bucket.left(after, now_ns)
            if left >= 0:
                bucket.settle(entry.key, left, entry.wish)
                bucket.charge(entry.key, after, now_ns, entry.wish)
                is_granted = True
        return Answer(bucket.shown(entry.key, now_ns), is_granted)

    def _bucket(self, entry: Entry) -> Bucket:
        name = entry.table, entry.most
        bucket = self._tables.get(name)
        if bucket is None:
            self._forget_what_is_over()
            bucket = self._tables[name] = self._made(entry)
            self._until_s[name] = entry.until_s
            if len(self._tables) > TABLES:
                oldest, _ = self._tables.popitem(last=False)
                del self._until_s[oldest]
        else:
            self._tables.move_to_end(name)
        return bucket

    def _forget_what_is_over(self) -> None:
        now_s = time.time()
        for name in [name for name, until_s in self._until_s.items() if 0 < until_s + LATE_S < now_s]:
            del self._tables[name], self._until_s[name]

    def _made(self, entry: Entry) -> Bucket:
        share = 1 / self._hosts
        if entry.interval_ns:
            meter: Gcra | Tally = Gcra(entry.interval_ns, entry.tolerance_ns)
            limit = max(1, entry.tolerance_ns // entry.interval_ns)
            each_ns = entry.interval_ns * self._hosts
            own: Gcra | Tally = Gcra(each_ns, each_ns * max(1, limit // self._hosts))
        else:
            meter, limit = Tally(entry.most), entry.most
            own = Tally(max(1, int(entry.most * share)))
        alone = Bucket(own, SlotLedger() if entry.is_slots else Ledger())
        if self._link is None or entry.is_slots:
            # Slots are not shared between hosts: those of a host that crashed would never come back.
            return alone
        return SharedBucket(entry.table, meter, Ledger(), self._link, alone, limit, self._hosts)


class LimitService(WorkerSocket):
    """Listens for the workers of this host."""

    def __init__(self, path: Path, counts: SharedCounts) -> None:
        super().__init__(path, lambda: _Worker(counts))


class _Worker(WorkerConnection):
    """One worker's connection. Its slots are free again when it is gone."""

    def __init__(self, counts: SharedCounts) -> None:
        super().__init__("shared counts")
        self._counts = counts
        self._slots: dict[tuple[str, int, str], int] = {}
        self._replies: OrderedDict[int, _Reply] = OrderedDict()
        self._number = 0

    def take(self, body: bytes) -> None:
        self._take(read_entries(body))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        now_ns = time.monotonic_ns()
        for (table, most, key), count in self._slots.items():
            self._counts.take(Entry(table, key, 0, -count, 0, most=most, is_slots=True), now_ns)
        self._slots.clear()

    def _take(self, entries: list[Entry]) -> None:
        self._number += 1
        reply = self._replies[self._number] = _Reply(entries)
        now_ns = time.monotonic_ns()
        for entry in entries:
            self._counts.take(entry, now_ns)
            if entry.is_slots and entry.spent:
                self._hold(entry, entry.spent)
        for place in range(len(entries)):
            self._settle(reply, place)
        self._send()

    def _settle(self, reply: "_Reply", place: int) -> None:
        entry = reply.entries[place]
        try:
            answer = self._counts.answer(entry, time.monotonic_ns())
        except Pending as pending:
            pending.ask(partial(self._settle_later, reply, place))
            return
        if not self.is_open and entry.is_slots and answer.is_granted:
            # The worker went while we asked: nobody will give this slot back.
            self._counts.take(Entry(entry.table, entry.key, 0, -entry.wish, 0, most=entry.most, is_slots=True), 0)
        elif entry.is_slots and answer.is_granted:
            self._hold(entry, entry.wish)
        reply.answers[place] = answer
        reply.missing -= 1

    def _settle_later(self, reply: "_Reply", place: int) -> None:
        self._settle(reply, place)
        self._send()

    def _send(self) -> None:
        """Answers leave in the order of the questions."""
        while self._replies:
            number, reply = next(iter(self._replies.items()))
            if reply.missing:
                return
            del self._replies[number]
            self.write(pack(reply.answers))

    def _hold(self, entry: Entry, count: int) -> None:
        name = entry.table, entry.most, entry.key
        held = self._slots.get(name, 0) + count
        if held > 0:
            self._slots[name] = held
        else:
            self._slots.pop(name, None)


class _Reply:
    """The answers to one batch, as far as they are known."""

    __slots__ = ("answers", "entries", "missing")

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.answers = [Answer(0)] * len(entries)
        self.missing = len(entries)
