from typing import Any

import pytest

from doorward.controls.authenticate import AuthenticatePolicy


def test_everybody_is_refused_once_nobody_confirmed_for_longer_than_the_policy_says(door: Any) -> None:
    door.policy = door.policy.model_copy(update={"stale_after_s": 60})
    assert door.code(door.bearer()) == "authenticate.stale", "nobody has confirmed anything"
    door.credentials.age_s = 60.0
    assert door.ask(door.bearer())
    door.credentials.age_s = 60.1
    for credential in ((door.bearer(),), (("X-Api-Key", door.API_KEY),), (("X-Api-Key", "wrong"),), ()):
        refusal = door.denied(*credential)
        assert (refusal.code, refusal.denial.status) == ("authenticate.stale", 503)
        assert (b"retry-after", b"5") in refusal.headers
    door.credentials.age_s = float("inf")
    assert door.code(door.bearer()) == "authenticate.stale"
    door.credentials.age_s = 0.0
    assert door.ask(door.bearer())


def test_without_the_setting_callers_go_on(door: Any) -> None:
    door.credentials.age_s = float("inf")
    assert door.ask(door.bearer())


@pytest.mark.parametrize("seconds", [4, 3601, 0, -1])
def test_the_setting_has_bounds(seconds: int) -> None:
    with pytest.raises(ValueError, match="validation error"):
        AuthenticatePolicy(stale_after_s=seconds)
