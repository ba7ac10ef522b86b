"""ID-77: accounts that nobody uses are disabled (PCI DSS 8.2.6), and come back only by an operator."""

import math

import pytest
from tests.identity.lab import Lab

from doorward.errors import PolicyError
from doorward.identity.events import events_of
from doorward.identity.profiles import PROFILES
from doorward.identity.standing import WINDOW_S
from doorward.identity.tidying import tidy
from doorward.identity.users import add_user, disable_user, enable_user, get_user
from doorward.store import Store

DAY_S = 86_400.0
LIMIT_S = PROFILES["pci"].unused_s


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store)


def is_disabled(lab: Lab, name: str = "alice") -> bool:
    return get_user(lab.store, name).disabled_at is not None


def test_an_account_without_use_is_disabled_after_ninety_days_and_not_before(lab: Lab) -> None:
    lab.visitor().signed_in()
    lab.now += 90 * DAY_S - 1
    tidy(lab.store, now=lab.now, unused_s=LIMIT_S)
    assert not is_disabled(lab)
    lab.now += 2
    tidy(lab.store, now=lab.now, unused_s=LIMIT_S)
    assert is_disabled(lab)
    (event,) = [each for each in events_of(lab.store, "alice") if each.kind == "user.disabled"]
    assert event.detail["reason"] == "unused"


def test_who_refreshes_tokens_uses_the_account(lab: Lab) -> None:
    lab.now += 89 * DAY_S
    token = lab.tokens("web")["refresh_token"]
    lab.now += 3600
    assert lab.refresh(token).status_code == 200
    lab.now += 90 * DAY_S - 10
    tidy(lab.store, now=lab.now, unused_s=LIMIT_S)
    assert not is_disabled(lab)


def test_a_new_account_has_as_long_and_without_the_profile_nobody_is_disabled(lab: Lab) -> None:
    add_user(lab.store, "bob", now=lab.now)
    lab.now += 89 * DAY_S
    tidy(lab.store, now=lab.now, unused_s=LIMIT_S)
    lab.now += 900 * DAY_S
    tidy(lab.store, now=lab.now, unused_s=math.inf)
    tidy(lab.store, now=lab.now)
    assert not is_disabled(lab, "bob")


def test_an_operator_lets_them_in_again_for_ninety_more_days(lab: Lab) -> None:
    lab.now += 91 * DAY_S
    tidy(lab.store, now=lab.now, unused_s=LIMIT_S)
    lab.now += WINDOW_S
    assert enable_user(lab.store, "alice", now=lab.now).disabled_at is None
    tidy(lab.store, now=lab.now + 89 * DAY_S, unused_s=LIMIT_S)
    assert not is_disabled(lab)
    lab.visitor().signed_in()


def test_nobody_is_enabled_while_tokens_from_before_may_live(lab: Lab) -> None:
    disable_user(lab.store, "alice", now=lab.now)
    lab.now += WINDOW_S - 1
    with pytest.raises(PolicyError, match="disabled lately"):
        enable_user(lab.store, "alice", now=lab.now)
    assert is_disabled(lab)


def test_sessions_from_before_stay_over(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    disable_user(lab.store, "alice", now=lab.now)
    lab.now += WINDOW_S
    enable_user(lab.store, "alice", now=lab.now)
    assert visitor.get("/account").status_code == 303
    enable_user(lab.store, "alice", now=lab.now)
    assert len([each for each in events_of(lab.store, "alice") if each.kind == "user.enabled"]) == 1
