"""Every fault in the documentation has the test it names."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^\| ([0-9]+) \|.*\| `(test_\w+)` \|$", re.MULTILINE)


def test_every_fault_has_its_test_and_every_numbered_test_its_row() -> None:
    rows = _ROW.findall((ROOT / "docs" / "faults.md").read_text(encoding="utf-8"))
    sources = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    missing = [name for _, name in rows if f"def {name}(" not in sources]
    assert missing == []
    numbered = {int(number) for number in re.findall(r"def test_([0-9]{2})_", sources)}
    assert numbered - {int(row) for row, _ in rows} == set()
    assert {int(row) for row, _ in rows} >= {*range(1, 18), 35}
