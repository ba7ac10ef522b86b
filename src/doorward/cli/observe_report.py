"""`doorward observe-report`: what controls in observe mode would have refused, and what would let it pass for good."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from doorward.audit.describing import describe
from doorward.audit.reading import read_trail
from doorward.cli.audit import AsJson, Directory, PolicyFile, Since, find_trail, since_time
from doorward.cli.operations import operation_keys
from doorward.cli.relaxing import relaxing
from doorward.denial import DENIALS
from doorward.modes import OBSERVED


@dataclass(slots=True, kw_only=True)
class Observed:
    """One kind of refusal that was not done."""

    code: str
    operation: str
    """As the policy names it."""
    field: str
    """Empty where the whole request was meant."""
    count: int = 0
    callers: int = 0
    """How many different ones; strangers count as one."""
    first: str = ""
    last: str = ""
    sample: str = ""
    """A request id for `doorward explain`."""
    relax: str = ""


def register(app: typer.Typer) -> None:
    """Add `doorward observe-report`."""
    app.command("observe-report")(observe_report)


def observe_report(
    since: Since = None,
    directory: Directory = None,
    policy: PolicyFile = Path("doorward.yaml"),
    as_json: AsJson = False,
    lines: Annotated[
        bool, typer.Option("--lines", help="print only the policy lines that would let each pass")
    ] = False,
) -> None:
    """Tell what would have been refused, by rule, operation and field, with the line that would let it pass."""
    trail = find_trail(directory, policy)
    begin = since_time(since)
    records = (describe(located) for located in read_trail(trail.directory) if located.time_ns >= begin)
    found = observed_in(records, operation_keys(policy))
    if as_json:
        for row in found:
            print(json.dumps(asdict(row)))
    elif lines:
        print("\n".join(row.relax for row in found))
    elif not found:
        print("nothing was observed that would have been refused")
    else:
        _print(found)


def observed_in(records: Iterable[dict[str, Any]], operations: dict[str, str]) -> list[Observed]:
    """What the records tell, the most frequent first. `operations`: id to how a policy names it."""
    rows: dict[tuple[str, str, str], Observed] = {}
    callers: dict[tuple[str, str, str], set[str]] = {}
    for record in records:
        for finding in record.get("findings", ()):
            if not finding.startswith(OBSERVED):
                continue
            code, _, field = finding.removeprefix(OBSERVED).partition(" ")
            if code.partition(":")[0] not in DENIALS:
                continue  # a change of an answer, which refuses nobody
            known = str(record.get("operation", ""))
            operation = operations.get(known, known or f"{record.get('method', '')} {record.get('path', '')}")
            key = (code, operation, field)
            row = rows.setdefault(key, Observed(code=code, operation=operation, field=field, first=record["time"]))
            row.count += 1
            row.last, row.sample = record["time"], record["request_id"]
            callers.setdefault(key, set()).add(str(record.get("caller", "")))
    for key, row in rows.items():
        row.callers, row.relax = len(callers[key]), relaxing(row.code, row.operation, row.field)
    return sorted(rows.values(), key=lambda row: (-row.count, row.code, row.operation))


def _print(found: list[Observed]) -> None:
    console = Console()
    table = Table("count", "callers", "would be", "operation", "field", "last", "sample")
    for row in found:
        sample = row.sample[:12] + "..."
        table.add_row(str(row.count), str(row.callers), row.code, row.operation, row.field, row.last, sample)
    console.print(table)
    console.print("\nto let them pass for good:")
    for row in found:
        console.print(f"  {row.code}, {row.operation}: {row.relax}", markup=False, highlight=False)
    console.print("\none of them in full: doorward explain REQUEST_ID (--json prints whole ids)")
