import pytest

from doorward.controls.limits import Counters
from doorward.controls.limits.counters import address_key
from doorward.controls.limits.ledger import Ledger

JULY = 1_719_792_000.0  # 2024-07-01T00:00:00Z


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8:0:0:ffff::2"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2%eth1"),
    ],
)
def test_addresses_of_one_subscriber_count_together(one: str, other: str) -> None:
    assert address_key(one) == address_key(other)


@pytest.mark.parametrize(("one", "other"), [("2001:db8:0:1::1", "2001:db8:0:2::1"), ("192.0.2.1", "192.0.2.2")])
def test_addresses_of_two_subscribers_count_apart(one: str, other: str) -> None:
    assert address_key(one) != address_key(other)


def test_what_is_no_address_is_counted_as_it_is() -> None:
    assert address_key("unix:@7") == "unix:@7"


def test_a_ledger_never_grows_beyond_its_capacity() -> None:
    ledger = Ledger(capacity=100)
    for number in range(10_000):
        ledger.put(str(number), number)
    assert len(ledger) == 100
    assert ledger.evictions == 9_900


def test_a_key_pushed_out_of_the_table_still_owes_what_it_owed() -> None:
    ledger = Ledger(capacity=10)
    ledger.put("attacker", 5_000)
    for number in range(50):
        ledger.put(f"other-{number}", 1)
    assert ledger.get("attacker") >= 5_000


def test_a_key_in_use_is_not_the_one_pushed_out() -> None:
    ledger = Ledger(capacity=2)
    ledger.put("regular", 1)
    for number in range(50):
        ledger.put(f"passer-by-{number}", 9_000)
        ledger.put("regular", number)
    assert ledger.get("regular") == 49


def test_an_unknown_key_owes_nothing() -> None:
    assert Ledger().get("new") == 0


def used(counters: Counters, now: float) -> int:
    bucket = counters.quotas["day"].at(now, 10)
    after = bucket.after("a", 0)
    bucket.charge("a", after, 0)
    return after


def test_a_new_window_begins_at_nothing_and_the_same_window_goes_on() -> None:
    counters = Counters()
    assert [used(counters, at) for at in (JULY, JULY + 86_399, JULY + 86_400)] == [1, 2, 1]


def test_a_clock_set_back_gives_no_fresh_quota() -> None:
    counters = Counters()
    assert [used(counters, at) for at in (JULY, JULY - 86_400)] == [1, 2]


def test_a_quota_that_grew_goes_on_from_what_was_used() -> None:
    counters = Counters()
    used(counters, JULY)
    assert counters.quotas["day"].at(JULY, 20).after("a", 0) == 2


def test_workers_share_what_the_policy_gives() -> None:
    assert Counters(workers=4).share == 0.25
