"""Writes what was measured into docs/performance.md: tables between two marks, and charts as SVG beside it."""

import datetime as dt
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from bench.load import BODY_BYTES, CONNECTIONS
from bench.report import Row, loads, of_load, plain_envoy
from bench.testbed import ROOT

_PAGE: Final = ROOT / "docs" / "performance.md"
_BAR, _GAP, _LEFT, _WIDTH = 18, 6, 250, 820
_OURS, _OTHERS = "#d9480f", "#5c7cfa"
_STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#343a40}.faint{fill:#868e96}"
    "@media(prefers-color-scheme:dark){text{fill:#dee2e6}.faint{fill:#adb5bd}}"
)


def publish(rows: Sequence[Row], rounds: int, duration_s: int) -> None:
    """Nothing; the page and its charts hold the rows."""
    times = f"{'one round' if rounds == 1 else f'medians of {rounds} rounds'} of {duration_s} s"
    parts = [
        f"Measured {dt.datetime.now(dt.UTC):%Y-%m-%d}: one core for each peer, {CONNECTIONS} connections, {times}.",
        "",
    ]
    for load in loads(rows):
        chosen = of_load(rows, load)
        if len(chosen) > 1 and load[2] in {0, BODY_BYTES}:
            parts += _table(chosen, load)
    plain = [row for row in rows if not row.tls]
    for method, name in (("GET", "cost-get.svg"), ("POST", "cost-post.svg")):
        size = 0 if method == "GET" else BODY_BYTES
        chart = of_load(plain, (False, method, size))
        if chart:
            _write(name, _bars(chart, f"CPU microseconds a request: {method}, plain"))
            parts += [f"![CPU time of a {method}]({name})", ""]
    curve = [row for row in plain if row.method == "POST"]
    if len({row.body_bytes for row in curve}) > 2:
        _write("cost-by-body.svg", _lines(curve))
        parts += ["### By size of the body", "", "![CPU time by body size](cost-by-body.svg)", "", *_by_body(curve)]
    replace_between("measured", "\n".join(parts).rstrip())


def replace_between(name: str, text: str, page: Path = _PAGE) -> None:
    """Nothing; the text stands between the marks of that name in a page (docs/performance.md unless told)."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def _write(name: str, svg: str) -> None:
    Path(_PAGE.parent / name).write_text(svg, encoding="utf-8")


def _table(rows: Sequence[Row], load: tuple[bool, str, int]) -> list[str]:
    tls, method, size = load
    envoy = plain_envoy(rows)
    what = f"{size}-byte JSON {method}" if size else f"{method} with query"
    lines = [
        f"### {what}, {'TLS' if tls else 'plain'}",
        "",
        "| peer | rung | CPU us a request | x Envoy | requests/s | p50 ms | p99 ms | memory MiB |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        ratio = f"{row.cpu_us / envoy:.2f}" if envoy else ""
        lines.append(
            f"| {row.peer} | {row.rung} | {row.cpu_us} | {ratio} | {row.rps:,.0f} | {row.p50_ms} | {row.p99_ms} "
            f"| {row.rss_mib} |"
        )
    return [*lines, ""]


def _by_body(rows: Sequence[Row]) -> list[str]:
    sizes = sorted({row.body_bytes for row in rows})
    lines = [
        "| peer | rung | " + " | ".join(f"{size / 1024:.1f} KiB" for size in sizes) + " |",
        "|---|---|" + "---:|" * len(sizes),
    ]
    for peer, rung in dict.fromkeys((row.peer, row.rung) for row in rows):
        cells = [
            next((f"{row.cpu_us}" for row in rows if (row.peer, row.rung, row.body_bytes) == (peer, rung, size)), "")
            for size in sizes
        ]
        lines.append(f"| {peer} | {rung} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _bars(rows: Sequence[Row], title: str) -> str:
    most = max(row.cpu_us for row in rows)
    height = 40 + len(rows) * (_BAR + _GAP)
    parts = [f'<text x="0" y="16" font-weight="600">{escape(title)}</text>']
    for place, row in enumerate(rows):
        y = 32 + place * (_BAR + _GAP)
        # logarithmic from 5 us: the dearest peer costs a hundred times the cheapest
        length = (_WIDTH - _LEFT - 80) * math.log(max(row.cpu_us, 6) / 5) / math.log(max(most, 50) / 5)
        colour = _OURS if row.peer == "doorward" else _OTHERS
        label = escape(f"{row.peer} · {row.rung}")
        parts += [
            f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{label}</text>',
            f'<rect x="{_LEFT}" y="{y}" width="{length:.0f}" height="{_BAR}" rx="3" fill="{colour}"/>',
            f'<text x="{_LEFT + length + 6:.0f}" y="{y + 13}">{row.cpu_us:.0f}</text>',
        ]
    parts.append(f'<text class="faint" x="{_LEFT}" y="{height - 2}" font-size="10">logarithmic scale</text>')
    return _svg(height + 4, parts)


def _lines(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys((row.peer, row.rung) for row in rows))
    sizes = [row.body_bytes for row in rows]
    costs = [row.cpu_us for row in rows]
    low_x, high_x = math.log10(min(sizes)), math.log10(max(sizes))
    low_y, high_y = math.log10(min(costs)), math.log10(max(costs))
    right, bottom, top = 560, 380, 30

    def at(row: Row) -> tuple[float, float]:
        x = 50 + (right - 50) * (math.log10(row.body_bytes) - low_x) / (high_x - low_x)
        y = bottom - (bottom - top) * (math.log10(row.cpu_us) - low_y) / (high_y - low_y)
        return x, y

    parts = ['<text x="0" y="16" font-weight="600">CPU microseconds a request by JSON body, both logarithmic</text>']
    for size in sorted(set(sizes)):
        x = 50 + (right - 50) * (math.log10(size) - low_x) / (high_x - low_x)
        parts.append(
            f'<text class="faint" x="{x:.0f}" y="{bottom + 18}" text-anchor="middle">{size / 1024:.1f} KiB</text>'
        )
    ends: list[tuple[float, str, str]] = []
    for peer, rung in names:
        own = sorted((row for row in rows if (row.peer, row.rung) == (peer, rung)), key=lambda row: row.body_bytes)
        colour = _OURS if peer == "doorward" else _OTHERS
        points = " ".join(f"{x:.0f},{y:.0f}" for x, y in map(at, own))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        ends.append((at(own[-1])[1], colour, f"{peer} · {rung} ({own[-1].cpu_us:.0f})"))
    last = -math.inf
    for y, colour, label in sorted(ends):
        last = max(y, last + 14)  # labels that would touch move down
        parts.append(f'<text x="{right + 8}" y="{last + 4:.0f}" style="fill:{colour}">{escape(label)}</text>')
    return _svg(bottom + 30, parts)


def _svg(height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img">'
    return "\n".join([head, f"<style>{_STYLE}</style>", *parts, "</svg>"]) + "\n"
