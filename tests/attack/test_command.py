"""`doorward attack`: what may be attacked, and how a wrong use is told."""

from pathlib import Path

import pytest

from doorward.cli.attack import choose, target_at
from doorward.errors import PolicyError

POLICY = Path("/nonexistent/doorward.yaml")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "https://localhost:8443", "https://[::1]:8443/"])
def test_this_machine_may_be_attacked(url: str) -> None:
    target = target_at(url, None, POLICY, is_owned=False)
    assert (target.tls is not None) == url.startswith("https")


@pytest.mark.parametrize("url", ["https://192.0.2.1:8443", "http://[2001:db8::1]", "http://0.0.0.0:80"])
def test_another_machine_needs_a_word_of_ownership(url: str) -> None:
    with pytest.raises(PolicyError) as refusal:
        target_at(url, None, POLICY, is_owned=False)
    assert "--i-own-this-target" in refusal.value.hint
    assert target_at(url, None, POLICY, is_owned=True).host


@pytest.mark.parametrize("url", ["127.0.0.1:8443", "ftp://127.0.0.1", "https://127.0.0.1/path", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(PolicyError):
        target_at(url, None, POLICY, is_owned=True)


def test_attacks_are_chosen_by_control_or_id() -> None:
    attacks, logins = choose(["authorize"])
    assert ({each.control for each in attacks}, logins) == ({"authorize"}, [])
    assert [each.id for each in choose(["authorize.role_too_low"])[0]] == ["authorize.role_too_low"]
    assert len(choose([])[0]) > len(choose(["authorize", "audit"])[0])
    attacks, logins = choose(["login", "token.code_replay"])
    assert (attacks, {each.control for each in logins}) == ([], {"login", "token"})
    assert [each.id for each in logins if each.control == "token"] == ["token.code_replay"]


def test_a_word_that_names_nothing_is_refused() -> None:
    with pytest.raises(PolicyError):
        choose(["authorise"])
