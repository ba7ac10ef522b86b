import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from doorward.cli import app
from doorward.controls.inspect.evaluation import Case, tally
from doorward.errors import PolicyError

CASES = [
    {"payload": "x' OR '1'='1", "expect": "block", "class": "sql", "source": "a", "tier": "A"},
    {"payload": "' UNION SELECT 1,2 --", "expect": "block", "class": "sql", "source": "b", "tier": "A"},
    {"payload": "nothing of the kind", "expect": "block", "class": "sql", "source": "b", "tier": "B"},
    {"payload": "O'Brien", "expect": "pass", "class": "name", "raw": "is passed over"},
    {"payload": '{"a": ["{{7*7}}"]}', "class": "ssti"},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(json.dumps(case) + "\n" for case in CASES) + "\n", encoding="utf-8")
    return path


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["inspect", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def test_texts_are_judged_as_the_gateway_would() -> None:
    status, said = run("x' OR '1'='1", "O'Brien")
    assert status == 1
    assert said.splitlines()[0].startswith("refused  inspect.sql  ")
    assert said.splitlines()[1] == "passes"
    assert run("O'Brien") == (0, "passes\n")


def test_a_text_for_machines() -> None:
    status, said = run("--json", "{{7*7}}")
    assert status == 1
    assert json.loads(said)["refused"]["threat"] == "template"


def test_a_file_is_tallied_by_class_and_source(file: Path) -> None:
    status, said = run("--json", "--file", str(file))
    assert status == 1
    rows = {(row["kind"], row["source"]): (row["cases"], row["refused"], row["rate"]) for row in json.loads(said)}
    assert rows == {
        ("sql", "all"): (3, 2, 0.6667),
        ("sql", "a"): (1, 1, 1.0),
        ("sql", "b"): (2, 1, 0.5),
        ("name", "-"): (1, 0, 0.0),
        ("ssti", "-"): (1, 1, 1.0),
    }


def test_a_tier_is_chosen_and_a_table_printed(file: Path) -> None:
    status, said = run("--tier", "A", "--file", str(file))
    assert status == 0
    assert "100.0%" in said


def test_what_was_judged_otherwise_is_printed(file: Path) -> None:
    status, said = run("--wrong", "--file", str(file))
    assert status == 1
    assert [json.loads(line)["payload"] for line in said.splitlines()] == ["nothing of the kind"]


@pytest.mark.parametrize(("content", "where"), [("{}\n", "1"), ('{"payload": 5}', "1"), ('{"payload": ""}\nnope', "2")])
def test_a_line_that_is_no_case_is_named(tmp_path: Path, content: str, where: str) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PolicyError, match=rf"cases.jsonl:{where}"):
        run("--file", str(path))


@pytest.mark.parametrize("arguments", [[], ["--file", "/nowhere/cases.jsonl"], ["--file", "x", "text"]])
def test_without_something_to_judge_there_is_a_hint(arguments: list[str]) -> None:
    with pytest.raises(PolicyError):
        run(*arguments)


def test_a_document_that_must_pass_is_judged_by_its_texts() -> None:
    (row,) = tally([Case('{"$ref": "#/a", "b": ["x"]}', "pass")])
    assert row.refused == 0
