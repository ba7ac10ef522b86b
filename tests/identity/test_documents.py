"""The policies shown in the documents load."""

import re
from pathlib import Path

import pytest

from doorward.policy.loading import load_policy

DOCUMENTS = [Path(__file__).parents[2] / "docs" / name for name in ("identity.md", "account-takeover.md")]
EXAMPLES = [
    example for page in DOCUMENTS for example in re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_policy_shown_loads(example: str, tmp_path: Path) -> None:
    path = tmp_path / "doorward.yaml"
    path.write_text(f"api: openapi.yaml\nupstream: http://127.0.0.1:8000\ninsecure_plain_http: true\n{example}")
    assert load_policy(path, {"MAIL_PASSWORD": "secret"}).issuer.url.startswith("https://")
