import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from doorward.errors import PolicyError
from doorward.operation import ApiDescription
from doorward.policy.openapi import description_from_document, load_description


def document(version: str = "3.0.3", **more: Any) -> dict[str, Any]:
    return {"openapi": version, "info": {"title": "orders", "version": "1"}, "paths": {}, **more}


def operation(**more: Any) -> dict[str, Any]:
    return {"responses": {"200": {"description": "ok"}}, **more}


def described(version: str = "3.0.3", **more: Any) -> ApiDescription:
    return description_from_document(document(version, **more))


def test_json_and_yaml_say_the_same(tmp_path: Path) -> None:
    data = document(paths={"/x": {"get": operation(operationId="readX")}})
    (tmp_path / "a.json").write_text(json.dumps(data))
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(data))
    one, other = load_description(tmp_path / "a.json"), load_description(tmp_path / "a.yaml")
    assert one.operations == other.operations
    assert one.operations[0].id == "readX"


def test_numeric_keys_and_dates_of_yaml_are_text(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "openapi: 3.0.3\ninfo: {title: t, version: 2020-01-01}\n"
        "paths: {/x: {get: {responses: {200: {description: no}}, parameters: [{name: on, in: query, schema: {enum: [on, off]}}]}}}\n"
    )
    (read,) = load_description(path).operations
    assert list(read.responses) == ["200"]
    assert read.parameters[0].schema == {"enum": ["on", "off"]}


@pytest.mark.parametrize(
    ("servers", "path"),
    [
        ([], "/x"),
        ([{"url": "/"}], "/x"),
        ([{"url": "https://api.example.com/v1/"}], "/v1/x"),
        ([{"url": "https://{host}/v1"}], "/v1/x"),
        ([{"url": "/{base}", "variables": {"base": {"default": "api/v2"}}}], "/api/v2/x"),
        ([{"url": "v1"}], "/v1/x"),
    ],
)
def test_the_path_of_the_first_server_stands_in_front(servers: list[Any], path: str) -> None:
    (read,) = described(servers=servers, paths={"/x": {"get": operation()}}).operations
    assert (read.path, read.template) == (path, "/x")


def test_parameters_of_the_path_are_shared_and_may_be_replaced() -> None:
    shared = [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "q", "in": "query", "schema": {}},
    ]
    own = [
        {"name": "q", "in": "query", "schema": {"type": "integer"}, "explode": False},
        {"name": "Accept", "in": "header", "schema": {}},
    ]
    (read,) = described(paths={"/x/{id}": {"parameters": shared, "get": operation(parameters=own)}}).operations
    assert [(each.name, each.style, each.explode, each.required) for each in read.parameters] == [
        ("id", "simple", False, True),
        ("q", "form", False, False),
    ]


def test_a_path_parameter_that_nobody_describes_is_text() -> None:
    (read,) = described(paths={"/x/{id}": {"get": operation()}}).operations
    assert (read.parameters[0].name, read.parameters[0].schema) == ("id", {"type": "string"})


def test_security_of_an_operation_replaces_that_of_the_document() -> None:
    components = {
        "securitySchemes": {
            "b": {"type": "http", "scheme": "Bearer"},
            "k": {"type": "apiKey", "in": "header", "name": "X-Key"},
        }
    }
    paths = {
        "/a": {"get": operation()},
        "/b": {"get": operation(security=[])},
        "/c": {"get": operation(security=[{"k": [], "b": ["read"]}, {}])},
    }
    a, b, c = described(components=components, security=[{"b": []}], paths=paths).operations
    assert [
        [{scheme.name: scopes for scheme, scopes in each.items()} for each in read.security] for read in (a, b, c)
    ] == [
        [{"b": ()}],
        [],
        [{"k": (), "b": ("read",)}, {}],
    ]
    assert next(iter(a.security[0])).http_scheme == "bearer"


def test_content_types_are_lower_case_without_parameters() -> None:
    body = {"content": {"Application/JSON; charset=utf-8": {"schema": {"type": "object"}}}}
    (read,) = described(paths={"/x": {"post": operation(requestBody=body)}}).operations
    assert read.request_body is not None
    assert list(read.request_body.content) == ["application/json"]


def test_a_loaded_document_may_be_stored_and_loaded_again() -> None:
    schema = {"type": "integer", "nullable": True, "minimum": 1, "exclusiveMinimum": True}
    body = {"content": {"application/json": {"schema": schema}}}
    once = described(paths={"/x": {"post": operation(requestBody=body)}})
    again = description_from_document(json.loads(json.dumps(once.document)))
    assert again.operations == once.operations
    assert again.version == "3.0.3"
    assert schema["nullable"] is True, "the document given is not changed"


def test_resolve_follows_chains_of_references() -> None:
    schemas = {
        "A": {"$ref": "#/components/schemas/B"},
        "B": {"type": "string"},
        "C": {"$ref": "#/components/schemas/C"},
    }
    description = described("3.1.0", components={"schemas": {"A": schemas["A"], "B": schemas["B"]}})
    assert description.resolve({"$ref": "#/components/schemas/A"}) == {"type": "string"}
    assert description.resolve({"type": "null"}) == {"type": "null"}
    with pytest.raises(PolicyError, match="leads back to itself"):
        described("3.1.0", components={"schemas": schemas})


@pytest.mark.parametrize(
    ("data", "key", "problem"),
    [
        ({"swagger": "2.0"}, "#/swagger", "Swagger 2.0"),
        ({"paths": {}}, "#", "is not an OpenAPI document"),
        (document("4.0.0"), "#/openapi", "is not supported"),
        (document(paths=[]), "#/paths", "is not an object"),
        (document(paths={"x": {}}), "#/paths/x", "does not start with a slash"),
        (document(paths={"/x": {"get": 3}}), "#/paths/~1x/get", "is not an object"),
        (document(paths={"/x": {"get": operation(parameters={})}}), "#/paths/~1x/get/parameters", "is not a list"),
        (document(paths={"/x": {"get": operation(parameters=[{"in": "query"}])}}), "#/paths/~1x/get/parameters/0", "without a name"),
        (document(paths={"/x": {"get": operation(parameters=[{"name": "a", "in": "querry"}])}}), "#/paths/~1x/get/parameters/0", "`in` is"),
        (document(paths={"/x": {"get": operation(parameters=[{"name": "a", "in": "path"}])}}), "#/paths/~1x/get/parameters/0", "has no parameter"),
        (document(paths={"/x": {"get": operation(parameters=[{"name": "a", "in": "query", "style": "matrix"}])}}), "#/paths/~1x/get/parameters/0", "style"),
        (document(paths={"/x": {"get": operation(parameters=[{"name": "a", "in": "query"}] * 2)}}), "#/paths/~1x/get/parameters/1", "described twice"),
        (document(paths={"/x": {"get": {"responses": {"20": {}}}}}), "#/paths/~1x/get/responses/20", "is not a response status"),
        (document(paths={"/x": {"get": operation(security=[{"b": []}])}}), "#/paths/~1x/get/security/0", "there is no security scheme"),
        (document(components={"securitySchemes": {"b": {"type": "htp"}}}), "#/components/securitySchemes/b", "has the type"),
        (document(components={"securitySchemes": {"b": {"type": "apiKey"}}}), "#/components/securitySchemes/b", "where the key travels"),
        (document(components={"schemas": {"A": {"$ref": "#/no"}}}), "#/components/schemas/A", "points at nothing"),
        (document(components={"schemas": {"A": {"$ref": "https://x/y"}}}), "#/components/schemas/A", "is not a JSON pointer"),
        (document(paths={"/x": {"get": operation(requestBody={"$ref": "#/no"})}}), "#/paths/~1x/get/requestBody", "points at nothing"),
    ],
)  # fmt: skip
def test_a_document_that_is_wrong_names_the_place(data: dict[str, Any], key: str, problem: str) -> None:
    with pytest.raises(PolicyError) as mistake:
        description_from_document(data)
    assert mistake.value.key == key
    assert problem in mistake.value.problem


def test_a_mistake_in_a_file_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("openapi: 3.0.3\npaths:\n  /x:\n    get:\n      parameters:\n        - {in: query}\n")
    with pytest.raises(PolicyError) as mistake:
        load_description(path)
    assert (mistake.value.file, mistake.value.line) == (str(path), 6)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not an API description"),
        (b"[]", "is not an API description"),
        (b"{", "not"),
        (b'{"a":1,"a":2}', "Detected duplicate"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_what_is_no_document_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(PolicyError, match=problem):
        load_description(path)
