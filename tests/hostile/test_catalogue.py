"""The catalogue in the documentation and the tests that are collected name the same rows; each S, H, P row has a twin."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from doorward.denial import DENIALS

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "docs" / "hostile-inputs.md"
_ROW = re.compile(r"^\| ([SHPDTB][0-9]{1,2}) \|.*\| ([^|]+) \|$", re.MULTILINE)
_IN_NAME = re.compile(r"::test_([shpdtb][0-9]{1,2})_")
_IN_CASE = re.compile(r"\[(?:[a-z]+-)?([SHPDTB][0-9]{1,2})[-\]]")
# A row whose twin is no row of a table: what each name says of itself.
_HARMLESS = re.compile(
    r"twin|passes|passed_over|is_whole|is_what_is_forwarded|is_answered|answered_in_order|goes_on|loads|told_to_go_on"
)


def documented() -> dict[str, str]:
    return dict(_ROW.findall(CATALOGUE.read_text(encoding="utf-8")))


@cache
def collected() -> tuple[str, ...]:
    """The ids of the tests that a run would execute."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    folders = [str(ROOT / "tests" / folder) for folder in ("hostile", "gateway", "controls/validate", "schemas")]
    done = subprocess.run([*command, *folders], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return tuple(line for line in done.stdout.splitlines() if "::" in line)


def rows_of(test: str) -> set[str]:
    return {row.upper() for pattern in (_IN_NAME, _IN_CASE) for row in pattern.findall(test)}


def test_every_row_has_a_test_and_every_tested_row_is_documented() -> None:
    assert set().union(*map(rows_of, collected())) == set(documented())


def test_every_row_of_framing_headers_and_paths_has_a_harmless_twin() -> None:
    twins = set().union(*(rows_of(test) for test in collected() if _HARMLESS.search(test.partition("[")[0])))
    assert {row for row in documented() if row[0] in "SHP"} - twins == set()


def test_every_code_in_the_catalogue_exists() -> None:
    for row, cell in documented().items():
        for code in re.findall(r"`([a-z]+\.[a-z0-9_]+)`(?! \(finding\))", cell):
            assert code in DENIALS, f"{row}: {code}"
