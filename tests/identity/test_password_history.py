"""Passwords under the PCI profile: ID-77 of the reference."""

import pytest
from tests.identity.lab import NOW, PASSWORD, SECRET, Lab

from doorward.identity.enrolling import make_reset, reset_password, set_password
from doorward.identity.password_history import LAST_COUNT
from doorward.identity.passwords import WeakPassword
from doorward.identity.profiles import BASELINE, PROFILES
from doorward.store import Store

PCI = PROFILES["pci"]
WORDS = [f"marble otter {number} lantern quay" for number in (17, 29, 38, 46, 51)]


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store)


def change(lab: Lab, password: str) -> None:
    set_password(lab.store, "alice", password, now=NOW, profile=PCI, pepper=SECRET)


def test_none_of_the_last_four_comes_again(lab: Lab) -> None:
    """ID-77."""
    for password in WORDS[:LAST_COUNT]:
        change(lab, password)
    for password in WORDS[:LAST_COUNT]:
        with pytest.raises(WeakPassword, match="last 4"):
            change(lab, password)
    change(lab, WORDS[LAST_COUNT])
    change(lab, WORDS[0])


def test_a_link_is_no_way_around_and_stays_good(lab: Lab) -> None:
    """ID-77."""
    change(lab, WORDS[0])
    ticket = make_reset(lab.store, "alice", now=NOW)
    for weak in (WORDS[0], "marble otter lantern quay"):
        with pytest.raises(WeakPassword):
            reset_password(lab.store, ticket, "alice", weak, now=NOW, profile=PCI, pepper=SECRET)
    assert reset_password(lab.store, ticket, "alice", WORDS[1], now=NOW, profile=PCI, pepper=SECRET)
    with pytest.raises(WeakPassword, match="last 4"):
        change(lab, WORDS[0])


def test_letters_and_digits_are_needed_here_and_nowhere_else(lab: Lab) -> None:
    """ID-77."""
    password = "marble otter lantern quay"
    with pytest.raises(WeakPassword, match="letters and digits"):
        change(lab, password)
    set_password(lab.store, "alice", password, now=NOW, profile=BASELINE)


def test_the_baseline_remembers_no_password_but_the_present_one(lab: Lab) -> None:
    change(lab, WORDS[0])
    set_password(lab.store, "alice", WORDS[1], now=NOW)
    set_password(lab.store, "alice", PASSWORD, now=NOW)
    change(lab, WORDS[0])
