"""The examples of the control's page are policies that load."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from doorward.policy.document import Policy
from doorward.policy.loading import load_policy
from doorward.policy.review import relaxations

PAGE = Path(__file__).parents[3] / "docs" / "controls" / "validate.md"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
BASE = "api: openapi.yaml\nupstream: http://127.0.0.1:8000\ninsecure_plain_http: true\n"


def loaded(directory: Path, example: str) -> Policy:
    (directory / "doorward.yaml").write_text(BASE + example)
    return load_policy(directory / "doorward.yaml")


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_of_the_page_loads(example: str, tmp_path: Path) -> None:
    policy = loaded(tmp_path, example)
    written: dict[str, Any] = yaml.safe_load(example)
    assert set(written) <= {field.alias or name for name, field in Policy.model_fields.items()}
    assert policy.model_fields_set - {"api", "upstream", "insecure_plain_http"}


def test_archives_are_opened_where_the_example_says_so(tmp_path: Path) -> None:
    policy = loaded(tmp_path, next(example for example in EXAMPLES if "archives" in example))
    settings = policy.operations["POST /documents"].validate_
    assert settings is not None
    assert settings.archives is not None
    assert settings.archives.depth == 2
    assert policy.validate_.archives is None


def test_a_relaxation_of_uploads_is_listed(tmp_path: Path) -> None:
    policy = loaded(tmp_path, "validate: {insecure_active_svg: true}\n")
    assert "validate.insecure_active_svg" in [finding.key for finding in relaxations(policy)]
