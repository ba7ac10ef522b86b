"""One measured load: wrk on its own core against one URL."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.testbed import CORE_LOAD

CONNECTIONS: Final = 64
TARGET: Final = "/orders?status=open&limit=20"
POST_TARGET: Final = "/orders"
BODY: Final = (
    '{"customer":"c-1001","status":"open","priority":3,"note":"Please leave it with the neighbour at number 12 or so",'
    '"items":[{"sku":"A-100","quantity":2,"price":19.99},{"sku":"B-200","quantity":1,"price":5.5},'
    '{"sku":"C-300","quantity":10,"price":0.75}],"address":{"street":"Long Street 5","city":"Springfield",'
    '"zip":"12345","country":"US"},"tags":["gift","express","fragile"],"contact":"alice@example.com"}'
)
BODY_BYTES: Final = len(BODY)
"""Of the headline's POST."""


def body_of(size_bytes: int) -> str:
    """A JSON order of about that size: the same, with more items."""
    if size_bytes <= BODY_BYTES:
        return '{"customer":"c-1001","status":"open","items":[' + _item(1) + '],"tags":["' + "gift" * 25 + '"]}'
    items = ",".join(_item(number) for number in range((size_bytes - 100) // len(_item(1000))))
    return '{"customer":"c-1001","status":"open","items":[' + items + "]}"


def _item(number: int) -> str:
    return f'{{"sku":"A-{number:05}","quantity":2,"price":19.99}}'


_UNITS_MS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What wrk saw."""

    requests: int
    rps: float
    p50_ms: float
    p99_ms: float


def run_load(
    directory: Path, url: str, method: str, headers: tuple[str, ...], duration_s: int, body: str = BODY
) -> Outcome:
    """What wrk saw in that time. Errors: RuntimeError when an answer was not 2xx, or a socket broke."""
    script = directory / "request.lua"
    script.write_text(_script(method, headers, body), encoding="utf-8")
    target = TARGET if method == "GET" else POST_TARGET
    arguments = ["--latency", "-t1", f"-c{CONNECTIONS}", f"-d{duration_s}s", "--timeout", "5s", "-s", str(script)]
    done = subprocess.run(
        ["wrk", *arguments, url + target],
        capture_output=True,
        text=True,
        timeout=duration_s + 30,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, {CORE_LOAD}),
    )
    return parse_outcome(done.stdout + done.stderr)


def parse_outcome(text: str) -> Outcome:
    """The numbers in wrk's report. Errors: RuntimeError when it tells of errors or of nothing."""
    trouble = re.search(r"Non-2xx or 3xx responses: [0-9]+|Socket errors: .*", text)
    requests = re.search(r"([0-9]+) requests in ([0-9.]+)(m?s|m)", text)
    if trouble is not None or requests is None or requests[1] == "0":
        raise RuntimeError(trouble[0] if trouble else f"wrk reported no requests: {text[-300:]}")
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", text)
    return Outcome(int(requests[1]), float(rate[1]) if rate else 0.0, _percentile(text, 50), _percentile(text, 99))


def _percentile(text: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([0-9.]+)(us|ms|s|m)$", text, re.MULTILINE)
    return float(found[1]) * _UNITS_MS[found[2]] if found else 0.0


def _script(method: str, headers: tuple[str, ...], body: str) -> str:
    lines = [f'wrk.method = "{method}"', 'wrk.headers["Accept"] = "application/json"']
    for header in headers:
        name, _, value = header.partition(": ")
        lines.append(f'wrk.headers["{name}"] = "{value}"')
    if method == "POST":
        lines += ['wrk.headers["Content-Type"] = "application/json"', f"wrk.body = [[{body}]]"]
    return "\n".join(lines) + "\n"
