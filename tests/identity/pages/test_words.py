"""What programs say of themselves and ask for, in words."""

import pytest

from doorward.identity.pages.words import agent_words, scope_words

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        (f"Mozilla/5.0 (Linux; Android 16; K) {_WEBKIT} Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on macOS"),
        ("something of Linux", "something of Linux"),
        ("", "unknown browser"),
    ],
)
def test_a_browser_is_named_as_people_know_it_and_anything_else_as_it_came(agent: str, words: str) -> None:
    assert agent_words(agent) == words


def test_a_scope_keeps_its_name_so_that_no_two_look_alike() -> None:
    named = [scope_words(scope) for scope in ("openid", "profile", "email", "address", "phone", "offline_access")]
    assert len(set(named)) == 6
    assert "(openid)" in named[0]
    assert scope_words("who you are") == "who you are"
