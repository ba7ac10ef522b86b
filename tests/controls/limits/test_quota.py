from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from doorward.controls.limits import LimitsPolicy, Quota
from doorward.controls.limits.quota import UNITS, Unit, window_at


@pytest.mark.parametrize("text", ["10000/day", "1/hour", "5/month"])
def test_a_quota_is_written_back_as_it_was_read(text: str) -> None:
    assert str(Quota.parse(text)) == text


@pytest.mark.parametrize("written", ["10000", "10000/minute", "0/day", "1/day burst 3", 5])
def test_anything_else_is_refused_with_an_example(written: object) -> None:
    with pytest.raises(ValidationError, match="10000/day"):
        LimitsPolicy.model_validate({"quota": {"reader": written}})


@given(now=st.integers(0, 4_000_000_000), unit=st.sampled_from(UNITS))
def test_a_window_holds_its_moment_and_begins_on_the_calendar(now: int, unit: Unit) -> None:
    window = window_at(unit, now)
    assert window.start_s <= now < window.end_s
    start, end = datetime.fromtimestamp(window.start_s, UTC), datetime.fromtimestamp(window.end_s, UTC)
    assert (start.minute, start.second, end.minute, end.second) == (0, 0, 0, 0)
    assert unit == "hour" or (start.hour, end.hour) == (0, 0)
    assert unit != "month" or (start.day, end.day) == (1, 1)
    assert window_at(unit, window.end_s).start_s == window.end_s
