"""The suite's modules, each under its own name, and the page that tells of them."""

import re
from pathlib import Path

import pytest
from tests.conformance.ground import Ground
from tests.conformance.scorecard import PLANS, Module, all_modules, page

ROOT = Path(__file__).parents[2]
NAMES = ROOT.parent / "shared" / "reference" / "oidf-test-names.txt"


def _played() -> list[object]:
    marks = {"failed": lambda found: [pytest.mark.xfail(reason=found.reason, raises=AssertionError)]}
    return [
        pytest.param(found, id=found.name, marks=marks[found.state](found) if found.state in marks else [])
        for found in all_modules()
    ]


@pytest.mark.parametrize("played", _played())
def test_module(played: Module, ground: Ground) -> None:
    if played.check is None:
        pytest.skip(played.reason)
    played.check(ground)


def test_each_plan_is_whole() -> None:
    found = [module.plan for module in all_modules()]
    assert {plan: found.count(plan) for plan in PLANS} == {plan: count for plan, (_, count) in PLANS.items()}


def test_the_names_are_the_suites_own() -> None:
    if not NAMES.is_file():
        pytest.skip("the list of the suite's names is not beside this checkout")
    known = re.findall(r"^([a-z0-9_A-Z-]+) \|", NAMES.read_text(), re.MULTILINE)
    assert [module.name for module in all_modules()] == [name for name in known if name in _names()]


def _names() -> set[str]:
    return {module.name for module in all_modules()}


def test_the_page_says_what_the_tests_say() -> None:
    assert (ROOT / "docs" / "conformance.md").read_text() == page(), (
        ".venv/bin/python -m tests.conformance.scorecard > docs/conformance.md"
    )
