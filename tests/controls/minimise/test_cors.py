"""Row X5: a page of another origin reads an answer only when the policy lists its origin, byte for byte."""

from typing import Any

import pytest
from pydantic import ValidationError

from doorward.controls.minimise import MinimisePolicy, compile_release
from doorward.controls.minimise.cors import Cors, is_preflight
from doorward.controls.minimise.policy import CorsPolicy
from doorward.exchange import Exchange, Header, Headers, Request, Response, Source
from doorward.policy.openapi import description_from_document

PAGE = b"https://app.example.com"


def exchange(*fields: Header, method: str = "GET") -> Exchange:
    request = Request(method, b"/a", b"/a", b"", Headers([(b"host", b"api.test"), *fields]))
    return Exchange(id="0" * 32, now=0.0, ticks=0.0, source=Source(address="192.0.2.1"), request=request)


def checked(*fields: Header, **policy: Any) -> Exchange:
    made = exchange(*fields)
    Cors(CorsPolicy(**{"origins": [PAGE.decode()], **policy})).check(made)
    return made


def test_a_page_that_may_send_tokens_may_send_proofs_and_read_what_the_next_one_needs() -> None:
    asked = exchange((b"origin", PAGE), (b"access-control-request-method", b"GET"), method="OPTIONS")
    for headers, takes_proofs, sends, reads in (
        (
            ["authorization", "content-type"],
            True,
            b"authorization, content-type, dpop",
            b"dpop-nonce, www-authenticate",
        ),
        (["Authorization", "DPoP"], True, b"authorization, dpop", b"dpop-nonce, www-authenticate"),
        (["authorization", "content-type"], False, b"authorization, content-type", None),
        (["content-type"], True, b"content-type", None),
    ):
        cors = Cors(CorsPolicy(origins=[PAGE.decode()], headers=headers), takes_proofs=takes_proofs)
        assert dict(cors.preflight(asked, ["GET"]).headers)[b"access-control-allow-headers"] == sends
        made = exchange((b"origin", PAGE))
        cors.check(made)
        assert dict(made.answer_headers).get(b"access-control-expose-headers") == reads


def test_what_the_policy_exposes_is_kept_beside_it_and_not_repeated() -> None:
    made = exchange((b"origin", PAGE))
    policy = CorsPolicy(origins=[PAGE.decode()], expose=["X-Total", "DPoP-Nonce"])
    Cors(policy, takes_proofs=True).check(made)
    exposed = dict(made.answer_headers)[b"access-control-expose-headers"]
    assert exposed == b"X-Total, DPoP-Nonce, www-authenticate"


def test_a_listed_origin_may_read() -> None:
    made = checked((b"origin", PAGE), expose=["X-Total"], credentials=True)
    assert made.answer_headers == [
        (b"access-control-allow-origin", PAGE),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"origin"),
        (b"access-control-expose-headers", b"X-Total"),
    ]
    assert made.findings == []


@pytest.mark.parametrize(
    "origin",
    [
        b"null",
        b"https://evil-app.example.com",
        b"https://app.example.com.evil",
        b"http://app.example.com",
        b"https://app.example.com:8443",
        b"https://APP.example.com",
        b"https://app.example.com/",
        b"https://app.example.com https://evil.example",
        b"",
    ],
)
def test_any_other_is_noted_and_told_nothing(origin: bytes) -> None:
    made = checked((b"origin", origin))
    assert made.answer_headers == []
    assert made.findings == ["minimise.cors"]


def test_who_is_no_page_is_not_spoken_of() -> None:
    made = checked()
    assert (made.answer_headers, made.findings) == ([], [])


def test_an_open_api_is_open_without_credentials() -> None:
    assert checked((b"origin", b"null"), origins=["*"]).answer_headers == [(b"access-control-allow-origin", b"*")]


@pytest.mark.parametrize(
    "policy",
    [
        {"origins": ["*"], "credentials": True},
        {"origins": ["*", PAGE.decode()]},
        {"origins": ["null"]},
        {"origins": ["https://*.example.com"]},
        {"origins": ["https://app.example.com/"]},
        {"origins": ["app.example.com"]},
        {"origins": []},
        {"origins": [PAGE.decode()], "headers": ["a b"]},
        {"origins": [PAGE.decode()], "expose": ["a\r\nb: c"]},
    ],
)
def test_a_policy_that_opens_more_than_it_says_does_not_load(policy: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CorsPolicy(**policy)


def test_a_preflight_question_is_answered_for_listed_origins_alone() -> None:
    cors = Cors(CorsPolicy(origins=[PAGE.decode()], headers=["X-Own"], max_age_s=60))
    asked = exchange((b"origin", PAGE), (b"access-control-request-method", b"PUT"), method="OPTIONS")
    assert is_preflight(asked)
    assert cors.preflight(asked, ["GET", "PUT"]).headers == [
        (b"access-control-allow-methods", b"GET, PUT"),
        (b"access-control-allow-headers", b"x-own"),
        (b"access-control-max-age", b"60"),
    ]
    other = exchange((b"origin", b"null"), (b"access-control-request-method", b"PUT"), method="OPTIONS")
    answer = cors.preflight(other, ["GET"])
    assert (answer.status, answer.headers) == (204, [])


@pytest.mark.parametrize(
    "made",
    [
        exchange((b"origin", PAGE), method="OPTIONS"),
        exchange((b"access-control-request-method", b"PUT"), method="OPTIONS"),
        exchange((b"origin", PAGE), (b"access-control-request-method", b"PUT")),
    ],
)
def test_other_requests_are_no_preflight_question(made: Exchange) -> None:
    assert not is_preflight(made)


def test_what_the_upstream_says_about_origins_does_not_leave_where_the_policy_speaks() -> None:
    description = description_from_document(
        {
            "openapi": "3.1.0",
            "info": {"title": "t", "version": "1"},
            "paths": {"/a": {"get": {"responses": {"200": {"description": "ok"}}}}},
        }
    )
    theirs = [(b"access-control-allow-origin", b"*"), (b"access-control-allow-credentials", b"true")]
    for cors, expected in ((CorsPolicy(origins=[PAGE.decode()]), False), (None, True)):
        made = exchange()
        made.response = Response(200, [*theirs, (b"content-length", b"0")], b"")
        compile_release(description.operations[0], MinimisePolicy(cors=cors), description).apply(made)
        assert (theirs[0] in made.response.headers) is expected
