import pytest
from argon2 import PasswordHasher
from tests.databases import store, store_url

__all__ = ["store", "store_url"]


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id at its least: what it costs is one test's business, not everyone's."""
    hasher = PasswordHasher(1, 8, 1)
    monkeypatch.setattr("doorward.identity.passwords._HASHER", hasher)
    monkeypatch.setattr("doorward.identity.passwords._NOBODYS", hasher.hash("nobody's"))
