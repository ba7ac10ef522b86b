"""`doorward check`: judges policy and API description without starting anything."""

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from doorward.cli.messages import error_lines
from doorward.errors import PolicyError, PolicyErrors
from doorward.gateway.publisher import load_checked
from doorward.policy.messages import did_you_mean
from doorward.policy.review import Finding, OperationSummary, review, summaries
from doorward.policy.yaml_text import Text, read_yaml


def register(app: typer.Typer) -> None:
    """Add `doorward check`."""
    app.command("check")(check)


def check(
    policy: Annotated[Path, typer.Option(help="the policy file")] = Path("doorward.yaml"),
    json: Annotated[bool, typer.Option("--json", help="print everything as JSON, and nothing else")] = False,
) -> None:
    """Judge policy and API description without starting; exit 1 when they are wrong."""
    if not policy.is_file():
        near = did_you_mean(policy.name, [each.name for each in policy.parent.glob("*.y*ml")])
        hint = near if near.startswith("did") else "`doorward init` writes one"
        raise PolicyError("there is no such policy", key=str(policy), hint=hint)
    try:
        checked = load_checked(policy)
        findings = review(checked.policy, checked.description)
        operations = summaries(checked.policy, checked.description)
    except PolicyError as error:
        if json:
            _print_json([_error_data(each) for each in _single(error)], [], [])
        else:
            print(*error_lines(error), sep="\n", file=sys.stderr)
        raise typer.Exit(1) from None
    lines = read_yaml(policy.read_text("utf-8-sig"), str(policy))
    placed = [(each.level, _located(each, policy, checked.policy.api, lines)) for each in findings]
    errors = [each for level, each in placed if level == "error"]
    warnings = [each for level, each in placed if level == "warning"]
    if json:
        _print_json([*map(_error_data, errors)], [*map(_error_data, warnings)], operations)
    else:
        _print_table(operations)
        for level, mistake in placed:
            print(
                f"{level}: {mistake}", *([f"hint:  {mistake.hint}"] if mistake.hint else []), sep="\n", file=sys.stderr
            )
        print(f"profile: {', '.join(checked.policy.issuer.profiles)}", file=sys.stderr)
        said = f"{len(operations)} operations, {len(errors)} errors, {len(warnings)} warnings"
        print(f"{policy}: {said}", file=sys.stderr)
    raise typer.Exit(1 if errors else 0)


def _located(finding: Finding, policy: Path, api: Path, lines: Text) -> PolicyError:
    file, line = (policy, lines.line(finding.place)) if finding.place else (_from_here(api), 0)
    return PolicyError(finding.problem, key=finding.key, file=str(file), line=line, hint=finding.hint)


def _single(error: PolicyError) -> list[PolicyError]:
    return error.errors if isinstance(error, PolicyErrors) else [error]


def _error_data(error: PolicyError) -> dict[str, object]:
    return {"file": error.file, "line": error.line, "key": error.key, "problem": error.problem, "hint": error.hint}


def _print_json(
    errors: list[dict[str, object]], warnings: list[dict[str, object]], operations: list[OperationSummary]
) -> None:
    document = {
        "errors": errors,
        "warnings": warnings,
        "operations": [operation._asdict() for operation in operations],
    }
    print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


def _print_table(operations: list[OperationSummary]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = {
        "operation": [f"{each.method} {each.path}" for each in operations],
        "who may call": [each.callers for each in operations],
        "owner": [each.owner for each in operations],
        "body up to": [_size(each.body_bytes) if each.body_bytes else "" for each in operations],
        "not enforced": [", ".join(f"{name}: {mode}" for name, mode in each.modes.items()) for each in operations],
    }
    told = {heading: cells for heading, cells in columns.items() if any(cells)}
    narrowest = min(max(map(len, told["operation"]), default=0), 40)
    for heading in told:
        table.add_column(
            heading,
            overflow="fold",
            no_wrap=heading == "body up to",
            min_width=narrowest if heading == "operation" else None,
        )
    for row in zip(*told.values(), strict=True):
        table.add_row(*row)
    # Paths hold brackets at times; they are no markup.
    Console(markup=False, highlight=False, soft_wrap=False).print(table)


def _size(count: int) -> str:
    """Bytes for people.

    >>> _size(1_048_576), _size(65_536), _size(1_000)
    ('1 MiB', '64 KiB', '1000 bytes')
    """
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} bytes"


def _from_here(path: Path) -> Path:
    """As one would write it here, where that is shorter."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
