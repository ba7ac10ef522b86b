from pathlib import Path

import pytest

from doorward.freshness import ALERT_S, FILE_NAME, Confirming, Freshness


class Clock:
    now = 5_000.0

    def __call__(self) -> float:
        return self.now


def test_the_age_is_that_of_the_last_confirmation(tmp_path: Path) -> None:
    clock = Clock()
    confirming, fresh = Confirming(tmp_path, clock), Freshness(tmp_path, clock)
    assert fresh.age_s() == float("inf"), "nobody has confirmed anything"
    confirming.confirm()
    assert fresh.age_s() == 0.0
    clock.now += 0.5
    confirming.confirm()
    assert fresh.age_s() == 0.5, "once a second is enough"
    clock.now += 0.5
    confirming.confirm()
    assert fresh.age_s() == 0.0
    clock.now += 70
    assert fresh.age_s() == 70.0


def test_a_confirmation_of_an_earlier_life_of_the_machine_counts_for_nothing(tmp_path: Path) -> None:
    clock = Clock()
    Confirming(tmp_path, clock).confirm()
    clock.now = 10.0
    assert Freshness(tmp_path, clock).age_s() == float("inf")


def test_a_file_that_was_removed_is_made_again(tmp_path: Path) -> None:
    clock = Clock()
    confirming = Confirming(tmp_path, clock)
    confirming.confirm()
    (tmp_path / FILE_NAME).unlink()
    assert Freshness(tmp_path, clock).age_s() == float("inf")
    clock.now += 1
    confirming.confirm()
    assert Freshness(tmp_path, clock).age_s() == 0.0
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


def test_the_operator_is_told_once_and_when_it_is_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    confirming, fresh = Confirming(tmp_path, clock), Freshness(tmp_path, clock)
    confirming.confirm()
    clock.now += ALERT_S
    fresh.look()
    assert "revocations may be late" not in capsys.readouterr().out
    for _ in range(3):
        clock.now += 1
        fresh.look()
    assert capsys.readouterr().out.count("revocations may be late") == 1
    confirming.confirm()
    fresh.look()
    assert "confirmed again" in capsys.readouterr().out
