"""An operator's own limits: who shares a count, what is refused, what is held back, and that nothing leaks."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from doorward.controls.limits import Counters, LimitsPolicy, RulePolicy, rules_check
from doorward.denial import Denied
from doorward.exchange import Check, Exchange, Headers, Request, Source
from doorward.operation import Operation

Make = Callable[..., Exchange]
GET = Operation(id="list", method="GET", path="/orders", template="/orders")
EXPORT = Operation(id="export", method="GET", path="/export", template="/export")


def policy(*rules: dict[str, Any], **more: Any) -> LimitsPolicy:
    return LimitsPolicy(rules=tuple(RulePolicy.model_validate_json(json.dumps(rule)) for rule in rules), **more)


def compiled(
    *rules: dict[str, Any], operation: Operation = GET, counters: Counters | None = None, **more: Any
) -> Check:
    check = rules_check(operation, policy(*rules, **more), counters or Counters())
    assert check is not None
    return check


def code_of(check: Check, exchange: Exchange) -> str:
    try:
        check(exchange)
    except Denied as denied:
        return denied.code
    return ""


def test_without_a_rule_for_it_an_operation_has_no_check() -> None:
    assert rules_check(GET, LimitsPolicy(), Counters()) is None
    other = {"name": "exports", "concurrency": 1, "operations": ["GET /export"]}
    assert rules_check(GET, policy(other), Counters()) is None
    assert rules_check(EXPORT, policy(other), Counters()) is not None


@pytest.mark.parametrize(
    ("by", "one", "other"),
    [
        (["caller"], {"subject": "a"}, {"subject": "b"}),
        (["address"], {"address": "192.0.2.1"}, {"address": "192.0.2.2"}),
        (["role"], {"subject": "a", "roles": ("x",)}, {"subject": "a", "roles": ("y",)}),
        (["caller", "address"], {"subject": "a"}, {"subject": "a", "address": "192.0.2.9"}),
    ],
)
def test_counts_are_kept_apart_by_what_the_rule_says(make_exchange: Make, by: list[str], one: Any, other: Any) -> None:
    check = compiled({"name": "r", "by": by, "rate": "1/minute"})
    assert code_of(check, make_exchange(**one)) == ""
    assert code_of(check, make_exchange(**one)) == "limits.rate"
    assert code_of(check, make_exchange(**other)) == ""


def test_a_header_can_be_part_of_a_key_and_its_absence_is_no_count(make_exchange: Make) -> None:
    def with_tenant(tenant: bytes | None) -> Exchange:
        exchange = make_exchange()
        fields = [] if tenant is None else [(b"x-tenant", tenant)]
        exchange.request = Request("GET", b"/", b"/", b"", Headers(fields))
        return exchange

    check = compiled({"name": "tenants", "by": ["header:X-Tenant"], "rate": "1/minute"})
    assert [code_of(check, with_tenant(one)) for one in (b"a", b"a", b"b", None, None)] == [
        "",
        "limits.rate",
        "",
        "",
        "",
    ]


def test_a_rule_without_parts_counts_all_together(make_exchange: Make) -> None:
    check = compiled({"name": "all", "rate": "2/minute"})
    codes = [code_of(check, make_exchange(address=f"192.0.2.{n}")) for n in range(3)]
    assert codes == ["", "", "limits.rate"]


def test_operations_share_a_count_unless_they_are_part_of_the_key(make_exchange: Make) -> None:
    for by, second in ((["caller"], "limits.rate"), (["caller", "operation"], "")):
        counters = Counters()
        rule = {"name": "r", "by": by, "rate": "1/minute"}
        assert code_of(compiled(rule, counters=counters), make_exchange(subject="a")) == ""
        other = compiled(rule, operation=EXPORT, counters=counters)
        assert code_of(other, make_exchange(subject="a")) == second


def test_only_callers_with_a_named_role_are_counted(make_exchange: Make) -> None:
    check = compiled({"name": "r", "by": ["caller"], "roles": ["trial"], "rate": "1/minute"})
    for roles, codes in ((("trial",), ["", "limits.rate"]), (("paid",), ["", ""])):
        made = [make_exchange(subject=roles[0], roles=roles) for _ in range(2)]
        assert [code_of(check, one) for one in made] == codes
    assert [code_of(check, make_exchange()) for _ in range(2)] == ["", ""]


def test_a_dear_operation_counts_for_more(make_exchange: Make) -> None:
    check = compiled({"name": "r", "rate": "10/minute"}, cost=4)
    assert [code_of(check, make_exchange()) for _ in range(3)] == ["", "", "limits.rate"]


def test_so_many_at_a_time_and_a_place_comes_back_with_the_end(make_exchange: Make) -> None:
    counters = Counters()
    check = compiled({"name": "r", "by": ["caller"], "concurrency": 2}, counters=counters)
    running = [make_exchange(subject="a") for _ in range(2)]
    assert [code_of(check, one) for one in running] == ["", ""]
    assert code_of(check, make_exchange(subject="a")) == "limits.concurrency"
    assert code_of(check, make_exchange(subject="b")) == ""
    running[0].on_end.pop()()
    assert code_of(check, make_exchange(subject="a")) == ""


def test_what_one_rule_refuses_costs_nothing_of_another(make_exchange: Make) -> None:
    counters = Counters()
    rate = {"name": "rate", "by": ["caller"], "rate": "100/minute"}
    few = {"name": "few", "by": ["caller"], "concurrency": 1}
    check = compiled(few, rate, counters=counters)
    first = make_exchange(subject="a")
    assert code_of(check, first) == ""
    for _ in range(200):
        refused = make_exchange(subject="a")
        assert code_of(check, refused) == "limits.concurrency"
        assert not refused.on_end
    first.on_end.pop()()
    assert code_of(check, make_exchange(subject="a")) == ""


def test_beyond_the_rate_a_request_is_held_back_for_its_turn(make_exchange: Make) -> None:
    check = compiled({"name": "r", "rate": "10/second burst 1", "throttle_s": 0.35, "throttled": 10})
    made = [make_exchange() for _ in range(6)]
    codes = [code_of(check, one) for one in made]
    assert codes == ["", "", "", "", "limits.rate", "limits.rate"]
    assert [round(one.delay_s, 3) for one in made[:4]] == [0.0, 0.1, 0.2, 0.3]
    assert made[1].findings == ["limits.throttled:r"]


def test_no_more_are_held_back_than_said(make_exchange: Make) -> None:
    check = compiled({"name": "r", "rate": "10/second burst 1", "throttle_s": 60.0, "throttled": 2})
    made = [make_exchange() for _ in range(4)]
    assert [code_of(check, one) for one in made] == ["", "", "", "limits.rate"]
    made[1].on_end.pop()()
    assert code_of(check, make_exchange()) == ""


def test_workers_share_what_may_be_under_way(make_exchange: Make) -> None:
    check = compiled({"name": "r", "concurrency": 4}, counters=Counters(workers=2))
    assert [code_of(check, make_exchange()) for _ in range(3)] == ["", "", "limits.concurrency"]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=80), st.integers(1, 4))
def test_places_never_leak_and_are_never_exceeded(steps: list[tuple[str, bool]], most: int) -> None:
    counters = Counters()
    check = compiled({"name": "r", "by": ["address"], "concurrency": most}, counters=counters)
    running: dict[str, list[Exchange]] = {"a": [], "b": [], "c": []}
    for who, ends in steps:
        if ends and running[who]:
            running[who].pop().on_end.pop()()
            continue
        request = Request("GET", b"/", b"/", b"", Headers([]))
        exchange = Exchange(id="0" * 32, now=1.0, ticks=1.0, source=Source(address=who), request=request)
        if code_of(check, exchange) == "":
            running[who].append(exchange)
        assert len(running[who]) <= most
        taken = counters.slots("rule r", most).ledger
        assert {key: taken.get(key) for key in running} == {key: len(made) for key, made in running.items()}
        assert len(taken) == sum(1 for made in running.values() if made)


@pytest.mark.parametrize(
    "rule",
    [
        {"name": "r"},
        {"name": "r", "concurrency": 1, "throttle_s": 1.0},
        {"name": "r", "rate": "1/minute", "by": ["colour"]},
        {"name": "R!", "rate": "1/minute"},
    ],
)
def test_a_rule_that_limits_nothing_or_means_nothing_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        policy(rule)


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="one name"):
        policy({"name": "r", "concurrency": 1}, {"name": "r", "concurrency": 2})
