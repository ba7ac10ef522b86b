"""The catalogue in the documentation and the tests name the same rows."""

import re
from pathlib import Path

from doorward.denial import DENIALS

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "docs" / "hostile-inputs.md"
_ROW = re.compile(r"^\| ([SHPDT][0-9]{1,2}) \|.*\| ([^|]+) \|$", re.MULTILINE)
_NAMED = re.compile(r"""(?:test_|"|Row |Rows )([shpdtSHPDT][0-9]{1,2})(?=[-_": ])""")


def documented() -> dict[str, str]:
    return dict(_ROW.findall(CATALOGUE.read_text(encoding="utf-8")))


def named() -> set[str]:
    found: set[str] = set()
    for folder in ("hostile", "gateway"):
        for file in sorted((ROOT / "tests" / folder).glob("test_*.py")):
            found |= {name.upper() for name in _NAMED.findall(file.read_text(encoding="utf-8"))}
    return found


def test_every_row_has_a_test_and_every_tested_row_is_documented() -> None:
    rows = set(documented())
    assert rows - named() == set()
    assert {row for row in named() if row[0] in "SHPDT"} - rows == set()


def test_every_code_in_the_catalogue_exists() -> None:
    for row, cell in documented().items():
        for code in re.findall(r"`([a-z]+\.[a-z0-9_]+)`(?! \(finding\))", cell):
            assert code in DENIALS, f"{row}: {code}"
