"""The facts of an exchange."""

from doorward.exchange import UNPARSED, Caller, Headers


def test_the_first_value_of_a_field_is_the_one_that_get_returns() -> None:
    headers = Headers([(b"host", b"a"), (b"x-a", b"1"), (b"x-a", b"2")])
    assert headers.get(b"x-a") == b"1"
    assert headers.all(b"x-a") == [b"1", b"2"]
    assert headers.all(b"cookie") == []
    assert headers.get(b"cookie") is None
    assert len(headers) == 3
    assert next(iter(headers)) == (b"host", b"a")


def test_an_unparsed_body_is_not_null() -> None:
    assert UNPARSED is not None
    assert repr(UNPARSED) == "UNPARSED"


def test_callers_of_two_issuers_are_two_callers() -> None:
    here = Caller(subject="alice", kind="user", issuer="https://a")
    there = Caller(subject="alice", kind="user", issuer="https://b")
    assert here.key != there.key
