"""Every attack on logins and tokens against a provider that runs: stopped, and the honest one beside it let in."""

from pathlib import Path

import pytest
from tests.warming import make_warm_state

from doorward.attack.judge import Outcome
from doorward.attack.provider import LOGIN_ATTACKS, LoginAttack, ProviderSite, try_login_attack
from doorward.attack.report import as_json, as_table

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_attack_is_stopped_and_every_twin_passes(tmp_path: Path) -> None:
    with ProviderSite(tmp_path, make_warm_state) as site:
        outcomes = [try_login_attack(each, site) for each in LOGIN_ATTACKS]
    assert [f"{outcome.attack.id}: {outcome.note}" for outcome in outcomes if outcome.is_failure] == []
    assert as_json(outcomes)["summary"]["held"] == len(LOGIN_ATTACKS)


def _attack(held: str, refused: str) -> LoginAttack:
    return LoginAttack(
        id="login.test",
        name="test",
        earns="nothing",
        source="none",
        attack=lambda _site: held,
        twin=lambda _site: refused,
    )


def test_what_an_attacker_holds_in_hand_got_through_and_a_refused_twin_is_a_failure_too(tmp_path: Path) -> None:
    site = object.__new__(ProviderSite)

    def outcome(held: str, refused: str) -> Outcome:
        return try_login_attack(_attack(held, refused), site)

    assert outcome("the account", "").verdict == "got_through"
    assert outcome("", "429").verdict == "twin_refused"
    assert outcome("", "").verdict == "held"
    assert as_table([outcome("", "")], verbose=True).row_count == 1


def test_ids_are_unique_and_stand_in_the_page_with_what_they_meet() -> None:
    page = (ROOT / "docs" / "attack-simulator.md").read_text()
    ids = [each.id for each in LOGIN_ATTACKS]
    assert len(set(ids)) == len(ids)
    for each in LOGIN_ATTACKS:
        assert each.control in {"listener", "login", "token"}
        assert each.source
        assert f"| `{each.id}` | {each.name} | {each.earns} |" in page
