from __future__ import annotations

import hmac
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from doorward.controls.audit.redact import Tagger, presented_credential, redact
from doorward.exchange import Exchange

Make = Callable[..., Exchange]


@given(st.binary(max_size=200), st.binary(max_size=300))
def test_a_tag_is_the_hmac_of_its_one_part(key: bytes, value: bytes) -> None:
    assert Tagger(key).tag(value) == hmac.digest(key, value, "sha256")


@given(st.binary(max_size=5), st.binary(max_size=5), st.binary(max_size=5), st.binary(max_size=5))
def test_parts_cannot_be_moved_into_each_other(a: bytes, b: bytes, c: bytes, d: bytes) -> None:
    tagger = Tagger(b"k" * 32)
    assert (tagger.tag(a, b) == tagger.tag(c, d)) == ((a, b) == (c, d))


def test_short_values_are_left_in_a_text(exchange: Make) -> None:
    ours = exchange(headers=[(b"cookie", b"theme=dark")])
    assert redact("a dark night", ours, Tagger(b"k")) == "a dark night"


def test_the_first_credential_presented_counts(exchange: Make) -> None:
    ours = exchange(headers=[(b"authorization", b"Bearer abc"), (b"x-api-key", b"def")])
    assert presented_credential(ours) == b"abc"
    assert presented_credential(exchange(headers=[(b"x-api-key", b"def")])) == b"def"
    assert presented_credential(exchange()) == b""


def test_a_key_in_a_header_of_the_policy_is_a_credential_too(exchange: Make) -> None:
    ours = exchange(headers=[(b"apikey", b"a-long-secret")])
    assert presented_credential(ours, (b"apikey",)) == b"a-long-secret"
    assert "a-long-secret" not in redact("was a-long-secret", ours, Tagger(b"k"), (b"apikey",))
    assert presented_credential(ours) == b""
