import pytest

from doorward.identity.risk.decision import Facts, Verdict, decide

QUIET = {"known_device": False, "failures": 0, "since_failure_s": 0.0, "in_a_row": 0}


def verdict(**more: object) -> Verdict:
    return decide(Facts(**{**QUIET, **more}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("failures", "since_s", "kind", "wait_s"),
    [
        (0, 0, "allow", 0),
        (2, 0, "allow", 0),
        (3, 0, "wait", 5),
        (3, 4, "wait", 1),
        (3, 5, "allow", 0),
        (4, 0, "wait", 10),
        (19, 3_599, "wait", 1),
        (19, 3_600, "allow", 0),
        (20, 3_600, "challenge", 0),
    ],
)
def test_unknown_devices_wait_longer_with_every_distinct_guess(
    failures: int, since_s: float, kind: str, wait_s: float
) -> None:
    found = verdict(failures=failures, since_failure_s=since_s, in_a_row=failures)
    assert (found.kind, found.wait_s) == (kind, wait_s)


def test_a_known_device_does_not_wait_for_what_strangers_did() -> None:
    assert verdict(known_device=True, failures=4, in_a_row=95, spraying=True, address_score=1e6).kind == "allow"


def test_a_known_device_beyond_its_budget_is_unknown() -> None:
    assert verdict(known_device=True, failures=5, since_failure_s=0, in_a_row=5).kind == "wait"


def test_strangers_leave_known_devices_the_last_failures_in_a_row() -> None:
    assert verdict(in_a_row=89, since_failure_s=9e9).kind == "allow"
    assert verdict(in_a_row=90, since_failure_s=9e9).kind == "locked"
    assert verdict(in_a_row=99, known_device=True).kind == "allow"


def test_after_a_hundred_failures_in_a_row_nobody_may_try() -> None:
    assert verdict(in_a_row=100, known_device=True, challenge_passed=True).kind == "locked"


@pytest.mark.parametrize(
    "more", [{"spraying": True}, {"address_score": 30.0}, {"failures": 20, "since_failure_s": 9e9}]
)
def test_signs_of_an_attack_ask_unknown_devices_for_a_challenge(more: dict[str, object]) -> None:
    assert verdict(**more).kind == "challenge"
    assert verdict(**more, challenge_passed=True).kind == "allow"


def test_an_address_that_failed_too_much_waits_challenge_or_not() -> None:
    assert verdict(address_score=200.0, challenge_passed=True).kind == "wait"
