"""Cookies leave with the attributes that keep scripts and other sites away from them."""

import pytest

from doorward.controls.minimise import MinimisePolicy
from doorward.controls.minimise.headers import HeaderRules, hardened
from doorward.exchange import Exchange, Headers, Request, Response, Source


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        (b"id=1", b"id=1; HttpOnly; SameSite=Lax; Secure"),
        (b"id=1; Path=/; Max-Age=5", b"id=1; Path=/; Max-Age=5; HttpOnly; SameSite=Lax; Secure"),
        (b"id=1;secure;HTTPONLY ; samesite=None", b"id=1;secure;HTTPONLY ; samesite=None"),
        (b"secure=httponly", b"secure=httponly; HttpOnly; SameSite=Lax; Secure"),
        (b"", b"; HttpOnly; SameSite=Lax; Secure"),
    ],
)
def test_what_is_missing_is_added_and_what_is_said_stays(cookie: bytes, expected: bytes) -> None:
    assert hardened(cookie, is_https=True) == expected
    assert b"; Secure" not in hardened(cookie, is_https=False)


@pytest.mark.parametrize(("insecure", "value"), [(False, b"a=1; HttpOnly; SameSite=Lax; Secure"), (True, b"a=1")])
def test_every_cookie_of_an_answer_is_hardened_unless_the_policy_says_no(*, insecure: bool, value: bytes) -> None:
    request = Request("GET", b"/", b"/", b"", Headers([]), scheme="https")
    made = Exchange(id="0" * 32, now=0.0, ticks=0.0, source=Source(address="192.0.2.1"), request=request)
    response = Response(200, [(b"set-cookie", b"a=1"), (b"x-other", b"a=1"), (b"set-cookie", b"a=1")], b"")
    rules = HeaderRules(MinimisePolicy(insecure_cookies=insecure))
    rules.apply(made, response, is_json=False, caching_is_declared=False)
    assert [header for header in response.headers if header[1].startswith(b"a=1")] == [
        (b"set-cookie", value),
        (b"x-other", b"a=1"),
        (b"set-cookie", value),
    ]
