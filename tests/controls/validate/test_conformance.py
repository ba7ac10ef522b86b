import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doorward.controls.validate.json_text import JsonReader
from doorward.controls.validate.judge import Judge
from doorward.controls.validate.policy import ValidatePolicy
from doorward.denial import Denied
from doorward.policy.dialect import SchemaWalk, modernise
from doorward.policy.pointer import found

# References by name instead of by place: a description that holds them does not load, so they are never judged.
BY_NAME = (
    '"$ref": "http',
    '"$ref": "urn:',
    '"$ref": "#foo',
    '"$id"',
    '"$anchor"',
    '"$dynamicRef"',
    '"$dynamicAnchor"',
    '"id"',
    '"$vocabulary"',
)

ITEM_LISTS = ("relative pointer ref to array",)
"""Draft 4 lists of `items`, which OpenAPI 3.0 does not have, referred to by their place."""


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def test_json_texts_are_accepted_and_refused_as_the_published_suite_says(corpora: Path) -> None:
    reader = JsonReader(ValidatePolicy(json_depth=200))
    wrong = []
    for row in _rows(corpora / "jsontestsuite.jsonl"):
        try:
            reader.read(row["payload"].encode("latin-1"))
        except Denied as denied:
            # A member named twice is JSON, and two readers take two values of it: refused on purpose.
            if row["expect"] == "pass" and denied.code != "validate.json_duplicate":
                wrong.append((row["name"], denied.code))
        else:
            if row["expect"] == "block":
                wrong.append((row["name"], "accepted"))
    assert wrong == []


def test_schemas_judge_as_the_published_suite_says(corpora: Path) -> None:
    policy = ValidatePolicy(allow_unknown_properties=True, read_only_properties="allow")
    wrong, judged = [], 0
    for row in _rows(corpora / "jsonschema.jsonl"):
        schema = row["schema"]
        text = json.dumps(schema)
        if row["group"] in ITEM_LISTS or "only an annotation" in row["test"]:
            continue  # formats are judged here: a gateway that lets a wrong date pass has not validated it
        if row.get("optional") or row.get("remote") or any(word in text for word in BY_NAME):
            continue
        try:
            if row["draft"] == "draft4":
                walk = SchemaWalk(schema, modernise)
                walk.waiting.append((schema, "#"))
                walk.run()
            verdict = "pass" if Judge(schema, schema, policy, "#").fits(json.loads(row["payload"])) else "block"
        except Exception as error:  # noqa: BLE001 -- a crash is as wrong as a wrong verdict
            verdict = f"{type(error).__name__}: {error}"
        judged += 1
        if verdict != row["expect"]:
            wrong.append((row["id"], row["group"], row["test"], verdict))
    assert wrong == [], len(wrong)
    assert judged > 1000


def test_a_pointer_finds_what_it_names() -> None:
    assert found({"a/b": [{"c~d": 1}]}, "#/a~1b/0/c~0d") == 1
