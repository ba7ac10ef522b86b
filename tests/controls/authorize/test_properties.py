"""Who may set, and who may see, one property: the same rule in a body and in an answer."""

from typing import Any

import pytest

from doorward.controls.authorize import compile_property_check
from doorward.controls.minimise import MinimisePolicy, compile_release
from doorward.denial import Denied
from doorward.exchange import UNPARSED, Caller, Exchange, Headers, Request, Response, Source
from doorward.policy.openapi import description_from_document
from doorward.property_roles import PropertyRoles, roles_of

EMPLOYEE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "salary": {"type": "integer", "x-doorward-roles": ["hr"]},
        "grade": {"type": "string", "x-doorward-roles": {"write": ["hr", "boss"]}},
        "note": {"type": "string", "x-doorward-roles": {"read": ["boss"]}},
        "broken": {"type": "string", "x-doorward-roles": "hr"},
        "secret": {"allOf": [{"$ref": "#/components/schemas/OfHr"}]},
        "reports": {"type": "array", "items": {"$ref": "#/components/schemas/Employee"}},
        "more": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Employee"}},
    },
}
WHOLE_EMPLOYEE = {"application/json": {"schema": {"$ref": "#/components/schemas/Employee"}}}
DESCRIPTION = description_from_document(
    {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "components": {
            "schemas": {"Employee": EMPLOYEE, "OfHr": {"type": "string", "x-doorward-roles": ["hr"]}},
        },
        "paths": {
            "/e": {
                "put": {
                    "requestBody": {"content": WHOLE_EMPLOYEE},
                    "responses": {"200": {"description": "ok", "content": WHOLE_EMPLOYEE}},
                }
            },
            "/plain": {
                "put": {
                    "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                    "responses": {"200": {"description": "ok"}},
                }
            },
        },
    }
)
OPERATION, PLAIN = DESCRIPTION.operations


def exchange(body: Any, *roles: str, is_known: bool = True) -> Exchange:
    request = Request("PUT", b"/e", b"/e", b"", Headers([]), has_body=True, body=b"{}")
    made = Exchange(id="0" * 32, now=0.0, ticks=0.0, source=Source(address="192.0.2.1"), request=request)
    made.json_body = body
    if is_known:
        made.caller = Caller(subject="ann", kind="user", issuer="local", roles=frozenset(roles))
    return made


def refused(body: Any, *roles: str, is_known: bool = True) -> str:
    check = compile_property_check(OPERATION, DESCRIPTION)
    assert check is not None
    try:
        check(exchange(body, *roles, is_known=is_known))
    except Denied as denied:
        return denied.detail.partition(":")[0] if denied.code == "authorize.property" else denied.code
    return ""


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"salary": 1}, "/salary"),
        ({"name": "x", "grade": "a"}, "/grade"),
        ({"broken": "x"}, "/broken"),
        ({"secret": "x"}, "/secret"),
        ({"reports": [{"name": "x"}, {"salary": 2}]}, "/reports/*/salary"),
        ({"reports": [{"reports": [{"grade": "b"}]}]}, "/reports/*/reports/*/grade"),
        ({"more": {"any": {"salary": 2}}}, "/more/any/salary"),
    ],
)
def test_who_has_none_of_the_roles_may_not_set_it(body: Any, place: str) -> None:
    assert refused(body, "clerk") == place
    assert refused(body, is_known=False) == place


@pytest.mark.parametrize(
    ("body", "role"),
    [
        ({"name": "x", "note": "anybody may write it"}, "boss"),
        ({"salary": 1, "secret": "x"}, "hr"),
        ({"grade": "a"}, "boss"),
        ({"reports": [{"salary": 2}], "more": {"any": {"salary": 2}}}, "hr"),
        ([1, "x", None], "clerk"),
        ("text", "clerk"),
    ],
)
def test_who_has_one_may(body: Any, role: str) -> None:
    assert refused(body, role) == ""


@pytest.mark.parametrize("media", [b"application/xml; charset=utf-8", b"Text/XML", b"application/hr+xml"])
def test_members_that_cannot_be_told_apart_are_refused(media: bytes) -> None:
    check = compile_property_check(OPERATION, DESCRIPTION)
    assert check is not None
    made = exchange(["1"], "hr")
    made.request.headers = Headers([(b"content-type", media)])
    with pytest.raises(Denied, match=r"authorize\.property"):
        check(made)


def test_a_body_that_was_not_read_is_refused_and_none_at_all_is_not() -> None:
    assert refused(UNPARSED, "hr") == "body"
    check = compile_property_check(OPERATION, DESCRIPTION)
    assert check is not None
    made = exchange(UNPARSED, "clerk")
    made.request.has_body = False
    check(made)


def test_no_depth_hides_a_member() -> None:
    body: dict[str, Any] = {"salary": 1}
    for _ in range(100):
        body = {"reports": [body]}
    assert refused(body, "clerk") == "body"


def test_each_line_of_a_sequence_is_what_the_schema_describes() -> None:
    assert refused([{"name": "x"}, {"salary": 1}], "clerk") == "/*/salary"
    assert refused([{"name": "x"}, {"salary": 1}], "hr") == ""


def test_a_rule_about_reading_says_nothing_about_writing() -> None:
    assert refused({"note": "x"}, "clerk") == ""


def test_where_no_property_names_roles_nothing_is_checked() -> None:
    assert compile_property_check(PLAIN, DESCRIPTION) is None


def seen(body: bytes, *roles: str, is_known: bool = True) -> bytes | None:
    made = exchange(None, *roles, is_known=is_known)
    made.response = Response(200, [(b"content-type", b"application/json")], body)
    compile_release(OPERATION, MinimisePolicy(), DESCRIPTION).apply(made)
    return made.response.body


WHOLE = b'{"name":"x","salary":1,"grade":"a","note":"n","secret":"s","reports":[{"salary":2,"name":"y"}]}'


def test_each_role_sees_what_it_may() -> None:
    assert seen(WHOLE, "hr") == b'{"name":"x","salary":1,"grade":"a","secret":"s","reports":[{"salary":2,"name":"y"}]}'
    assert seen(WHOLE, "boss") == b'{"name":"x","grade":"a","note":"n","reports":[{"name":"y"}]}'
    assert seen(WHOLE, "hr", "boss") == WHOLE
    assert seen(WHOLE) == seen(WHOLE, is_known=False) == b'{"name":"x","grade":"a","reports":[{"name":"y"}]}'


def test_one_release_serves_callers_of_different_roles_one_after_the_other() -> None:
    release = compile_release(OPERATION, MinimisePolicy(), DESCRIPTION)
    for roles, expected in ((("hr",), b'{"salary":1}'), ((), b"{}"), (("hr",), b'{"salary":1}')):
        made = exchange(None, *roles)
        made.response = Response(200, [(b"content-type", b"application/json")], b'{"salary":1}')
        release.apply(made)
        assert made.response.body == expected


def test_a_rule_that_cannot_be_read_allows_nobody() -> None:
    for rule in ("hr", {"reed": ["hr"]}, [1], None, True):
        assert roles_of({"x-doorward-roles": rule}) == PropertyRoles(frozenset(), frozenset())
    assert roles_of({}) == PropertyRoles(None, None)
