"""The same cases through nginx with ModSecurity and the OWASP Core Rule Set: how much it refuses.

Each case goes twice to a server of our own on loopback: as a query parameter, and as a member of a JSON body. A case
that is a JSON document goes once, as the body it is. Both count; 403 is a refusal.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.progress import track

from bench.peers.modsecurity import command as modsecurity
from bench.peers.nginx import upstream_command
from bench.processes import running
from bench.testbed import Site, binary, free_port, write_certificate
from doorward.controls.inspect.evaluation import ALL, Case

PEER: Final = "ModSecurity + CRS"
_QUERY_BYTES: Final = 6_000
"""Longer ones go as a body alone."""


def refusals(cases: Iterable[Case]) -> dict[tuple[str, str], list[int]]:
    """How many requests, and how many refused, by class and source and for all sources of a class.

    Errors: RuntimeError without the packages (hint: sh bench/install.sh).
    """
    counts: dict[tuple[str, str], list[int]] = {}
    with _served() as client:
        for case in track([*cases], PEER, console=Console(stderr=True), transient=True):
            answers = [_is_refused(client, request) for request in _requests(client, case)]
            for source in (case.source, ALL):
                count = counts.setdefault((case.kind, source), [0, 0])
                count[0] += len(answers)
                count[1] += sum(answers)
    return counts


def _requests(client: httpx.Client, case: Case) -> Iterator[httpx.Request]:
    if case.expect != "block" and case.payload[:1] in {"{", "["}:
        yield client.build_request("POST", "/", content=case.payload, headers={"content-type": "application/json"})
        return
    text = case.payload.encode("utf-8", "replace").decode()
    if len(text) <= _QUERY_BYTES:
        yield client.build_request("GET", "/", params={"q": text})
    yield client.build_request(
        "POST", "/", content=json.dumps({"q": text}), headers={"content-type": "application/json"}
    )


def _is_refused(client: httpx.Client, request: httpx.Request) -> bool:
    return client.send(request).status_code == 403


@contextmanager
def _served() -> Iterator[httpx.Client]:
    program = binary("nginx")
    if program is None:
        raise RuntimeError("nginx is missing; hint: sh bench/install.sh")
    with tempfile.TemporaryDirectory(prefix="doorward-crs-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # nginx's worker drops its privileges
        certificate, key, both = write_certificate(directory)
        port = free_port()
        places = []
        for part in ("upstream", "crs"):
            place = directory / part
            place.mkdir()
            places.append(place)
        behind = Site(places[0], port, False, port, certificate, key, both)
        site = Site(places[1], free_port(), False, port, certificate, key, both)
        upstream, guard = upstream_command(program, behind), modsecurity(program, site)
        with (
            running(upstream.arguments, core=0, port=port, log=directory / "upstream.log"),
            running(guard.arguments, core=1, port=site.port, log=directory / "crs.log", environment=guard.environment),
            httpx.Client(base_url=f"http://127.0.0.1:{site.port}", timeout=30.0) as client,
        ):
            yield client
