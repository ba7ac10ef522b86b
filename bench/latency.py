"""`python -m bench.latency`: how long answers take at half load, Doorward with everything on beside Envoy's filters.

The load is open: so many requests a second come whether answers are late or not (h2load, HTTP/1.1), half of what
Doorward serves at most on its one core, the same for every peer.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.load import TARGET, run_load
from bench.peers import PEERS, Peer
from bench.peers.nginx import upstream_command
from bench.processes import running
from bench.publish import replace_between
from bench.testbed import CORE_LOAD, CORE_PEER, Site, binary, free_port, write_certificate

CLIENTS = 32
CHOSEN = (
    ("nginx", "plain"),
    ("envoy", "plain"),
    ("envoy", "JWT cached, RBAC, limit, log"),
    ("envoy", "JWT, RBAC, limit, log"),
    ("doorward", "everything, compiled"),
)
Row = tuple[str, str, int, float, float, float]


def latencies_ms(directory: Path, url: str, headers: tuple[str, ...], rate: int, duration_s: int) -> list[float]:
    """The time of each answer, sorted. Errors: RuntimeError when h2load fails."""
    log = directory / "answers.log"
    log.unlink(missing_ok=True)
    paced = [f"--rps={rate / CLIENTS:.1f}", f"--log-file={log}"]
    fields = [part for header in headers for part in ("-H", header)]
    done = subprocess.run(
        ["h2load", "--h1", f"-c{CLIENTS}", "-t1", f"-D{duration_s}", *paced, *fields, url + TARGET],
        capture_output=True,
        text=True,
        timeout=duration_s + 30,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, {CORE_LOAD}),
    )
    if done.returncode or not log.exists():
        raise RuntimeError(f"h2load: {done.stderr[-300:]}")
    lines = [line.split("\t") for line in log.read_text(encoding="ascii").splitlines()]
    refused = [status for _, status, _ in lines if status != "200"]
    if refused or not lines:
        raise RuntimeError(f"{len(refused)} of {len(lines)} answers were not 200")
    return sorted(int(took_us) / 1000 for _, _, took_us in lines)


def main() -> int:
    """The program."""
    options = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--json", action="store_true")
    options.add_argument("--publish", action="store_true", help="write the table into docs/performance.md")
    chosen = options.parse_args()
    peers = {(peer.name, peer.rung): peer for peer in PEERS}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="doorward-latency-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        port = free_port()
        certificate, key, both = write_certificate(directory)
        upstream = upstream_command(binary("nginx") or "nginx", Site(directory, 0, False, port, certificate, key, both))
        with running(upstream.arguments, core=CORE_LOAD, port=port, log=directory / "upstream.log"):
            rate = 0
            for number, key_of in enumerate(reversed(CHOSEN)):
                peer = peers[key_of]
                if peer.path is None:
                    continue
                place = directory / str(number)
                place.mkdir()
                site = Site(place, free_port(), False, port, certificate, key, both)
                rate, row = _measured(peer, peer.path, site, rate, chosen.seconds)
                rows.append(row)
    told = [
        (peer, rung, f"{rate:,}", f"{half:.2f}", f"{most:.2f}", f"{longest:.2f}")
        for peer, rung, rate, half, most, longest in rows
    ]
    heads = ("peer", "rung", "requests/s", "p50 ms", "p99 ms", "p99.9 ms")
    if chosen.json:
        json.dump([dict(zip(heads, row, strict=True)) for row in told], sys.stdout)
    else:
        table = Table(*heads)
        for line in told:
            table.add_row(*line)
        Console().print(table)
    if chosen.publish:
        lines = [
            f"| {' | '.join(heads)} |",
            "|---|---|---:|---:|---:|---:|",
            *(f"| {' | '.join(row)} |" for row in told),
        ]
        replace_between("latency", "\n".join(lines))
    return 0


def _measured(peer: Peer, path: str, site: Site, rate: int, duration_s: int) -> tuple[int, Row]:
    command = peer.command(path, site)
    log = site.directory / "server.log"
    environment = command.environment
    with running(command.arguments, core=CORE_PEER, port=site.port, log=log, environment=environment) as server:
        url = f"http://127.0.0.1:{site.port}"
        server.wait_until_serving(url + TARGET, dict(header.split(": ", 1) for header in command.headers))
        if not rate:
            rate = int(run_load(site.directory, url, "GET", command.headers, duration_s).rps / 2)
        times = latencies_ms(site.directory, url, command.headers, rate, duration_s)
    half, most, longest = (times[int(len(times) * part)] for part in (0.5, 0.99, 0.999))
    return rate, (peer.name, peer.rung, rate, half, most, longest)


if __name__ == "__main__":
    sys.exit(main())
