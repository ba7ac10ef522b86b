"""The examples of the control's page are policies that load."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from doorward.errors import PolicyError
from doorward.policy.document import Policy
from doorward.policy.loading import load_policy
from doorward.policy.openapi import description_from_document
from doorward.policy.review import relaxations, review

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


@pytest.mark.parametrize(
    ("address", "is_told"),
    [("/run/clamd.ctl", False), ("127.0.0.1:3310", False), ("localhost:1", False), ("scanner.internal:3310", True)],
)
def test_a_scanner_elsewhere_is_told_to_the_operator(address: str, is_told: bool, tmp_path: Path) -> None:
    policy = loaded(tmp_path, f"validate: {{antivirus: {{address: '{address}', insecure_pass_unscanned: true}}}}\n")
    description = description_from_document({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}})
    found = {finding.key for finding in review(policy, description)}
    assert "validate.antivirus.insecure_pass_unscanned" in found
    assert ("validate.antivirus.address" in found) is is_told


@pytest.mark.parametrize(
    "address", ["run/clamd.ctl", "clamd", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "http://a:1", "/" + "x" * 120]
)
def test_an_address_that_is_none_does_not_load(address: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as error:
        loaded(tmp_path, f"validate: {{antivirus: {{address: '{address}'}}}}\n")
    assert error.value.key == "validate.antivirus.address"
