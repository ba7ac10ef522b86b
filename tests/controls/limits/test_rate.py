import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from doorward.controls.limits import LimitsPolicy, Rate
from doorward.controls.limits.meters import NANOSECONDS, Gcra, retry_after_s

RATES = st.builds(
    Rate,
    count=st.integers(1, 5_000),
    window_s=st.sampled_from([1, 60, 3_600, 86_400]),
    burst=st.integers(1, 60),
)
# gaps between arrivals, from a flood to a pause
GAPS_NS = st.lists(st.one_of(st.just(0), st.integers(0, 10**6), st.integers(0, 10**11)), max_size=200)


@pytest.mark.parametrize("text", ["600/minute", "1/day", "5/second burst 20", "999999999/hour"])
def test_a_rate_is_written_back_as_it_was_read(text: str) -> None:
    assert str(Rate.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "600",
        "600/min",
        "0/minute",
        "-1/minute",
        "600 / minute",
        "6e2/minute",
        "٦/minute",
        "1/minute burst 0",
        "600/minute\n",
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValidationError, match="600/minute burst 50"):
        LimitsPolicy.model_validate({"per_caller": text})


def test_a_number_is_not_a_rate() -> None:
    with pytest.raises(ValidationError, match="is not a rate"):
        LimitsPolicy.model_validate({"per_caller": 600})


def test_a_policy_survives_its_json_form() -> None:
    policy = LimitsPolicy.model_validate({"per_address": None, "quota": {"reader": "10/day"}})
    assert LimitsPolicy.model_validate_json(policy.model_dump_json()) == policy
    assert LimitsPolicy.model_validate(policy.model_dump(mode="json")) == policy


def admitted_times(gcra: Gcra, gaps_ns: list[int]) -> list[int]:
    now_ns, tat = 10**12, 0
    admitted = []
    for gap_ns in gaps_ns:
        now_ns += gap_ns
        after = gcra.spend(tat, now_ns)
        if gcra.left(after, now_ns) >= 0:
            tat = after
            admitted.append(now_ns)
    return admitted


@given(rate=RATES, share=st.sampled_from([1.0, 0.5, 1 / 3, 0.25]), gaps_ns=GAPS_NS)
def test_no_span_of_time_admits_more_than_the_burst_and_what_is_earned_in_it(
    rate: Rate, share: float, gaps_ns: list[int]
) -> None:
    times = admitted_times(Gcra.of(rate, share), gaps_ns)
    burst = max(1, int(rate.burst * share))
    for first in range(len(times)):
        for last in range(first, len(times)):
            earned = (times[last] - times[first]) * rate.count * share / (rate.window_s * NANOSECONDS)
            assert last - first + 1 <= burst + earned + 1e-6


@given(rate=RATES)
def test_a_whole_burst_is_admitted_at_once_and_not_one_more(rate: Rate) -> None:
    assert len(admitted_times(Gcra.of(rate), [0] * (rate.burst + 5))) == rate.burst


@given(rate=RATES, gaps_ns=GAPS_NS)
def test_who_waits_as_long_as_told_is_served(rate: Rate, gaps_ns: list[int]) -> None:
    gcra = Gcra.of(rate)
    now_ns, tat = 10**12, 0
    for gap_ns in gaps_ns:
        now_ns += gap_ns
        after = gcra.spend(tat, now_ns)
        if gcra.left(after, now_ns) >= 0:
            tat = after
        else:
            later_ns = now_ns + retry_after_s(gcra.wait_ns(after, now_ns)) * NANOSECONDS
            assert gcra.left(gcra.spend(tat, later_ns), later_ns) >= 0
