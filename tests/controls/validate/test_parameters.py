from functools import partial
from typing import Any

import pytest
from tests.controls.validate.carrying import code_of, denial_of, document_of, query_document, sender

INTEGER = {"type": "integer"}
INTEGERS = {"type": "array", "items": INTEGER}
POINT = {"type": "object", "properties": {"x": INTEGER, "y": {"type": "string"}}}


def query(name: str, schema: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, **more}


@pytest.mark.parametrize(
    ("parameter", "target", "value"),
    [
        (query("n", INTEGER), b"n=-12", -12),
        (query("n", {"type": "number"}), b"n=1.5e3", 1500.0),
        (query("n", {"type": "boolean"}), b"n=true", True),
        (query("n", {"type": "string"}), b"n=12", "12"),
        (query("n", {"anyOf": [INTEGER, {"type": "null"}]}), b"n=12", 12),
        (query("n", {"enum": [1, 2]}), b"n=2", 2),
        (query("n", {"type": "string"}), b"n=a+b%20c%C3%A9", "a b cé"),
        (query("n", INTEGERS), b"n=1&n=2", [1, 2]),
        (query("n", INTEGERS, explode=False), b"n=1,2", [1, 2]),
        (query("n", INTEGERS, style="spaceDelimited", explode=False), b"n=1%202", [1, 2]),
        (query("n", INTEGERS, style="pipeDelimited", explode=False), b"n=1%7C2", [1, 2]),
        (query("n", POINT, style="deepObject"), b"n[x]=1&n%5By%5D=b", {"x": 1, "y": "b"}),
        (query("n", POINT), b"x=1&y=b", {"x": 1, "y": "b"}),
        (query("n", POINT, explode=False), b"n=x,1,y,b", {"x": 1, "y": "b"}),
        (
            {"name": "n", "in": "query", "content": {"application/json": {"schema": POINT}}},
            b"n=%7B%22x%22:1%7D",
            {"x": 1},
        ),
    ],
)
def test_a_query_parameter_becomes_the_value_its_style_means(parameter: Any, target: bytes, value: object) -> None:
    exchange = sender(query_document(parameter))("GET", b"/things?" + target)
    assert exchange.parameters == {("query", "n"): value}
    assert type(exchange.parameters["query", "n"]) is type(value)


@pytest.mark.parametrize(
    ("parameter", "target"),
    [
        (query("n", INTEGER), b"n=012"),
        (query("n", INTEGER), b"n=+1"),
        (query("n", INTEGER), b"n=1.0"),
        (query("n", INTEGER), b"n="),
        (query("n", INTEGER), "n=\u0661".encode()),
        (query("n", INTEGER), b"n=%D9%A1"),
        (query("n", INTEGER), b"n=" + b"9" * 100),
        (query("n", {"type": "number"}), b"n=1e999"),
        (query("n", {"type": "number"}), b"n=NaN"),
        (query("n", {"type": "boolean"}), b"n=True"),
        (query("n", {"type": "boolean"}), b"n=1"),
        (query("n", INTEGER), b"n=1&n=1"),
        (query("n", INTEGER), b"m=1"),
        (query("n", INTEGER), b"N=1"),
        (query("n", {"type": "string"}), b"n=%zz"),
        (query("n", {"type": "string"}), b"n=%"),
        (query("n", {"type": "string"}), b"n=%ff"),
        (query("n", {**INTEGER, "maximum": 5}), b"n=6"),
        (query("n", {"enum": ["a", "b"]}), b"n=c"),
        (query("n", {"type": "string", "format": "uuid"}), b"n=x"),
        (query("n", {"type": "string", "pattern": "^a+$"}), b"n=b"),
        (query("n", {**INTEGERS, "maxItems": 1}), b"n=1&n=2"),
        (query("n", POINT, style="deepObject"), b"n[z]=1"),
        (query("n", POINT, style="deepObject"), b"n[x][y]=1"),
        (query("n", POINT, style="deepObject"), b"n[x]=1&n[x]=2"),
        (query("n", POINT, explode=False), b"n=x,1,y"),
        (query("n", POINT, explode=False), b"n=x,1,x,2"),
        (query("n", INTEGER, required=True), b""),
        ({"name": "n", "in": "query", "content": {"application/json": {"schema": POINT}}}, b"n=%7B"),
        ({"name": "n", "in": "query", "content": {"application/json": {"schema": POINT}}}, b"n=%7B%22z%22:1%7D"),
        (query("n", {"type": "string"}), b"&".join([b"n=1"] * 1001)),
    ],
)
def test_a_query_that_does_not_fit_is_refused(parameter: Any, target: bytes) -> None:
    denied = denial_of(lambda: sender(query_document(parameter))("GET", b"/things?" + target))
    assert denied.code == "validate.parameter"


def test_a_refusal_names_the_parameter_and_never_the_value() -> None:
    denied = denial_of(lambda: sender(query_document(query("n", INTEGER)))("GET", b"/things?n=hunter2"))
    assert denied.public == {"errors": [{"in": "query", "parameter": "n", "detail": "must be of type integer"}]}
    assert "hunter2" not in str(denied)


def test_an_undeclared_query_parameter_may_be_allowed() -> None:
    assert code_of(lambda: sender(query_document())("GET", b"/things?m=1")) == "validate.parameter"
    assert code_of(lambda: sender(query_document(), allow_unknown_parameters=True)("GET", b"/things?m=1")) == ""


def test_the_parameter_of_an_api_key_is_declared_by_its_security_scheme() -> None:
    document = query_document(
        components={"securitySchemes": {"key": {"type": "apiKey", "in": "query", "name": "api_key"}}},
        security=[{"key": []}],
    )
    assert code_of(lambda: sender(document)("GET", b"/things?api_key=x")) == ""
    assert code_of(lambda: sender(document)("GET", b"/things?apikey=x")) == "validate.parameter"


def test_an_object_that_takes_any_member_takes_every_query_parameter() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    exchange = sender(query_document(query("n", schema)))("GET", b"/things?a=1&b=2")
    assert exchange.parameters["query", "n"] == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("style", "explode", "schema", "segment", "value"),
    [
        ("simple", False, INTEGER, b"5", 5),
        ("simple", False, INTEGERS, b"1,2", [1, 2]),
        ("simple", False, POINT, b"x,1,y,b", {"x": 1, "y": "b"}),
        ("simple", True, POINT, b"x=1,y=b", {"x": 1, "y": "b"}),
        ("label", False, INTEGER, b".5", 5),
        ("label", True, INTEGERS, b".1.2", [1, 2]),
        ("label", False, INTEGERS, b".1,2", [1, 2]),
        ("matrix", False, INTEGER, b";id=5", 5),
        ("matrix", True, INTEGERS, b";id=1;id=2", [1, 2]),
        ("matrix", False, INTEGERS, b";id=1,2", [1, 2]),
        ("matrix", True, POINT, b";x=1;y=b", {"x": 1, "y": "b"}),
    ],
)
def test_a_path_parameter_becomes_the_value_its_style_means(
    style: str, explode: bool, schema: Any, segment: bytes, value: object
) -> None:
    exchange = sender(path_document(schema, style=style, explode=explode))("GET", b"/things/" + segment)
    assert exchange.parameters == {("path", "id"): value}


@pytest.mark.parametrize(
    ("style", "explode", "schema", "segment"),
    [
        ("simple", False, INTEGER, b"x"),
        ("simple", False, INTEGERS, b"1,x"),
        ("simple", False, INTEGERS, b"1%2C2"),
        ("simple", False, POINT, b"x,1,y"),
        ("label", False, INTEGER, b"5"),
        ("matrix", False, INTEGER, b"5"),
        ("matrix", False, INTEGER, b";other=5"),
        ("matrix", False, INTEGER, b";id=5;id=6"),
    ],
)
def test_a_path_that_does_not_fit_is_refused(style: str, explode: bool, schema: Any, segment: bytes) -> None:
    send = sender(path_document(schema, style=style, explode=explode))
    assert code_of(lambda: send("GET", b"/things/" + segment)) == "validate.parameter"


def path_document(schema: Any, *, style: str, explode: bool) -> Any:
    parameter = {"name": "id", "in": "path", "required": True, "schema": schema, "style": style, "explode": explode}
    return document_of({"/things/{id}": {"get": {"parameters": [parameter], "responses": {}}}})


def test_header_and_cookie_parameters_are_judged() -> None:
    document = query_document(
        {"name": "X-Ids", "in": "header", "schema": INTEGERS},
        {"name": "X-One", "in": "header", "schema": INTEGER},
        {"name": "session", "in": "cookie", "required": True, "schema": {"type": "string", "maxLength": 3}},
    )
    send = sender(document)
    cookie = (b"cookie", b"other=1; session=abc")
    exchange = send("GET", b"/things", [cookie, (b"x-ids", b"1, 2"), (b"x-ids", b"3")])
    assert exchange.parameters == {("header", "X-Ids"): [1, 2, 3], ("cookie", "session"): "abc"}
    for wrong in (
        [],
        [(b"cookie", b"session=abcd")],
        [(b"cookie", b"session=a; session=b")],
        [(b"cookie", b"session=a"), (b"cookie", b"session=b")],
        [cookie, (b"x-ids", b"1,x")],
        [cookie, (b"x-one", b"1"), (b"x-one", b"1")],
        [cookie, (b"x-one", b"\xff")],
    ):
        assert code_of(partial(send, "GET", b"/things", wrong)) == "validate.parameter", wrong


def test_headers_and_cookies_that_nobody_declared_pass() -> None:
    assert code_of(lambda: sender(query_document())("GET", b"/things", [(b"x-any", b"1"), (b"cookie", b"a=1")])) == ""
