"""Row B13: what one GraphQL request may ask for."""

from typing import Any

import pytest

from doorward.controls.validate.graphql import compile_graphql_check
from doorward.controls.validate.policy import GraphqlPolicy
from doorward.denial import Denied
from doorward.exchange import UNPARSED, Exchange, Headers, Request, Source

GOOD = """
query Friends($id: ID!, $first: Int = 10) {
  user(id: $id) { ...Named friends(first: $first) { edges { node { ...Named email @include(if: true) } } } }
}
fragment Named on User { id name  # a comment with { braces {{{
}
"""


def exchange(body: Any = UNPARSED, *, query: str | None = None, name: str | None = None) -> Exchange:
    method = "POST" if query is None else "GET"
    request = Request(method, b"/graphql", b"/graphql", b"", Headers([]))
    made = Exchange(id="0" * 32, now=0.0, ticks=0.0, source=Source(address="192.0.2.1"), request=request)
    made.json_body = body
    if query is not None:
        made.parameters["query", "query"] = query
    if name is not None:
        made.parameters["query", "operationName"] = name
    return made


def code(made: Exchange, **settings: Any) -> str:
    try:
        compile_graphql_check(GraphqlPolicy(**settings))(made)
    except Denied as denied:
        return denied.code
    return ""


def post(query: object, **more: Any) -> Exchange:
    return exchange({"query": query, **more})


@pytest.mark.parametrize(
    "made",
    [
        post(GOOD),
        post(GOOD, operationName="Friends", variables={"id": "1"}),
        post("{ a b c }"),
        post('{ say(text: "a { b { c \\" {", block: """ {{{{ " """) }'),
        post("mutation M { add(x: 1) { id } }"),
        post("query A { a } query B { b }", operationName="B"),
        exchange(query="{ a { b } }"),
        exchange(query="query A { a }", name="A"),
        exchange([{"query": "{ a }"}]),
    ],
)
def test_an_ordinary_request_passes(made: Exchange) -> None:
    assert code(made) == ""


TOO_MUCH = {
    "B13-depth": post("{a" * 12 + "{a}" + "}" * 12),
    "B13-depth-100": post("{a" * 100 + "{a}" + "}" * 100),
    "B13-brackets": post("{a(x:" + "[" * 1000 + "]" * 1000 + ")}"),
    "B13-aliases": post("{" + " ".join(f"a{number}: a" for number in range(1_000)) + "}"),
    "B13-aliases-16": post("{" + " ".join(f"a{number}: a" for number in range(16)) + "}"),
    "B13-directives": post("{a " + "@include(if: true)" * 30 + "}"),
    "B13-directives-of-a-fragment": post("{" + "...F @skip(if: true) " * 30 + "} fragment F on A {a}"),
    "B13-tokens": post("{" + "a " * 10_000 + "}"),
    "B13-fields": post("{" + "a " * 600 + "}"),
    "B13-comments": post("{ a }" + "#\n" * 100_000),
    "B13-cycle": post("{...A} fragment A on X {...B} fragment B on X {...A}"),
    "B13-self": post("{...A} fragment A on X {...A}"),
    "B13-undefined": post("{...A}"),
    "B13-doubling": post(
        "{...F0} "
        + " ".join(f"fragment F{n} on X {{...F{n + 1} ...F{n + 1}}}" for n in range(30))
        + " fragment F30 on X {a}"
    ),
    "B13-chain": post(
        "{...F0} "
        + " ".join(f"fragment F{n} on X {{{'...on X{' * 5}...F{n + 1}{'}' * 5}}}" for n in range(60))
        + " fragment F60 on X {a}"
    ),
    "B13-depth-through-fragments": post(
        "{a{...F0}} "
        + " ".join(f"fragment F{n} on X {{a{{...F{n + 1}}}}}" for n in range(12))
        + " fragment F12 on X {a}"
    ),
    "B13-batch": exchange([{"query": "{ a }"}] * 1_000),
    "B13-batch-of-2": exchange([{"query": "{ a }"}] * 2),
    "two operations": post("query A { a } query B { b }"),
    "two of one name": post("query A { a } query A { b }", operationName="A"),
    "another name": post("query A { a }", operationName="B"),
    "types": post("type A { b: C } { a }"),
    "no operation": post("fragment A on X {a}"),
    "no document": post("{ a "),
    "empty": post(""),
    "no text": post(5),
    "a name that is none": post("{ a }", operationName=5),
    "no query": exchange({"variables": {}}),
    "a text": exchange("{ a }"),
    "a list of texts": exchange(["{ a }"]),
    "an empty list": exchange([]),
    "unread": exchange(),
    "nothing by GET": exchange(query=""),
}


@pytest.mark.parametrize("row", TOO_MUCH)
def test_what_asks_for_too_much_is_refused(row: str) -> None:
    assert code(TOO_MUCH[row]) == "validate.graphql"


@pytest.mark.parametrize(
    "made",
    [
        post("{ __schema { types { name } } }"),
        post('{ __type(name: "User") { fields { name } } }'),
        post("{ a: __schema { types { name } } }"),
        post("{ ...F } fragment F on Query { __schema { types { name } } }"),
        exchange(query="mutation { drop }"),
        exchange(query="subscription { all }"),
    ],
)
def test_introspection_and_changes_by_get_are_not_allowed(made: Exchange) -> None:
    assert code(made) == "authorize.operation"


def test_what_the_policy_allows_passes() -> None:
    assert code(post("{ __schema { types { name } } }"), introspection=True) == ""
    assert code(exchange([{"query": "{ a }"}] * 3), batch=3) == ""
    assert code(TOO_MUCH["B13-depth"], depth=20) == ""
    assert code(post("{ __typename }")) == ""


def test_only_listed_operations_run_where_some_are_listed() -> None:
    settings = {"operations": ["Friends"]}
    assert code(post(GOOD), **settings) == ""
    for other in ("{ a }", "query Other { a }"):
        assert code(post(other), **settings) == "authorize.operation"
