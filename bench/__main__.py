"""`python -m bench`: Doorward beside other proxies, one pinned core each, the same upstream and load."""

import argparse
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.load import BODY, POST_TARGET, TARGET, body_of, run_load
from bench.peers import PEERS, Peer
from bench.peers.nginx import upstream_command
from bench.processes import Server, running
from bench.publish import publish
from bench.report import Row, medians, print_json, print_table
from bench.testbed import CORE_LOAD, CORE_PEER, Site, binary, free_port, write_certificate

WARM_S = 1


def main() -> int:
    # ended from outside, it still ends the servers it started: every `with` is left
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    chosen = [peer for peer in PEERS if not options.peers or peer.name in options.peers]
    missing = [name for name in ("wrk", "nginx") if binary(name) is None]
    if missing or (os.cpu_count() or 1) < 2:
        _say(f"needs two cores and {' and '.join(missing) or 'wrk'}; hint: sh bench/install.sh")
        return 2
    rounds, duration_s = (1, 1) if options.quick else (options.rounds, options.seconds)
    bodies = [] if options.quick else [int(kib * 1024) for kib in options.bodies]
    rows: list[Row] = []
    failed = False
    with tempfile.TemporaryDirectory(prefix="doorward-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # nginx's worker drops its privileges
        upstream_port = free_port()
        certificate, key, both = write_certificate(directory)
        upstream = Site(directory, 0, False, upstream_port, certificate, key, both)
        command = upstream_command(binary("nginx") or "nginx", upstream)
        log = directory / "upstream.log"
        with running(command.arguments, core=CORE_LOAD, port=upstream_port, log=log):
            for turn in range(rounds):
                for peer in chosen[turn % len(chosen) :] + chosen[: turn % len(chosen)]:
                    if peer.path is None:
                        if turn == 0:
                            _say(f"{peer.name}: not installed, skipped; hint: sh bench/install.sh")
                        continue
                    for tls in (False, True):
                        place = directory / re.sub(r"[^a-z0-9]+", "-", f"{peer.name} {peer.rung} {tls} {turn}".lower())
                        place.mkdir()
                        site = Site(place, free_port(), tls, upstream_port, certificate, key, both)
                        try:
                            rows += _measure(peer, peer.path, site, duration_s, [] if tls else bodies)
                        except RuntimeError as error:
                            failed = True
                            _say(f"{peer.name} {peer.rung}{' TLS' if tls else ''}: {error}")
    if options.publish:
        publish(medians(rows), rounds, duration_s)
    if options.json:
        print_json(medians(rows))
    else:
        print_table(medians(rows))
    return 1 if failed else 0


def _measure(peer: Peer, path: str, site: Site, duration_s: int, bodies: list[int]) -> Iterator[Row]:
    command = peer.command(path, site)
    log = site.directory / "server.log"
    with running(command.arguments, core=CORE_PEER, port=site.port, log=log, environment=command.environment) as server:
        url = f"{'https' if site.tls else 'http'}://127.0.0.1:{site.port}"
        headers = dict(header.split(": ", 1) for header in command.headers)
        server.wait_until_serving(url + TARGET, headers)
        if command.refuses_without_token:
            server.must_refuse(url + TARGET, {}, "a request without a token")
        if command.blocks:
            server.must_refuse(url + POST_TARGET + command.blocks, headers, "an attack")
        for method, body in (("GET", ""), ("POST", BODY), *(("POST", body_of(size)) for size in bodies)):
            yield _measure_method(peer, site, server, url, method, command.headers, duration_s, body)


def _measure_method(
    peer: Peer, site: Site, server: Server, url: str, method: str, headers: tuple[str, ...], duration_s: int, body: str
) -> Row:
    run_load(site.directory, url, method, headers, WARM_S, body)
    before_s = server.cpu_s()
    seen = run_load(site.directory, url, method, headers, duration_s, body)
    cpu_us = (server.cpu_s() - before_s) / seen.requests * 1e6
    load = f"{method:4} {len(body):6} {'TLS' if site.tls else '   '}"
    _say(f"{peer.name:9} {peer.rung:28} {load} {cpu_us:8.1f} us {seen.rps:8.0f}/s")
    return Row(
        peer.name,
        peer.rung,
        method,
        len(body),
        site.tls,
        1,
        cpu_us,
        seen.rps,
        seen.p50_ms,
        seen.p99_ms,
        server.rss_mib(),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, two minutes in all")
    parser.add_argument("--json", action="store_true", help="write rows as JSON to standard output")
    parser.add_argument("--peers", nargs="+", metavar="NAME", choices=sorted({peer.name for peer in PEERS}))
    parser.add_argument("--bodies", nargs="*", type=float, metavar="KIB", default=[], help="more JSON bodies to POST")
    parser.add_argument("--publish", action="store_true", help="write tables and charts into docs/performance.md")
    parser.add_argument("--rounds", type=int, default=3, help="rounds to take the median of (3)")
    parser.add_argument("--seconds", type=int, default=5, help="seconds a measurement (5)")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
