"""Limits that several processes count together, driven step by step: what is told, asked, lost and answered when."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from doorward.controls.limits import Counters, Rate
from doorward.controls.limits.buckets import KEPT_KEYS, SLACK, Bucket, SharedBucket
from doorward.controls.limits.meters import NANOSECONDS
from doorward.exchange import Pending
from doorward.gateway.limit_link import entry_of
from doorward.gateway.limit_messages import Entry
from doorward.gateway.limit_service import SharedCounts

KEY = "issuer|alice"


class Wire:
    """A link whose messages go and come when the test says so."""

    def __init__(self, counts: SharedCounts) -> None:
        self.is_up = True
        self._counts = counts
        self._untold: dict[tuple[SharedBucket, str], None] = {}
        self._asked: list[tuple[SharedBucket, str, int, Callable[[], None]]] = []

    def tell(self, bucket: SharedBucket, key: str, *, at_once: bool = False) -> None:
        self._untold[bucket, key] = None

    def ask(self, bucket: SharedBucket, key: str, cost: int, known: Callable[[], None]) -> None:
        self._asked.append((bucket, key, cost, known))

    def deliver(self, now_ns: int) -> None:
        """Everything is sent, counted and answered."""
        asked, self._asked = self._asked, []
        told = [(bucket, key, 0, _nothing) for bucket, key in self._untold]
        self._untold.clear()
        for bucket, key, cost, known in (*asked, *told):
            entry = entry_of(bucket, key, cost)
            self._counts.take(entry, now_ns)
            answer = self._counts.answer(entry, now_ns)
            bucket.confirmed(key, entry.spent, answer.number, cost if answer.is_granted else 0, now_ns)
            if cost and not answer.is_granted:
                bucket.refused(key)
            known()

    def cut(self) -> None:
        """The way is lost; whoever waits is let go."""
        self.is_up = False
        asked, self._asked = self._asked, []
        for _, _, _, known in asked:
            known()


def _nothing() -> None: ...


class Requests:
    """The requests of one process for one bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.admitted = 0
        self.refused = 0
        self.now_ns = NANOSECONDS

    def come(self) -> None:
        after = self.bucket.after(KEY, self.now_ns)
        left = self.bucket.left(after, self.now_ns)
        if left < 0:
            self.refused += 1
            return
        try:
            self.bucket.settle(KEY, left)
        except Pending as pending:
            pending.ask(self.come)
            return
        self.bucket.charge(KEY, after, self.now_ns)
        self.admitted += 1


def quota_of(counters: Counters, most: int) -> Bucket:
    return counters.quotas["day"].at(1_719_792_000.0, most)


Step = tuple[int, bool]
STEPS = st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=300)


@given(STEPS, st.sampled_from([1, 5, 40, 200]))
def test_together_they_let_through_the_limit_and_what_was_not_told(steps: list[Step], most: int) -> None:
    counts = SharedCounts()
    wires = [Wire(counts) for _ in range(3)]
    workers = [Requests(quota_of(Counters(3, link=wire), most)) for wire in wires]
    for number, delivers in steps:
        if delivers:
            wires[number].deliver(NANOSECONDS)
            continue
        workers[number].come()
        admitted = sum(worker.admitted for worker in workers)
        assert admitted <= most + 2 * int(most * SLACK / 3)
        # a refusal is always right: nothing is free but what was granted to a request that waits for its answer
        if workers[number].refused:
            assert admitted >= most
        for worker in workers:
            worker.refused = 0
    for wire in wires:
        wire.deliver(NANOSECONDS)
    assert counts.answer(entry(most), NANOSECONDS).number == sum(worker.admitted for worker in workers)


def entry(most: int) -> Entry:
    counters = Counters(3, link=Wire(SharedCounts()))
    bucket = quota_of(counters, most)
    assert isinstance(bucket, SharedBucket)
    return entry_of(bucket, KEY, 0)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 30_000_000)), max_size=200))
def test_a_rate_holds_over_any_span_whichever_process_is_asked(steps: list[tuple[int, int]]) -> None:
    counts = SharedCounts()
    wires = [Wire(counts) for _ in range(2)]
    rate = Rate.parse("100/second burst 20")
    workers = [Requests(Counters(2, link=wire).rate("r", rate)) for wire in wires]
    now_ns = NANOSECONDS
    times: list[int] = []
    for number, gap_ns in steps:
        now_ns += gap_ns
        before = workers[number].admitted
        workers[number].now_ns = now_ns
        workers[number].come()
        wires[number].deliver(now_ns)
        times += [now_ns] * (workers[number].admitted - before)
    slack = int(20 * SLACK / 2)
    for first in range(len(times)):
        for last in range(first, len(times)):
            assert last - first + 1 <= 20 + slack + (times[last] - times[first]) * 100 / NANOSECONDS + 1e-6


def test_a_small_limit_is_exact_and_every_request_of_it_is_asked_for() -> None:
    wire = Wire(SharedCounts())
    requests = Requests(quota_of(Counters(2, link=wire), 3))
    for _ in range(5):
        requests.come()
    assert requests.admitted == 0
    wire.deliver(NANOSECONDS)
    assert (requests.admitted, requests.refused) == (3, 2)


def test_far_from_the_limit_nobody_is_asked() -> None:
    wire = Wire(SharedCounts())
    requests = Requests(quota_of(Counters(2, link=wire), 1_000))
    for _ in range(50):
        requests.come()
    assert requests.admitted == 50


def test_cut_off_each_process_gives_out_its_share_and_tells_later() -> None:
    counts = SharedCounts()
    wires = [Wire(counts) for _ in range(2)]
    counters = [Counters(2, link=wire) for wire in wires]
    workers = [Requests(quota_of(each, 10)) for each in counters]
    for wire, worker in zip(wires, workers, strict=True):
        worker.come()
        wire.cut()
        for _ in range(20):
            worker.come()
    assert [worker.admitted for worker in workers] == [5, 5]
    for wire in wires:
        wire.is_up = True
        wire.deliver(NANOSECONDS)
    for worker in workers:
        worker.come()
    assert counts.answer(entry(10), NANOSECONDS).number == 10


def test_cut_off_a_process_gives_out_its_share_of_what_was_left() -> None:
    counts = SharedCounts()
    wire = Wire(counts)
    for bucket in (quota_of(Counters(2, link=wire), 10), Counters(2, link=wire).rate("r", Rate.parse("10/day"))):
        wire.is_up = True
        requests = Requests(bucket)
        for _ in range(6):
            requests.come()
            wire.deliver(NANOSECONDS)
        wire.cut()
        for _ in range(10):
            requests.come()
        assert requests.admitted == 6 + 2


def test_each_grant_is_used_by_whoever_waits_first() -> None:
    wire = Wire(SharedCounts())
    requests = Requests(quota_of(Counters(2, link=wire), 4))
    bucket = requests.bucket
    assert isinstance(bucket, SharedBucket)
    for _ in range(2):  # two batches, under way at the same time
        requests.come()
    first, second = (entry_of(bucket, KEY, 1) for _ in range(2))
    for entry in (first, second):
        wire._counts.take(entry, NANOSECONDS)
    answers = [wire._counts.answer(entry, NANOSECONDS) for entry in (first, second)]
    asked, wire._asked = wire._asked, []
    for entry, answer, (_, _, _, known) in zip((first, second), answers, asked, strict=True):
        bucket.confirmed(KEY, entry.spent, answer.number, 1, NANOSECONDS)
        known()
    assert requests.admitted == 2
    assert wire._asked == []


def test_a_count_that_was_lost_comes_back_from_those_who_knew_it() -> None:
    wire = Wire(SharedCounts())
    requests = Requests(quota_of(Counters(2, link=wire), 3))
    for _ in range(2):
        requests.come()
    wire.deliver(NANOSECONDS)
    wire._counts = SharedCounts()  # the control process began anew
    for _ in range(2):
        requests.come()
    wire.deliver(NANOSECONDS)
    assert (requests.admitted, requests.refused) == (3, 1)


class TestSlots:
    @given(STEPS, st.integers(1, 3))
    def test_never_more_are_under_way_and_none_is_lost(self, steps: list[Step], most: int) -> None:
        counts = SharedCounts()
        wires = [Wire(counts) for _ in range(3)]
        buckets = [Counters(3, link=wire).slots("r", most) for wire in wires]
        workers = [Requests(bucket) for bucket in buckets]
        for number, ends in steps:
            if ends and workers[number].admitted:
                workers[number].admitted -= 1
                buckets[number].give_back(KEY)
            else:
                workers[number].come()
            wires[number].deliver(NANOSECONDS)
            assert sum(worker.admitted for worker in workers) <= most
        for bucket, wire, worker in zip(buckets, wires, workers, strict=True):
            for _ in range(worker.admitted):
                bucket.give_back(KEY)
            wire.deliver(NANOSECONDS)
            worker.admitted = 0
        for _ in range(most):
            workers[0].come()
            wires[0].deliver(NANOSECONDS)
        assert workers[0].admitted == most

    def test_what_is_refused_was_asked_for(self) -> None:
        counts = SharedCounts()
        wires = [Wire(counts) for _ in range(2)]
        first, second = (Requests(Counters(2, link=wire).slots("r", 1)) for wire in wires)
        first.come()
        wires[0].deliver(NANOSECONDS)
        second.come()
        wires[1].deliver(NANOSECONDS)
        assert (first.admitted, second.refused) == (1, 1)
        first.bucket.give_back(KEY)
        wires[0].deliver(NANOSECONDS)
        second.come()
        wires[1].deliver(NANOSECONDS)
        assert second.admitted == 1


def test_windows_that_are_over_are_forgotten() -> None:
    counts = SharedCounts()
    for hour in range(50):
        counters = Counters(2, link=Wire(counts))
        bucket = counters.quotas["hour"].at(1_719_792_000.0 + hour * 3_600, 5)
        assert isinstance(bucket, SharedBucket)
        counts.take(entry_of(bucket, KEY, 0), NANOSECONDS)
    assert len(counts._tables) == 1


def test_untold_keys_have_room_for_so_many_while_nobody_can_be_told() -> None:
    wire = Wire(SharedCounts())
    bucket = quota_of(Counters(2, link=wire), 1_000)
    wire.cut()
    for number in range(KEPT_KEYS + 100):
        bucket.charge(str(number), bucket.after(str(number), 0), 0)
    assert isinstance(bucket, SharedBucket)
    assert len(bucket.accounts) == KEPT_KEYS
