"""The account page tells what happened in words."""

import pytest
from tests.identity.lab import Lab

from doorward.identity.events import KINDS
from doorward.identity.pages.activity import _SAID
from doorward.store import Store


def test_every_sentence_is_about_something_that_can_happen() -> None:
    assert set(_SAID) <= KINDS


OF_PROGRAMS = {"admin", "certificate", "client", "encryption_key", "key", "registration", "signature_key"}
OF_NOBODY = {"login.many_refused", "revocation.added", "sms.released", "sms.stopped"}


@pytest.mark.parametrize("kind", sorted(KINDS - OF_NOBODY))
def test_whatever_concerns_a_user_is_told_in_words(kind: str) -> None:
    assert (kind in _SAID) == (kind.partition(".")[0] not in OF_PROGRAMS)


def test_what_happened_is_told_in_words_and_names_are_text(store: Store) -> None:
    lab = Lab(store)
    visitor = lab.visitor().signed_in()
    visitor.send("/account/factors/start")
    visitor.add_totp()
    page = visitor.get("/account").text
    assert "You signed in." in page
    assert "A second factor was added. (phone)" in page
