"""When a target is left alone, for how long, and how it comes back."""

import random

from hypothesis import given
from hypothesis import strategies as st

from doorward.gateway.upstream_breaker import Breaker, RetryBudget


def breaker(failures: int = 3) -> Breaker:
    return Breaker(failures, 1.0, 60.0, random.Random(1))


def opened(now: float = 100.0) -> Breaker:
    made = breaker()
    for _ in range(3):
        made.failed(now)
    return made


def test_it_opens_after_so_many_failures_in_a_row_and_not_before() -> None:
    one = breaker()
    for outcome in (False, False, True, False, False):
        if outcome:
            one.succeeded()
        else:
            one.failed(100.0)
        assert one.is_closed
        assert one.lets(100.0)
    one.failed(100.0)
    assert not one.is_closed
    assert not one.lets(100.0)


def test_after_its_time_one_request_at_a_time_tries_it() -> None:
    one = opened()
    assert one.may_let(101.0)
    assert one.lets(101.0)
    assert not one.may_let(101.0)
    assert not one.lets(101.0)
    one.undecided()
    assert one.lets(101.0)
    assert one.succeeded()
    assert one.is_closed
    assert not one.succeeded()


def test_each_failed_try_doubles_the_time_up_to_the_longest() -> None:
    one, now, lengths = opened(), 100.0, []
    for _ in range(12):
        lengths.append(one.open_until - now)
        now = one.open_until
        assert one.lets(now)
        one.failed(now)
    for place, length in enumerate(lengths):
        most = min(60.0, 2.0**place)
        assert 0.8 * most <= length <= most


def test_failures_that_come_in_while_it_is_open_do_not_make_it_longer() -> None:
    one = opened()
    until = one.open_until
    for _ in range(10):
        one.failed(100.5)
    assert one.open_until == until


def test_a_try_that_fails_opens_it_again_even_when_its_connection_was_gone_first() -> None:
    one = opened()
    until = one.open_until
    assert one.lets(until)
    one.undecided()
    one.failed(until)
    assert one.open_until >= until + 1.6


def test_without_a_number_it_never_opens() -> None:
    one = breaker(0)
    for _ in range(1000):
        one.failed(1.0)
    assert one.lets(1.0)


@given(st.lists(st.booleans(), max_size=300), st.integers(0, 100))
def test_retries_never_exceed_their_share_and_the_ten_saved_up(asks: list[bool], percent: int) -> None:
    budget = RetryBudget(percent)
    sent = again = 0
    for retries in asks:
        budget.count()
        sent += 1
        again += retries and budget.spend()
    assert again <= 10 + sent * percent / 100 + 1e-9


def test_saved_up_retries_are_there_at_the_start() -> None:
    budget = RetryBudget(0)
    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]
