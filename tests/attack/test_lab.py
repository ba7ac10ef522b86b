"""The whole catalogue in the laboratory: every attack stopped, every twin passed, none left out."""

import pytest
from tests.warming import make_warm_state

from doorward.attack.catalogue import every_attack
from doorward.attack.judge import Outcome
from doorward.attack.lab import Laboratory
from doorward.attack.runner import Runner


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    with Laboratory(tmp_path_factory.mktemp("lab"), make_warm_state) as laboratory:
        runner = Runner(laboratory.target, laboratory.samples, stages=laboratory.stage)
        return list(runner.run(every_attack()))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_attack_is_stopped_and_every_twin_passes(outcomes: list[Outcome]) -> None:
    failed = [f"{outcome.attack.id}: {outcome.note}" for outcome in outcomes if outcome.is_failure]
    assert failed == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_laboratory_leaves_no_attack_out(outcomes: list[Outcome]) -> None:
    assert [outcome.attack.id for outcome in outcomes if outcome.verdict == "not_applicable"] == []
    assert len(outcomes) == len(list(every_attack()))
