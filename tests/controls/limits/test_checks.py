from collections.abc import Callable

import pytest

from doorward.controls.limits import Counters, LimitsPolicy, address_check, caller_check
from doorward.denial import Denied
from doorward.exchange import Check, Exchange

Make = Callable[..., Exchange]


def policy(**written: object) -> LimitsPolicy:
    return LimitsPolicy.model_validate({"per_address": None, "per_caller": None, **written})


def check_of(check: Check | None) -> Check:
    assert check is not None
    return check


def refused(check: Check, exchange: Exchange) -> Denied:
    with pytest.raises(Denied) as refusal:
        check(exchange)
    return refusal.value


def fields(exchange: Exchange) -> list[str]:
    return [f"{name.decode()}: {value.decode()}" for name, value in exchange.answer_headers]


def test_a_policy_without_rates_makes_no_check() -> None:
    assert address_check(policy(), Counters()) is None
    assert caller_check(policy(), Counters()) is None


def test_an_address_within_its_rate_learns_what_is_left(make_exchange: Make) -> None:
    check = check_of(address_check(policy(per_address="60/minute"), Counters()))
    exchange = make_exchange()
    check(exchange)
    assert fields(exchange) == ['ratelimit-policy: "per_address";q=60;w=60', 'ratelimit: "per_address";r=59;t=1']


def test_an_address_beyond_its_rate_is_refused_and_told_when_to_come_back(make_exchange: Make) -> None:
    check = check_of(address_check(policy(per_address="60/minute burst 2"), Counters()))
    check(make_exchange())
    check(make_exchange())
    third = make_exchange()
    refusal = refused(check, third)
    assert refusal.code == "limits.rate"
    assert refusal.headers == ((b"retry-after", b"1"),)
    assert fields(third) == ['ratelimit-policy: "per_address";q=2;w=2', 'ratelimit: "per_address";r=0;t=1']
    check(make_exchange(ticks=1001.0))


def test_another_address_is_not_held_to_it(make_exchange: Make) -> None:
    check = check_of(address_check(policy(per_address="1/minute"), Counters()))
    check(make_exchange("192.0.2.1"))
    check(make_exchange("192.0.2.2"))
    assert refused(check, make_exchange("192.0.2.1")).code == "limits.rate"


def test_a_subscriber_with_many_ipv6_addresses_has_one_rate(make_exchange: Make) -> None:
    check = check_of(address_check(policy(per_address="1/minute"), Counters()))
    check(make_exchange("2001:db8::1"))
    assert refused(check, make_exchange("2001:db8::2")).code == "limits.rate"


def test_a_caller_has_one_rate_from_all_addresses(make_exchange: Make) -> None:
    check = check_of(caller_check(policy(per_caller="1/minute"), Counters()))
    check(make_exchange("192.0.2.1", subject="alice"))
    check(make_exchange("192.0.2.1", subject="bob"))
    assert refused(check, make_exchange("192.0.2.2", subject="alice")).code == "limits.rate"


@pytest.mark.parametrize("written", [{"per_caller": "1/day"}, {"quota": {"reader": "1/day"}}])
def test_an_anonymous_request_is_nobodys(make_exchange: Make, written: dict[str, object]) -> None:
    check = check_of(caller_check(policy(**written), Counters()))
    for _ in range(3):
        exchange = make_exchange()
        check(exchange)
        assert exchange.answer_headers == []


def test_a_quota_is_used_up_and_comes_back_with_the_next_window(make_exchange: Make) -> None:
    check = check_of(caller_check(policy(quota={"reader": "2/hour"}), Counters()))
    hour = 1_700_000_000 // 3600 * 3600
    for left in (1, 0):
        exchange = make_exchange(subject="alice", roles=("reader",), now=hour + 600.0)
        check(exchange)
        assert fields(exchange) == ['ratelimit-policy: "quota";q=2;w=3600', f'ratelimit: "quota";r={left};t=3000']
    refusal = refused(check, make_exchange(subject="alice", roles=("reader",), now=hour + 600.0))
    assert (refusal.code, refusal.headers) == ("limits.quota", ((b"retry-after", b"3000"),))
    check(make_exchange(subject="alice", roles=("reader",), now=hour + 3600.0))


def test_the_largest_quota_of_a_callers_roles_counts(make_exchange: Make) -> None:
    check = check_of(caller_check(policy(quota={"reader": "1/day", "clerk": "2/hour"}), Counters()))
    both = {"subject": "alice", "roles": ("reader", "clerk", "unrelated")}
    check(make_exchange(**both))
    check(make_exchange(**both))
    assert refused(check, make_exchange(**both)).code == "limits.quota"


def test_a_role_without_a_quota_has_none(make_exchange: Make) -> None:
    check = check_of(caller_check(policy(quota={"reader": "1/day"}), Counters()))
    for _ in range(3):
        check(make_exchange(subject="alice", roles=("admin",)))


def test_a_request_refused_by_its_rate_costs_no_quota(make_exchange: Make) -> None:
    check = check_of(caller_check(policy(per_caller="1/second", quota={"reader": "2/day"}), Counters()))
    alice = {"subject": "alice", "roles": ("reader",)}
    check(make_exchange(**alice))
    for _ in range(5):
        assert refused(check, make_exchange(**alice)).code == "limits.rate"
    check(make_exchange(**alice, ticks=1001.0))


def test_a_request_refused_by_its_quota_costs_no_rate(make_exchange: Make) -> None:
    counters = Counters()
    tight = check_of(caller_check(policy(per_caller="60/minute", quota={"reader": "1/day"}), counters))
    loose = check_of(caller_check(policy(per_caller="60/minute"), counters))
    alice = {"subject": "alice", "roles": ("reader",)}
    tight(make_exchange(**alice))
    for _ in range(5):
        assert refused(tight, make_exchange(**alice)).code == "limits.quota"
    exchange = make_exchange(**alice)
    loose(exchange)
    assert fields(exchange)[1] == 'ratelimit: "per_caller";r=58;t=2'


def test_a_reload_forgives_nothing(make_exchange: Make) -> None:
    counters = Counters()
    check_of(caller_check(policy(per_caller="1/minute"), counters))(make_exchange(subject="alice"))
    after_reload = check_of(caller_check(policy(per_caller="1/minute"), counters))
    assert refused(after_reload, make_exchange(subject="alice")).code == "limits.rate"


def test_an_operation_with_its_own_rate_counts_apart(make_exchange: Make) -> None:
    counters = Counters()
    check_of(caller_check(policy(per_caller="1/minute"), counters))(make_exchange(subject="alice"))
    check_of(caller_check(policy(per_caller="2/minute"), counters))(make_exchange(subject="alice"))


@pytest.mark.parametrize(("workers", "admitted"), [(1, 8), (4, 2), (16, 1)])
def test_each_worker_gives_out_its_share(make_exchange: Make, workers: int, admitted: int) -> None:
    counters = Counters(workers=workers)
    checks = [
        check_of(address_check(policy(per_address="8/minute"), counters)),
        check_of(caller_check(policy(quota={"reader": "8/day"}), counters)),
    ]
    for check in checks:
        for _ in range(admitted):
            check(make_exchange(subject="alice", roles=("reader",)))
        refused(check, make_exchange(subject="alice", roles=("reader",)))
