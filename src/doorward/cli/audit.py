"""`doorward audit`: is the trail intact, what stands in it, what is being added."""

import contextlib
import datetime as dt
import json
import re
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from doorward.audit.describing import describe
from doorward.audit.reading import Follower, read_trail
from doorward.audit.verify import KINDS, State, Verdict, verify_trail
from doorward.audit.writer import trail_directory
from doorward.errors import PolicyError
from doorward.policy.loading import load_policy

FOLLOW_S: Final = 0.2
"""How often `tail -f` looks for new records."""
TABLE_COLUMNS: Final = 140
"""On a narrower terminal, and in a pipe, records are printed one a line instead of as a table."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_AGO: Final = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_SHOWN_PROBLEMS: Final = 20

Directory = Annotated[Path | None, typer.Option(help="the trail, if not the one of the policy")]
PolicyFile = Annotated[Path, typer.Option("--policy", help="the policy whose trail is meant")]
Since = Annotated[str | None, typer.Option(help="10m, 2h, 7d or a UTC time such as 2026-01-31T12:00")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line")]


class Trail(NamedTuple):
    """Where a trail is, and the key its heads are signed with, if that is at hand."""

    directory: Path
    public_key: Path | None


def register(app: typer.Typer) -> None:
    """Add `doorward audit verify`, `show` and `tail`."""
    group = typer.Typer(help="verify and read the audit trail", no_args_is_help=True)
    group.command("verify")(verify)
    group.command("show")(show)
    group.command("tail")(tail)
    app.add_typer(group, name="audit")


def find_trail(directory: Path | None, policy: Path) -> Trail:
    """The trail that is meant. Errors: PolicyError when there is none."""
    if directory is None:
        loaded = load_policy(policy)
        directory, keys = trail_directory(loaded.state, loaded.audit), loaded.state / "keys"
    else:
        keys = directory.parent / "keys"
    if not directory.is_dir():
        raise PolicyError(f"{directory} is not a directory", key="--directory", hint="name the trail's directory")
    public_key = keys / "audit.pub"
    return Trail(directory, public_key if public_key.exists() else None)


def verify(
    directory: Directory = None,
    policy: PolicyFile = Path("doorward.yaml"),
    public_key: Annotated[Path | None, typer.Option(help="PEM file with the key that signs the heads")] = None,
    kept: Annotated[
        Path | None, typer.Option(help="directory with copies of signed heads (`checkpoint`) that were kept elsewhere")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every record, every link and every signed head; exit 0 intact, 1 tampered, 3 incomplete."""
    trail = find_trail(directory, policy)
    key = public_key or trail.public_key
    if kept is not None and not kept.is_dir():
        raise PolicyError(f"{kept} is not a directory", key="--kept", hint="name the directory with the copies")
    try:
        verdict = verify_trail(trail.directory, key, kept)
    except (OSError, ValueError) as error:
        raise PolicyError(f"the trail cannot be verified: {error}", key="audit verify") from None
    print(json.dumps(_verdict_as_data(verdict)) if as_json else "\n".join(_verdict_lines(verdict, trail.directory)))
    if key is None:
        print("hint:  with --public-key a trail that was cut at its end shows, too", file=sys.stderr)
    if not verdict.records and kept is None:
        print("hint:  nothing is recorded here; --kept tells an emptied trail from a new one", file=sys.stderr)
    raise typer.Exit(int(verdict.state))


def show(
    code: Annotated[str | None, typer.Option(help="denial code, or its beginning, such as authorize.")] = None,
    caller: Annotated[str | None, typer.Option(help="part of the name of a caller, subject or actor")] = None,
    operation: Annotated[str | None, typer.Option(help="operation id")] = None,
    event: Annotated[str | None, typer.Option(help="event of the identity provider, or its beginning: login.")] = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="how many of the newest")] = 50,
    directory: Directory = None,
    policy: PolicyFile = Path("doorward.yaml"),
    as_json: AsJson = False,
) -> None:
    """Show the newest records, oldest first."""
    trail = find_trail(directory, policy)
    earliest_ns = since_time(since)
    described = (describe(located) for located in read_trail(trail.directory) if located.time_ns >= earliest_ns)
    chosen = deque(_choose(described, code=code, caller=caller, operation=operation, event=event), maxlen=limit)
    _print_records(chosen, as_json=as_json)


def tail(
    follow: Annotated[bool, typer.Option("-f", "--follow", help="wait for more")] = False,
    lines: Annotated[int, typer.Option("-n", min=0, max=100_000, help="how many of the newest")] = 10,
    directory: Directory = None,
    policy: PolicyFile = Path("doorward.yaml"),
    as_json: AsJson = False,
) -> None:
    """Print the newest records, one a line."""
    follower = Follower(find_trail(directory, policy).directory)
    newest = follower.read_new()
    _print_lines(map(describe, newest[len(newest) - min(lines, len(newest)) :]), as_json=as_json)
    while follow:
        time.sleep(FOLLOW_S)
        _print_lines(map(describe, follower.read_new()), as_json=as_json)


def _choose(
    described: Iterable[dict[str, Any]],
    *,
    code: str | None,
    caller: str | None,
    operation: str | None,
    event: str | None,
) -> Iterator[dict[str, Any]]:
    for record in described:
        if code is not None and not record.get("code", "").startswith(code):
            continue
        if caller is not None and not any(caller in record.get(name, "") for name in ("caller", "subject", "actor")):
            continue
        if operation is not None and operation != record.get("operation", ""):
            continue
        if event is not None and not ("event_id" in record and record["event"].startswith(event)):
            continue
        yield record


def since_time(text: str | None) -> int:
    """The moment in nanoseconds since 1970; 0 for none. Errors: PolicyError."""
    if not text:
        return 0
    now = time.time()
    ago = _AGO.fullmatch(text)
    if ago:
        return int((now - int(ago[1]) * _UNITS[ago[2]]) * 1e9)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise PolicyError(f"{text!r} is not a time", key="--since", hint="10m, 2h, 7d or 2026-01-31T12:00") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp() * 1e9)


def _print_records(records: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    console = Console(highlight=False)
    if as_json or not console.is_terminal or console.width < TABLE_COLUMNS:
        _print_lines(records, as_json=as_json)
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("time", "kind", "status", "request", "caller", "why", "id"):
        # a request id is there to be copied: it stands in one piece
        table.add_column(heading, overflow="fold", no_wrap=heading in {"time", "status", "id"})
    for record in records:
        table.add_row(*(Text(cell) for cell in _cells(record)))
    console.print(table)


def _print_lines(records: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    for record in records:
        print(json.dumps(record) if as_json else " ".join(cell for cell in _cells(record) if cell), flush=True)


def _cells(record: dict[str, Any]) -> tuple[str, ...]:
    asked = f"{record['method']} {record['path']}" if "path" in record else record.get("event", "")
    reason = record.get("code") or record.get("detail") or record.get("reason") or record.get("problem", "")
    if "details" in record:
        reason = ", ".join(f"{name}={_told(name, value)}" for name, value in record["details"].items())
        asked = f"{asked} by {record['actor']}" if record["actor"] else asked
    status = str(record.get("status", ""))
    return (
        record["time"],
        record["kind"],
        status,
        asked,
        record.get("caller") or record.get("subject", ""),
        reason,
        record.get("request_id") or record.get("event_id", ""),
    )


def _told(name: str, value: Any) -> str:
    """A detail of an event as people read it: seconds since 1970 are a time.

    >>> _told("expires_at", "1803767881.95"), _told("roles", '["reader"]')
    ('2027-02-27T22:38:01Z', '["reader"]')
    """
    if name.endswith("_at"):
        with contextlib.suppress(ValueError, OverflowError):
            return dt.datetime.fromtimestamp(int(float(value)), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def _verdict_as_data(verdict: Verdict) -> dict[str, Any]:
    return {
        "state": verdict.state.name.lower(),
        "records": verdict.records,
        "shards": verdict.shards,
        "segments": verdict.segments,
        "signed_shards": verdict.signed_shards,
        "kept_heads": verdict.kept_heads,
        "open_intents": verdict.open_intents,
        "problems": [problem._asdict() for problem in verdict.problems],
    }


def _verdict_lines(verdict: Verdict, directory: Path) -> list[str]:
    counted = (
        f"{verdict.records} records in {verdict.segments} segments of {verdict.shards} shards, "
        f"{verdict.signed_shards} with a valid signed head"
    )
    lines = [f"{verdict.state.name.lower()}: {counted} ({directory})"]
    if verdict.kept_heads:
        lines.append(f"  it goes on from {verdict.kept_heads} heads that were kept elsewhere")
    worst_first = sorted(verdict.problems, key=lambda problem: problem.state is not State.TAMPERED)
    for problem in worst_first[:_SHOWN_PROBLEMS]:
        place = f"{problem.shard}/{problem.segment}" if problem.segment else problem.shard
        lines.append(f"  {problem.kind} at record {problem.seq} of {place}: {problem.detail}")
        lines.append(f"    {KINDS[problem.kind]}")
    if len(verdict.problems) > _SHOWN_PROBLEMS:
        lines.append(f"  and {len(verdict.problems) - _SHOWN_PROBLEMS} more")
    if verdict.open_intents:
        lines.append(f"  {verdict.open_intents} requests are under way, or were when the writer stopped")
    return lines
