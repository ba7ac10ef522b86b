from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from doorward.controls.authorize import AuthorizePolicy, compile_place_check, unmatched_owners
from doorward.controls.authorize.place import IdPlace
from doorward.controls.validate.graphql import compile_graphql_check
from doorward.controls.validate.policy import GraphqlPolicy
from doorward.denial import Denied
from doorward.exchange import UNPARSED, Caller, Exchange, Headers, Request, Source
from doorward.operation import MediaType, Operation, Parameter, RequestBody

BODY = RequestBody(required=True, content={"application/json": MediaType(name="application/json", schema=None)})
ACCOUNT = Parameter(name="account", location="query", required=False, schema={}, style="form", explode=True)
STATEMENTS = Operation(id="s", method="GET", path="/statements", template="/statements", parameters=(ACCOUNT,))
PAYMENTS = Operation(id="p", method="POST", path="/payments", template="/payments", request_body=BODY)
OF_EACH = "POST /payments#/items/*/from"


def code(
    owners: Mapping[str, object],
    op: Operation,
    *,
    query: object = None,
    body: object = UNPARSED,
    owned: object = ("a-1", 7),
    roles: frozenset[str] = frozenset({"r"}),
) -> str | None:
    policy = AuthorizePolicy.model_validate({"roles": {"r": ["*"], "auditor": ["*"]}, "owners": owners})
    request = Request(op.method, b"/", b"/", b"", Headers([]))
    request.has_body = op is PAYMENTS
    exchange = Exchange(id="0" * 32, now=0.0, ticks=0.0, source=Source(address=""), request=request)
    exchange.caller = Caller(subject="alice", kind="user", issuer="i", roles=roles, claims={"ids": owned})
    exchange.json_body = body
    if query is not None:
        exchange.parameters["query", "account"] = query
    check = compile_place_check(op, policy)
    assert check is not None
    try:
        check(exchange)
    except Denied as denied:
        return denied.code
    return None


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        ("a-1", True),
        (7, True),
        ("7", True),
        (["a-1", "7"], True),
        ([], False),
        ("b-2", False),
        (["a-1", "b-2"], False),
        ("", False),
        (None, False),
        (7.0, False),
        (True, False),
        ({"id": "a-1"}, False),
        ([["a-1"]], False),
    ],
)
def test_every_id_in_a_query_must_be_the_callers(value: object, passes: bool) -> None:
    owners = {"GET /statements?account": "caller.ids"}
    assert code(owners, STATEMENTS, query=value) == (None if passes else "authorize.owner")


@pytest.mark.parametrize(
    ("body", "passes"),
    [
        ({"items": [{"from": "a-1"}, {"from": 7}]}, True),
        ({"items": []}, True),
        ({"items": [{"from": "a-1"}, {"from": "b-2"}]}, False),
        ({"items": [{"from": "a-1"}, {}]}, False),
        ({"items": [{"from": "a-1"}, {"from": None}]}, False),
        ({"items": [{"from": ["a-1"]}]}, False),
        ({"items": [{"from": 7.0}]}, False),
        ({"items": ["a-1"]}, False),
        ({"items": {"from": "a-1"}}, False),
        ({"items": None}, False),
        ({}, False),
        ([], False),
        ("a-1", False),
        (None, False),
        (UNPARSED, False),
    ],
)
def test_every_id_in_a_body_must_be_the_callers(body: object, passes: bool) -> None:
    assert code({OF_EACH: "caller.ids"}, PAYMENTS, body=body) == (None if passes else "authorize.owner")


@pytest.mark.parametrize(
    ("body", "passes"),
    [({"items": [{}, {"from": "a-1"}]}, True), ({}, True), ({"items": [{"from": "b-2"}]}, False), (UNPARSED, False)],
)
def test_an_id_may_be_left_out_only_where_the_policy_says_so(body: object, passes: bool) -> None:
    owners = {OF_EACH: {"claim": "caller.ids", "allow_absent": True}}
    assert code(owners, PAYMENTS, body=body) == (None if passes else "authorize.owner")


def test_exempt_roles_may_name_everybodys_objects() -> None:
    owners = {OF_EACH: {"claim": "caller.ids", "except_roles": ["auditor"]}}
    body = {"items": [{"from": "b-2"}]}
    assert code(owners, PAYMENTS, body=body, roles=frozenset({"auditor"})) is None
    assert code(owners, PAYMENTS, body=body) == "authorize.owner"


def test_a_member_whose_name_holds_a_slash_is_written_as_in_a_pointer() -> None:
    owners = {"POST /payments#/a~1b~0c": "caller.ids"}
    assert code(owners, PAYMENTS, body={"a/b~c": "a-1"}) is None
    assert code(owners, PAYMENTS, body={"a/b~c": "b-2"}) == "authorize.owner"


def test_a_caller_without_the_claim_owns_nothing() -> None:
    for owned in (None, [], "", [None], {"a-1": 1}):
        assert code({OF_EACH: "caller.ids"}, PAYMENTS, body={"items": [{"from": "a-1"}]}, owned=owned) is not None


GRAPHQL = Operation(id="g", method="POST", path="/graphql", template="/graphql", request_body=BODY)


def graphql_code(
    query: str, owners: Mapping[str, object], variables: object = None, *, read: bool = True
) -> str | None:
    request = Request("POST", b"/graphql", b"/graphql", b"", Headers([]), has_body=True)
    exchange = Exchange(id="0" * 32, now=0.0, ticks=0.0, source=Source(address=""), request=request)
    exchange.caller = Caller(subject="alice", kind="user", issuer="i", claims={"ids": ["a-1", 7]})
    exchange.json_body = {"query": query, "variables": variables}
    check = compile_place_check(GRAPHQL, AuthorizePolicy.model_validate({"owners": owners}))
    assert check is not None
    try:
        if read:
            compile_graphql_check(GraphqlPolicy())(exchange)
        check(exchange)
    except Denied as denied:
        return denied.code
    return None


@pytest.mark.parametrize(
    ("query", "variables", "passes"),
    [
        ('{ user(id: "a-1") { id } }', None, True),
        ("{ user(id: 7) { id } }", None, True),
        ("{ other { id } }", None, True),
        ('{ user(id: "b-2") { id } }', None, False),
        ('{ mine: user(id: "a-1") { id } other: user(id: "b-2") { id } }', None, False),
        ('{ a { b { user(id: "b-2") { id } } } }', None, False),
        ("{ user { id } }", None, False),
        ("{ user(id: null) { id } }", None, False),
        ("{ user(id: true) { id } }", None, False),
        ("{ user(id: 7.0) { id } }", None, False),
        ("{ user(id: a1) { id } }", None, False),
        ('{ user(id: ["a-1"]) { id } }', None, False),
        ('{ user(id: "a-1", id: "b-2") { id } }', None, False),
        ('{ ...F } fragment F on Query { user(id: "b-2") { id } }', None, False),
        ('{ ...F } fragment F on Query { user(id: "a-1") { id } }', None, True),
        ("query Q($id: ID!) { user(id: $id) { id } }", {"id": "a-1"}, True),
        ("query Q($id: ID!) { user(id: $id) { id } }", '{"id": "a-1"}', True),
        ("query Q($id: ID!) { user(id: $id) { id } }", {"id": "b-2"}, False),
        ("query Q($id: ID!) { user(id: $id) { id } }", {}, False),
        ('query Q($id: ID = "a-1") { user(id: $id) { id } }', None, True),
        ('query Q($id: ID = "b-2") { user(id: $id) { id } }', None, False),
        ('query Q($id: ID = "a-1") { user(id: $id) { id } }', {"id": None}, False),
    ],
)
def test_every_argument_of_graphql_must_be_the_callers(query: str, variables: object, passes: bool) -> None:
    found = graphql_code(query, {"POST /graphql#user(id)": "caller.ids"}, variables)
    assert (found is None) is passes
    assert found in {None, "authorize.owner", "validate.graphql"}


def test_ids_inside_arguments_are_checked_one_by_one() -> None:
    owners = {"POST /graphql#pay(input/items/*/from)": "caller.ids"}
    query = "mutation M($items: [Item!], $last: ID) { pay(input: {items: $items}) { id } %s }"
    more = 'two: pay(input: {items: [{from: "a-1"}, {from: $last}]}) { id }'
    own, other = {"from": "a-1"}, {"from": "b-2"}
    assert graphql_code(query % "", owners, {"items": [own, {"from": 7}]}) is None
    assert graphql_code(query % "", owners, {"items": [own, other]}) == "authorize.owner"
    assert graphql_code(query % more, owners, {"items": [own], "last": 7}) is None
    assert graphql_code(query % more, owners, {"items": [own], "last": "b-2"}) == "authorize.owner"


def test_a_list_that_stands_in_many_arguments_is_looked_at_once() -> None:
    request = Request("POST", b"/graphql", b"/graphql", b"", Headers([]), has_body=True)
    exchange = Exchange(id="0" * 32, now=0.0, ticks=0.0, source=Source(address=""), request=request)
    variable = [f"a-{number}" for number in range(1_000)]
    exchange.graphql = [("all", {"ids": variable})] * 500
    assert [*IdPlace.parse("POST /graphql#all(ids/*)").ids(exchange)] == variable


@pytest.mark.parametrize("variables", ["{", '{"id": 1, "id": 2}', "[]", 7])
def test_variables_that_are_no_object_are_refused(variables: object) -> None:
    owners = {"POST /graphql#user(id)": "caller.ids"}
    assert graphql_code("{ user(id: 7) { id } }", owners, variables) == "validate.graphql"


def test_a_rule_for_graphql_refuses_what_was_not_read_as_graphql() -> None:
    owners = {"POST /graphql#user(id)": "caller.ids"}
    assert graphql_code("{ user(id: 7) { id } }", owners, read=False) == "authorize.owner"


def test_rules_that_guard_nothing_are_found() -> None:
    owners = dict.fromkeys(
        (
            OF_EACH,
            "GET /statements?account",
            "POST /payment#/from",
            "PUT /payments#/from",
            "GET /statements#/from",
            "GET /statements?acount",
            "POST /grahpql#user(id)",
        ),
        "caller.ids",
    )
    policy = AuthorizePolicy(owners=owners)
    assert unmatched_owners(policy, [STATEMENTS, PAYMENTS]) == list(owners)[2:]
    assert compile_place_check(STATEMENTS, AuthorizePolicy(owners={OF_EACH: "caller.ids"})) is None


@pytest.mark.parametrize(
    "key", ["POST /payments", "payments#/x", "POST /payments#x", "post /payments#/x", "GET /a?", "POST /a#b()"]
)
def test_a_place_that_cannot_be_meant_is_refused(key: str) -> None:
    rules: dict[str, Any] = {"owners": {key: "caller.ids"}}
    with pytest.raises(ValidationError, match="write a path that ends with the id"):
        AuthorizePolicy.model_validate(rules)
