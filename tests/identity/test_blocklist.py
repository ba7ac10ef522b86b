"""Statement ID-67 of the reference: blocklist of common and breached passwords, and context words."""

import hashlib
import unicodedata

import pytest

from doorward.errors import PolicyError
from doorward.identity.blocklist import _listed, is_common, weakness
from doorward.identity.passwords import WeakPassword, hash_password, is_password


def test_the_list_is_sorted_and_has_more_than_a_hundred_thousand_entries() -> None:
    listed = _listed()
    entries = [listed[start : start + 8] for start in range(0, len(listed), 8)]
    assert len(entries) > 100_000
    assert entries == sorted(set(entries))


@pytest.mark.parametrize("text", ["password", "123456", "iloveyou", "qwertyuiop", "trustno1", "dragon"])
def test_common_passwords_are_on_it(text: str) -> None:
    assert is_common(text)


def test_hardly_anything_else_is() -> None:
    assert not [n for n in range(2_000) if is_common(hashlib.sha256(str(n).encode()).hexdigest()[:16])]


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "Password12345678!!!",
        "p4$$w0rd1234567890",
        "iloveyouiloveyou1",
        "aaaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabc",
        "abcdefghijklmnopqr",
        "zyxwvutsrqponmlkji",
        "qwertyuiopasdfghjkl",
        "".join(chr(ord(letter) + 0xFEE0) for letter in "password12345678"),  # full widt,
        "alice.smith2026!!",
        "doorward-doorward!",
        "login.example.com1",
    ],
)
def test_variations_of_common_words_and_of_the_context_are_refused(password: str) -> None:
    assert len(unicodedata.normalize("NFKC", password)) >= 15
    with pytest.raises(WeakPassword, match="easy to guess"):
        hash_password(password, ["alice.smith@example.org", "login.example.com"])


@pytest.mark.parametrize(
    "password",
    ["correct horse battery staple", "seven purple kettles hum", "alice likes long walks uphill", "x7#kQ!m2Lp9@vR4&z"],
)
def test_passwords_that_are_nobodys_habit_are_taken(password: str) -> None:
    assert is_password(password, hash_password(password, ["alice", "login.example.com"]))


def test_the_refusal_does_not_repeat_the_password() -> None:
    with pytest.raises(PolicyError) as refusal:
        hash_password("passwordpassword1")
    assert "passwordpassword1" not in str(refusal.value)


def test_a_long_hostile_password_is_judged_in_linear_time() -> None:
    assert weakness("ab" * 128) is not None
    assert weakness("".join(chr(0x4E00 + n * 7) for n in range(256))) is None
