"""The account page tells what happened in words."""

import pytest
from tests.identity.lab import Lab

from doorward.identity.events import KINDS
from doorward.identity.pages.activity import _SAID
from doorward.store import Store


def test_every_sentence_is_about_something_that_can_happen() -> None:
    assert set(_SAID) <= KINDS


@pytest.mark.parametrize(
    "kind", sorted(kind for kind in KINDS if kind.split(".")[0] in {"login", "factor", "password"})
)
def test_what_concerns_logins_and_factors_is_told_in_words(kind: str) -> None:
    assert kind in _SAID or kind == "login.many_refused"


def test_what_happened_is_told_in_words_and_names_are_text(store: Store) -> None:
    lab = Lab(store)
    visitor = lab.visitor().signed_in()
    visitor.send("/account/factors/start")
    visitor.add_totp()
    page = visitor.get("/account").text
    assert "You signed in." in page
    assert "A second factor was added. (phone)" in page
