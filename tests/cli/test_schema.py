import json

import jsonschema_rs
import pytest

from doorward.cli.schema import schema_text

SMALLEST = {"api": "openapi.yaml", "upstream": "http://127.0.0.1:8000", "insecure_plain_http": True}


@pytest.fixture(scope="module")
def schema() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(schema_text()))


def test_the_schema_accepts_a_policy(schema: jsonschema_rs.Draft202012Validator) -> None:
    assert schema.is_valid(SMALLEST | {"roles": {"reader": ["GET *"]}, "validate": {}, "issuers": ["local"]})


@pytest.mark.parametrize("wrong", [{"worker": 2}, {"workers": "2"}, {"workers": 0}, {"modes": {"inspect": "of"}}])
def test_the_schema_refuses_what_the_policy_refuses(
    schema: jsonschema_rs.Draft202012Validator, wrong: dict[str, object]
) -> None:
    assert not schema.is_valid(SMALLEST | wrong)


def test_every_top_level_setting_is_explained() -> None:
    document = json.loads(schema_text())

    def explained(described: dict[str, str]) -> bool:
        definition = document["$defs"].get(described.get("$ref", "").rpartition("/")[2], {})
        return "description" in described or "description" in definition

    assert [name for name, described in document["properties"].items() if not explained(described)] == []
