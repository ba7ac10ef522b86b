"""A session's cookie in other hands; section 8 of the reference, row "session theft"."""

import pytest
from tests.identity.lab import Lab, Visitor, sent_back

from doorward.identity.events import events_of
from doorward.identity.pages.browser import SESSION
from doorward.identity.session_theft import LATE_S, kind_of
from doorward.store import Store

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store)


def is_in(visitor: Visitor) -> bool:
    return visitor.get("/account").status_code == 200


def signs(lab: Lab) -> list[str]:
    return [str(event.detail["sign"]) for event in events_of(lab.store, "alice") if event.kind == "session.stolen"]


def is_active(lab: Lab, token: str) -> bool:
    return bool(lab.post("/oauth/introspect", token=token, **lab.authenticated("web")).json()["active"])


def with_cookie_of(lab: Lab, owner: Visitor, agent: str) -> Visitor:
    """Somebody else, who took the owner's cookies as they are now."""
    thief = lab.visitor(address="198.51.100.7", **{"user-agent": agent})
    thief.cookies.update(owner.cookies)
    return thief


def test_another_kind_of_browser_has_to_sign_in_and_the_second_time_ends_the_session(lab: Lab) -> None:
    owner = lab.visitor(**{"user-agent": CHROME.format(140)}).signed_in()
    thief = with_cookie_of(lab, owner, FIREFOX)
    assert not is_in(thief)
    assert is_in(owner)
    assert not is_in(thief)
    assert not is_in(owner)
    assert signs(lab) == ["browser", "browser"]


def test_what_came_of_a_stolen_session_ends_with_it(lab: Lab) -> None:
    owner = lab.visitor(**{"user-agent": CHROME.format(140)}).signed_in()
    owner.ask_authorization()
    code = sent_back(owner.send("/auth/consent", answer="allow"))["code"]
    token = lab.redeem(code).json()["access_token"]
    assert is_active(lab, token)
    for _ in range(2):
        assert not is_in(with_cookie_of(lab, owner, FIREFOX))
    assert not is_active(lab, token)


def test_a_new_version_and_another_network_say_nothing(lab: Lab) -> None:
    owner = lab.visitor(**{"user-agent": CHROME.format(140)}).signed_in()
    elsewhere = with_cookie_of(lab, owner, CHROME.format(141))
    assert is_in(elsewhere)
    assert is_in(owner)
    assert signs(lab) == []


def test_a_cookie_shown_after_it_was_replaced_is_a_sign_and_a_late_tab_is_none(lab: Lab) -> None:
    owner = lab.visitor(**{"user-agent": FIREFOX}).signed_in()
    thief = with_cookie_of(lab, owner, FIREFOX)
    owner.get("/auth/login")
    owner.sign_in()
    assert owner.cookies[SESSION] != thief.cookies[SESSION]
    assert not is_in(thief)
    assert signs(lab) == []
    lab.now += LATE_S + 1
    assert not is_in(thief)
    assert signs(lab) == ["replaced"]
    assert is_in(owner)
    assert not is_in(thief)
    assert not is_in(owner)


def test_one_request_is_one_sign(lab: Lab) -> None:
    """The login page looks for a session more than once."""
    owner = lab.visitor(**{"user-agent": FIREFOX}).signed_in()
    thief = with_cookie_of(lab, owner, CHROME.format(140))
    thief.sign_in("wrong wrong wrong wrong")
    assert len(signs(lab)) <= 2
    assert is_in(lab.visitor(**{"user-agent": FIREFOX}).signed_in())


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        (CHROME.format(140), ("Linux", "Chrome")),
        (CHROME.format(140) + " Edg/140.0.0.0", ("Linux", "Edg")),
        (FIREFOX, ("Linux", "Firefox")),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", ("Android", "Chrome")),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604", ("iPhone", "Safari")),
        ("curl/8.5.0", ("", "curl")),
        ("", ("", "")),
    ],
)
def test_the_kind_of_a_browser_is_without_its_version(agent: str, kind: tuple[str, str]) -> None:
    assert kind_of(agent) == kind
