import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from doorward import cli

API = """\
openapi: 3.1.0
info: {title: t, version: "1"}
paths:
  /orders: {get: {responses: {}}}
"""
POLICY = """\
api: openapi.yaml
upstream: http://127.0.0.1:8000
insecure_plain_http: true
roles: {reader: [GET *]}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "openapi.yaml").write_text(API)
    (tmp_path / "doorward.yaml").write_text(POLICY)
    return tmp_path


def check(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["check", "--policy", str(directory / "doorward.yaml"), *arguments])


def test_a_good_policy_is_shown_with_its_relaxations(directory: Path) -> None:
    result = check(directory)
    assert result.exit_code == 0
    assert "GET /orders" in result.stdout
    assert "reader" in result.stdout
    assert f"insecure_plain_http: is set: this relaxes a protection ({directory / 'doorward.yaml'}:3)" in result.stderr


def test_a_mistake_has_file_line_key_and_hint(directory: Path) -> None:
    (directory / "doorward.yaml").write_text(POLICY + "workrs: 2\n")
    result = check(directory)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"error: workrs: is not a known key ({directory / 'doorward.yaml'}:5)",
        "hint:  did you mean `workers`?",
    ]


def test_a_mistake_in_the_description_names_the_description(directory: Path) -> None:
    pattern = "{get: {parameters: [{name: a, in: query, schema: {pattern: '(?=x)'}}], responses: {}}}"
    (directory / "openapi.yaml").write_text(API.replace("{get: {responses: {}}}", pattern))
    result = check(directory)
    assert result.exit_code == 1
    assert f"({directory / 'openapi.yaml'}:4)" in result.stderr


def test_a_rule_that_guards_nothing_fails_the_check(directory: Path) -> None:
    (directory / "doorward.yaml").write_text(POLICY + "public: [GET /order]\n")
    result = check(directory)
    assert result.exit_code == 1
    assert "did you mean `GET /orders`?" in result.stderr


def test_json_is_the_only_thing_on_standard_output(directory: Path) -> None:
    good = json.loads(check(directory, "--json").stdout)
    assert good["errors"] == []
    assert [each["key"] for each in good["warnings"]] == ["insecure_plain_http", "GET /orders"]
    assert [each["path"] for each in good["operations"]] == ["/orders"]
    (directory / "doorward.yaml").write_text(POLICY + "workrs: 2\n")
    bad = check(directory, "--json")
    assert bad.exit_code == 1
    assert [(each["key"], each["line"]) for each in json.loads(bad.stdout)["errors"]] == [("workrs", 5)]


def test_a_policy_that_is_not_there_is_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["doorward", "check", "--policy", str(tmp_path / "absent.yaml")])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
