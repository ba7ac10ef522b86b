"""What a password costs: the same for a user, for one without a password and for nobody (ID-72)."""

import pytest

from doorward.identity import passwords

COST = "$argon2id$v=19$m=65536,t=3,p=1$"
NOBODYS, HASHER = passwords._NOBODYS, passwords._HASHER


def test_nobodys_hash_costs_what_a_users_does() -> None:
    assert NOBODYS.startswith(COST)
    assert HASHER.hash("x").startswith(COST)


def test_a_user_without_a_password_costs_a_hash_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def verify(_self: object, password_hash: str, _password: str) -> bool:
        seen.append(password_hash)
        return True

    monkeypatch.setattr("argon2.PasswordHasher.verify", verify)
    assert not passwords.is_password("correct horse battery staple", None)
    assert len(seen) == 1


def test_a_hash_of_another_cost_is_replaced_and_one_of_this_cost_is_not() -> None:
    kept = passwords.hash_password("correct horse battery staple")
    assert passwords.rehashed("correct horse battery staple", kept) is None
    changed = passwords.rehashed("correct horse battery staple", NOBODYS)
    assert changed is not None
    assert passwords.is_password("correct horse battery staple", changed)
