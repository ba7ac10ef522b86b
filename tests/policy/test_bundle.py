from pathlib import Path

import pytest

from doorward.errors import PolicyError
from doorward.policy.openapi import description_from_document, load_description

ROOT = """\
openapi: 3.1.0
info: {title: t, version: "1"}
paths:
  /x:
    $ref: parts/paths.yaml#/x
"""
PATHS = """\
x:
  post:
    requestBody:
      content:
        application/json: {schema: {$ref: "schemas.json#/Order"}}
    responses: {"200": {$ref: "#/ok"}}
ok: {description: ok}
"""
SCHEMAS = '{"Order": {"properties": {"next": {"$ref": "#/Order"}, "root": {"$ref": "../root.yaml#/info"}}}}'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "root.yaml").write_text(ROOT)
    (tmp_path / "parts/paths.yaml").write_text(PATHS)
    (tmp_path / "parts/schemas.json").write_text(SCHEMAS)
    return tmp_path / "root.yaml"


def test_local_files_become_one_document_that_needs_no_other(root: Path) -> None:
    description = load_description(root)
    again = description_from_document(description.document)
    for each in (description, again):
        (operation,) = each.operations
        assert operation.request_body is not None
        schema = operation.request_body.content["application/json"].schema
        assert schema is not None
        order = each.resolve(schema)
        assert each.resolve(order["properties"]["next"]) is order
        assert each.resolve(order["properties"]["root"])["title"] == "t"


def test_a_mistake_in_another_file_names_that_file_and_its_line(root: Path) -> None:
    other = root.parent / "parts/paths.yaml"
    other.write_text(PATHS.replace('"#/ok"', '"#/okay"'))
    with pytest.raises(PolicyError) as mistake:
        load_description(root)
    assert (mistake.value.file, mistake.value.line) == (str(other), 6)


@pytest.mark.parametrize(
    "reference",
    ["https://example.com/a.yaml#/x", "file:///etc/passwd", "/etc/passwd", "parts/absent.yaml#/x", "//host/x"],
)
def test_nothing_is_fetched_and_no_absolute_path_read(root: Path, reference: str) -> None:
    root.write_text(ROOT.replace("parts/paths.yaml#/x", reference))
    with pytest.raises(PolicyError, match=r"is not a local file|no such file"):
        load_description(root)


def test_a_reference_in_an_example_is_only_an_example(root: Path) -> None:
    root.write_text(
        ROOT + "components: {schemas: {A: {example: {$ref: 'https://x/'}, properties: {example: {type: string}}}}}\n"
    )
    assert len(load_description(root).operations) == 1


def test_aliases_cannot_blow_a_document_up(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(PolicyError, match="too many values"):
        load_description(tmp_path / "bomb.yaml")
