import copy
from typing import Any

import pytest

from doorward.policy.dialect import modernise


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"nullable": True}, {}),
        ({"type": "string", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"allOf": [{"$ref": "#/a"}], "nullable": True}, {"anyOf": [{"allOf": [{"$ref": "#/a"}]}, {"type": "null"}]}),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"minimum": 1, "exclusiveMinimum": False}, {"minimum": 1}),
        ({"maximum": 1, "exclusiveMaximum": True}, {"exclusiveMaximum": 1}),
        ({"exclusiveMaximum": True}, {}),
        ({"exclusiveMaximum": 5}, {"exclusiveMaximum": 5}),
        ({"$ref": "#/a", "nullable": True, "minimum": 3, "readOnly": True}, {"$ref": "#/a", "readOnly": True}),
        ({"items": [{}], "additionalItems": False}, {"prefixItems": [{}], "items": False}),
        ({"dependencies": {"a": ["b"], "c": {}}}, {"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {}}}),
    ],
)
def test_a_schema_of_3_0_means_the_same_in_2020_12(written: dict[str, Any], meant: dict[str, Any]) -> None:
    schema = copy.deepcopy(written)
    modernise(schema)
    assert schema == meant
    modernise(schema)
    assert schema == meant, "converting twice changes nothing more"
