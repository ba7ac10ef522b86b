"""Which trouble ends the control process, and which is only told."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from doorward.errors import PolicyError, PolicyErrors
from doorward.gateway.control.outliving import MISTAKES, Attempt, tell

TROUBLES = [
    PolicyError("is missing", key="tls"),
    OSError(28, "No space left on device"),
    OperationalError("SELECT 1", None, Exception("database is locked")),
]


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as found:
        yield found


@pytest.mark.parametrize("trouble", TROUBLES, ids=["operator", "disk", "store"])
def test_what_operator_disk_or_store_can_cause_is_told_and_outlived(trouble: Exception, lines: list[Any]) -> None:
    with Attempt("what was stays") as made:
        raise trouble
    assert not made.succeeded
    assert [line["event"] for line in lines] == ["what was stays"]


@pytest.mark.parametrize("trouble", [ValueError("a mistake of ours"), KeyboardInterrupt()], ids=["ours", "the end"])
def test_anything_else_ends_what_met_it(trouble: BaseException, lines: list[Any]) -> None:
    with pytest.raises(type(trouble)), Attempt("what was stays"):
        raise trouble
    assert lines == []


def test_a_part_of_work_that_is_tried_again_outlives_mistakes_alone(lines: list[Any]) -> None:
    with pytest.raises(OSError, match="No space"), Attempt("what was stays", MISTAKES):
        raise OSError(28, "No space left on device")
    with Attempt("what was stays", MISTAKES):
        raise PolicyError("is missing", key="tls")
    assert [line["key"] for line in lines] == ["tls"]


def test_work_that_meets_no_trouble_has_succeeded(lines: list[Any]) -> None:
    with Attempt("what was stays") as made:
        pass
    assert made.succeeded
    assert lines == []


def test_each_mistake_of_several_is_told_with_its_place(lines: list[Any]) -> None:
    first = PolicyError("is missing", key="tls", file="doorward.yaml", line=3, hint="write tls: above")
    tell(PolicyErrors([first, PolicyError("is no policy", file="doorward.yaml")]), "policy refused")
    assert [(line["key"], line["place"], line["hint"]) for line in lines] == [
        ("tls", "doorward.yaml:3", "write tls: above"),
        ("", "doorward.yaml", ""),
    ]
