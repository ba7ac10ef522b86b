"""`doorward inspect`: what the judges say about a text, or about a file of cases."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from doorward.cli.audit import AsJson
from doorward.controls.inspect.evaluation import Case, Row, judge_case, tally
from doorward.controls.inspect.judging import judge_text
from doorward.errors import PolicyError


def register(app: typer.Typer) -> None:
    """Add `doorward inspect`."""
    app.command("inspect")(inspect)


def inspect(
    texts: Annotated[list[str] | None, typer.Argument(help="texts to judge")] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="cases, one JSON object a line: payload, expect (block or pass), class, source, tier"),
    ] = None,
    tier: Annotated[str, typer.Option(help="only cases of this tier")] = "",
    wrong: Annotated[
        bool, typer.Option("--wrong", help="print each case that was judged otherwise than expected")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Judge texts as the inspect control does: what would be refused, as which class and why.

    With `--file`, how much of a list is refused, by class and source. Nothing is sent anywhere. Exit 1: a text was
    refused, or a case was judged otherwise than expected.
    """
    if (file is None) == (not texts):
        raise PolicyError("nothing to judge", key="inspect", hint="give texts, or a file of cases by --file")
    if file is not None:
        cases = [case for case in read_cases(file) if tier in {"", case.tier}]
        raise typer.Exit(_judge_cases(cases, wrong=wrong, as_json=as_json))
    verdicts = [(text, judge_text(text)) for text in texts or ()]
    for text, verdict in verdicts:
        if as_json:
            print(json.dumps({"text": text, "refused": verdict and verdict._asdict()}))
        elif verdict is None:
            print("passes")
        else:
            print(f"refused  inspect.{verdict.threat}  {verdict.reason} ({verdict.score} %)")
    raise typer.Exit(1 if any(verdict for _, verdict in verdicts) else 0)


def read_cases(file: Path) -> Iterator[Case]:
    """The cases in a file. Errors: PolicyError, with the line."""
    decoder = msgspec.json.Decoder(Case)
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    try:
                        yield decoder.decode(line)
                    except msgspec.DecodeError as error:
                        hint = '{"payload": "...", "expect": "block", "class": "sql"}'
                        raise PolicyError(str(error), key="inspect", file=str(file), line=number, hint=hint) from error
    except OSError as error:
        raise PolicyError(f"{file}: {error.strerror}", key="inspect", hint="give a readable file") from error


def _judge_cases(cases: list[Case], *, wrong: bool, as_json: bool) -> int:
    mistaken = 0
    if wrong:
        for case in cases:
            verdict = judge_case(case)
            if (verdict is None) == (case.expect == "block"):
                mistaken += 1
                reason = "passed" if verdict is None else f"inspect.{verdict.threat}: {verdict.reason}"
                print(
                    json.dumps({"class": case.kind, "source": case.source, "payload": case.payload, "judged": reason})
                )
        return 1 if mistaken else 0
    shown = track(cases, "judging", console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)
    rows = tally(shown)
    if as_json:
        print(json.dumps([{**row._asdict(), "rate": round(row.rate, 4)} for row in rows]))
    else:
        print_rows(rows)
    return 1 if any(row.refused != (row.cases if row.expect == "block" else 0) for row in rows) else 0


def print_rows(rows: list[Row]) -> None:
    """The rows as a table for people."""
    table = Table("expected", "class", "source", "cases", "refused", "rate")
    for row in rows:
        expected = "refused" if row.expect == "block" else "passed"
        table.add_row(expected, row.kind, row.source, str(row.cases), str(row.refused), f"{row.rate:.1%}")
    Console().print(table)
