"""`python -m bench.detection [--json] [--misses CLASS] [--alarms]`: block rate per class and source, false positives.

Reads the lists beside the repository (`../shared/corpora`, or `--corpora DIR`). Data only: nothing is sent anywhere.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doorward.controls.inspect.check import judge_text
from doorward.controls.inspect.verdict import Verdict

CLASSES = {"sqli": "sql", "xss": "xss", "cmdi": "command", "traversal": "traversal"}
ATTACKS = ("lists_fuzzdb", "lists_patt", "lists_blns")
BENIGN = ("benign_openapi_values", "benign_openapi_bodies", "benign_blns")


def main() -> int:
    """Exit status: 0 when the lists were found, 2 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, default=Path(__file__).parents[2].parent / "shared" / "corpora")
    parser.add_argument("--json", action="store_true", help="print rows as JSON and nothing else")
    parser.add_argument("--misses", default="", metavar="CLASS", help="print the attacks of one class that passed")
    parser.add_argument("--alarms", action="store_true", help="print the harmless texts that were refused")
    given = parser.parse_args()
    if not given.corpora.is_dir():
        print(f"no lists at {given.corpora}", file=sys.stderr)
        return 2
    if given.misses:
        for row in _rows(given.corpora, ATTACKS):
            if row["class"] == given.misses and row["tier"] == "A" and judge_text(row["payload"]) is None:
                print(f"{row['source']}\t{row['payload']!r}")
        return 0
    if given.alarms:
        for row in _rows(given.corpora, BENIGN):
            verdict = first_verdict(row["payload"])
            if verdict is not None:
                print(f"{row['source']}\t{verdict}\t{row['payload'][:200]!r}")
        return 0
    table = [*attack_rows(given.corpora), *benign_rows(given.corpora)]
    print(json.dumps(table) if given.json else _rendered(table))
    return 0


def attack_rows(corpora: Path) -> list[dict[str, Any]]:
    """One row a class and source, and one for all sources of a class: how many attacks, how many refused."""
    seen: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for name in ATTACKS:
        for row in _rows(corpora, (name,)):
            if row["class"] in CLASSES and row["tier"] == "A":
                is_refused = judge_text(row["payload"]) is not None
                for source in (name, "all"):
                    counts = seen[row["class"], source]
                    counts[0] += 1
                    counts[1] += is_refused
    return [
        {"kind": "attack", "class": kind, "source": source, "count": count, "refused": refused}
        for (kind, source), (count, refused) in sorted(seen.items())
    ]


def benign_rows(corpora: Path) -> list[dict[str, Any]]:
    """One row a set of harmless texts: how many, how many refused."""
    table = []
    for name in BENIGN:
        verdicts = [first_verdict(row["payload"]) for row in _rows(corpora, (name,))]
        refused = sum(verdict is not None for verdict in verdicts)
        table.append({"kind": "benign", "class": "benign", "source": name, "count": len(verdicts), "refused": refused})
    return table


def first_verdict(payload: str) -> Verdict | None:
    """The verdict on a harmless sample: on each text in it when it is a JSON document, on itself otherwise."""
    try:
        value = json.loads(payload)
    except ValueError:
        return judge_text(payload)
    if not isinstance(value, (dict, list)):
        return judge_text(payload)
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, str):
            verdict = judge_text(current)
            if verdict is not None:
                return verdict
        elif isinstance(current, dict):
            waiting.extend(current)
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
    return None


def _rows(corpora: Path, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for name in names:
        with (corpora / f"{name}.jsonl").open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _rendered(table: list[dict[str, Any]]) -> str:
    lines = [f"{'class':<10} {'source':<24} {'texts':>6} {'refused':>8} {'rate':>8}"]
    lines += [
        f"{row['class']:<10} {row['source']:<24} {row['count']:>6} {row['refused']:>8} "
        f"{row['refused'] / row['count']:>8.2%}"
        for row in table
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
