"""`python -m bench.detection [--json] [--publish [--crs]]`: block rate per class and source, false alarms per set.

Reads the lists beside the repository (`../shared/corpora`, or `--corpora DIR`), judges generated texts
too, and writes the tables into docs/detection.md when told to. Data only: nothing is sent anywhere.
`doorward inspect --file LIST --wrong` prints what was judged otherwise than expected.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.controls.inspect.benign import generated

from bench.detection.crs import PEER, refusals
from bench.publish import replace_between
from bench.testbed import ROOT
from doorward.cli.inspect import print_rows, read_cases
from doorward.controls.inspect.evaluation import ALL, Case, Row, tally
from doorward.controls.minimise.texts import BIT_OF, Cleaning

ATTACKS = ("lists_fuzzdb", "lists_patt", "lists_blns")
BENIGN = ("benign_openapi_values", "benign_openapi_bodies", "benign_blns")
TEN = ("sqli", "xss", "cmdi", "traversal", "nosqli", "ldapi", "ssti", "ssrf", "xxe", "crlf")
"""The classes of which the mean is taken."""
PAGE = ROOT / "docs" / "detection.md"
GENERATED = 100_000
SEED = 20_261_125


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands above the tables."""

    mean: float
    """Mean of the ten classes' block rates."""
    generated: int
    alarms: int
    """Of the generated texts."""
    masked: dict[str, int]
    """How many of the harmless values would be masked as each kind; most mail addresses and phones really are some."""


def cases(corpora: Path) -> Iterator[Case]:
    """The attacks that show their class by themselves (tier A), and the harmless sets."""
    for name in (*ATTACKS, *BENIGN):
        for case in read_cases(corpora / f"{name}.jsonl"):
            if name in BENIGN:
                yield Case(case.payload, "pass", "harmless", name)
            elif case.tier == "A":
                yield Case(case.payload, "block", case.kind, name)


def summary(rows: list[Row], corpora: Path) -> Summary:
    """The mean over the ten classes, the alarms among generated texts, and what would be masked."""
    attacks = [row for row in rows if row.expect == "block"]
    rates = {row.kind: row.rate for row in attacks} | {row.kind: row.rate for row in attacks if row.source == ALL}
    texts = tally(Case(text, "pass", "harmless", "generated") for text in generated(SEED, GENERATED))
    mean = sum(rates[kind] for kind in TEN) / len(TEN)
    return Summary(mean, GENERATED, sum(row.refused for row in texts), masked(corpora))


def masked(corpora: Path) -> dict[str, int]:
    """Of the harmless sets, how many values each mask of `minimise` changes."""
    values = [case.payload for name in BENIGN for case in read_cases(corpora / f"{name}.jsonl")]
    counts: dict[str, int] = {}
    for kind, bit in BIT_OF.items():
        cleaning = Cleaning(bit)
        counts[kind] = sum(cleaning.cleaner(bit).clean(value) != value for value in values)
    return counts


def main() -> int:
    """Exit status: 0 when the lists were found, 2 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, default=Path(__file__).parents[2].parent / "shared" / "corpora")
    parser.add_argument("--json", action="store_true", help="print rows as JSON and nothing else")
    parser.add_argument("--publish", action="store_true", help="write the tables into docs/detection.md")
    parser.add_argument("--crs", action="store_true", help="with --publish: measure ModSecurity + CRS anew")
    given = parser.parse_args()
    if not given.corpora.is_dir():
        print(f"no lists at {given.corpora}", file=sys.stderr)
        return 2
    rows = tally(cases(given.corpora))
    found = summary(rows, given.corpora)
    if given.json:
        print(json.dumps({"summary": asdict(found), "rows": [row._asdict() for row in rows]}))
    else:
        print_rows(rows)
        print("\n".join(_lines(found)))
    if given.publish:
        _publish(rows, found, _measured(given.corpora) if given.crs else _published(rows))
    return 0


@dataclass(frozen=True, slots=True)
class Peer:
    """How much the peer refuses of the same cases."""

    mean: str
    """The line that sums it up; empty when nobody has measured it."""
    rates: dict[tuple[str, str], str]
    """By class and source."""


def _measured(corpora: Path) -> Peer:
    counts = refusals(cases(corpora))
    rates = {key: refused / count for key, (count, refused) in counts.items() if count}
    mean = sum(rates[kind, ALL] for kind in TEN) / len(TEN)
    line = f"{PEER} (Debian's packages, paranoia level 1): mean of the ten {mean:.1%}."
    return Peer(line, {key: f"{rate:.1%}" for key, rate in rates.items()})


def _published(rows: list[Row]) -> Peer:
    """What the page says of the peer already: its rules and the lists are what they were when it was measured."""
    counted = {(row.kind, row.source): f"{row.cases:,}" for row in rows}
    mean, rates = "", {}
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith(f"{PEER} ("):
            mean = line
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and counted.get((cells[1], cells[2])) == cells[3]:
            rates[cells[1], cells[2]] = cells[5]
    return Peer(mean, rates)


def _publish(rows: list[Row], found: Summary, peer: Peer) -> None:
    head = ["expected", "class", "source", "cases", "Doorward", *([PEER] if peer.rates else [])]
    table = [f"| {' | '.join(head)} |", f"|---|---|---|---:|---:|{'---:|' if peer.rates else ''}"]
    for row in rows:
        expected = "refused" if row.expect == "block" else "passed"
        beside = f" {peer.rates.get((row.kind, row.source), '')} |" if peer.rates else ""
        table.append(f"| {expected} | {row.kind} | {row.source} | {row.cases:,} | {row.rate:.1%} |{beside}")
    lines = [*_lines(found), *([peer.mean] if peer.mean else [])]
    replace_between("detection", "\n".join([*lines, "", *table]), PAGE)


def _lines(found: Summary) -> list[str]:
    return [
        f"Mean of {', '.join(TEN)}: {found.mean:.1%} refused.",
        f"Of {found.generated:,} generated harmless texts {found.alarms} refused.",
        f"Masked among the harmless sets: {', '.join(f'{count} as {kind}' for kind, count in found.masked.items())}.",
    ]


if __name__ == "__main__":
    sys.exit(main())
