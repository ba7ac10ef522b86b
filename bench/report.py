"""The measured rows, as a table for people or JSON for machines."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One peer under one load. `cpu_us`: user and system time of the whole process tree for each request."""

    peer: str
    rung: str
    method: str
    body_bytes: int
    tls: bool
    workers: int
    cpu_us: float
    rps: float
    p50_ms: float
    p99_ms: float
    rss_mib: float


def medians(rows: Sequence[Row]) -> list[Row]:
    """One row for each peer and load, every number the median of its rounds."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.peer, row.rung, row.method, row.body_bytes, row.tls, row.workers), []).append(row)
    return [
        Row(
            group[0].peer,
            group[0].rung,
            group[0].method,
            group[0].body_bytes,
            group[0].tls,
            group[0].workers,
            cpu_us=round(median(row.cpu_us for row in group), 1),
            rps=round(median(row.rps for row in group)),
            p50_ms=round(median(row.p50_ms for row in group), 2),
            p99_ms=round(median(row.p99_ms for row in group), 2),
            rss_mib=round(median(row.rss_mib for row in group), 1),
        )
        for group in groups.values()
    ]


Load = tuple[bool, str, int]
"""TLS or not, method, body in bytes."""


def loads(rows: Sequence[Row]) -> list[Load]:
    """Every load that was measured."""
    return sorted({(row.tls, row.method, row.body_bytes) for row in rows})


def of_load(rows: Sequence[Row], load: Load) -> list[Row]:
    """The rows of a load, cheapest first."""
    return sorted((row for row in rows if (row.tls, row.method, row.body_bytes) == load), key=lambda row: row.cpu_us)


def plain_envoy(rows: Sequence[Row]) -> float | None:
    """What Envoy takes as a plain proxy, in CPU microseconds: the unit of the ratios."""
    return next((row.cpu_us for row in rows if (row.peer, row.rung) == ("envoy", "plain")), None)


def print_json(rows: Sequence[Row]) -> None:
    json.dump([asdict(row) for row in rows], sys.stdout, indent=1)
    sys.stdout.write("\n")


def print_table(rows: Sequence[Row]) -> None:
    """A table a load, cheapest first, with each peer's CPU time as a multiple of Envoy's."""
    console = Console(width=100)
    for load in loads(rows):
        tls, method, _ = load
        chosen = of_load(rows, load)
        envoy = plain_envoy(chosen)
        body = f", {chosen[0].body_bytes}-byte JSON body" if chosen[0].body_bytes else ", query string"
        table = Table(title=f"{method}{body}, {'TLS 1.3' if tls else 'plain'}", title_justify="left")
        for name in ("peer", "rung"):
            table.add_column(name)
        for name in ("CPU us/request", "x Envoy", "requests/s", "p50 ms", "p99 ms", "RSS MiB"):
            table.add_column(name, justify="right")
        for row in chosen:
            ratio = f"{row.cpu_us / envoy:.2f}" if envoy else ""
            style = "bold" if row.peer == "doorward" else ""
            numbers = (f"{row.cpu_us:.1f}", ratio, f"{row.rps:.0f}", f"{row.p50_ms:.2f}", f"{row.p99_ms:.2f}")
            table.add_row(row.peer, row.rung, *numbers, f"{row.rss_mib:.0f}", style=style)
        console.print(table)
