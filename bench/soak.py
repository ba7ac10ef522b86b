"""`python -m bench.soak`: mixed traffic for some minutes, and what the memory of each process does meanwhile.

Harmless requests, refused ones, hostile bodies, connections that are dropped: everything that could leave something
behind. Ends with the growth of each process between the first quarter and the last.
"""

import argparse
import json
import random
import socket
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

from bench.load import BODY, TARGET, body_of
from bench.peers import doorward
from bench.peers.nginx import upstream_command
from bench.processes import running
from bench.testbed import CORE_LOAD, CORE_PEER, Site, binary, free_port, write_certificate

EACH_S = 5.0
"""Time between two looks at the memory, in seconds."""
_MIB = 1 << 20


def requests(port: int, token: str) -> list[bytes]:
    """What is sent, each as likely as the others."""
    host = f"Host: 127.0.0.1:{port}\r\n"
    bearer = f"Authorization: {token}\r\n"

    def get(target: str, *fields: str) -> bytes:
        return f"GET {target} HTTP/1.1\r\n{host}{''.join(field + chr(13) + chr(10) for field in fields)}\r\n".encode()

    def post(body: str) -> bytes:
        lines = (
            f"POST /orders HTTP/1.1\r\n{host}{bearer}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        )
        return f"{lines}\r\n{body}".encode()

    authorized = bearer.strip()
    return [
        get("/orders?status=open&limit=20", authorized),
        get(f"/orders?status=open&limit={random.randint(1, 99)}", authorized),
        post(BODY),
        post(body_of(20_000)),
        get("/orders"),
        get("/orders?status=none", authorized),
        get(f"/{random.randbytes(6).hex()}", authorized),
        get("/orders", f"Authorization: Bearer {random.randbytes(60).hex()}"),
        post('{"customer":"x\' or 1=1 union select password from users--","items":[]}'),
        post("[" * 5_000),
        b"GET /orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
        f"POST /orders HTTP/1.1\r\n{host}{bearer}Content-Length: 5000\r\n\r\nhalf".encode(),
    ]


def send(port: int, raw: bytes) -> None:
    """One request over a connection of its own; what is half sent is dropped."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(raw)
        if not raw.endswith(b"half"):
            connection.recv(65_536)


def main() -> int:
    """The program."""
    options = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    options.add_argument("--minutes", type=float, default=8.0)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    samples: dict[str, list[float]] = {}
    sent = 0
    with tempfile.TemporaryDirectory(prefix="doorward-soak-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        upstream_port = free_port()
        certificate, key, both = write_certificate(directory)
        site = Site(directory, free_port(), False, upstream_port, certificate, key, both)
        behind = Site(directory, 0, False, upstream_port, certificate, key, both)
        upstream = upstream_command(binary("nginx") or "nginx", behind)
        command = doorward.with_controls(*doorward.ALL)(binary("doorward") or "doorward", site)
        with (
            running(upstream.arguments, core=CORE_LOAD, port=upstream_port, log=directory / "upstream.log"),
            running(command.arguments, core=CORE_PEER, port=site.port, log=directory / "server.log") as server,
        ):
            token = command.headers[0].removeprefix("Authorization: ")
            server.wait_until_serving(f"http://127.0.0.1:{site.port}{TARGET}", {"Authorization": token})
            until = time.monotonic() + chosen.minutes * 60
            look_at = time.monotonic()
            while time.monotonic() < until:
                for raw in requests(site.port, token):
                    send(site.port, raw)
                    sent += 1
                if time.monotonic() >= look_at:
                    look_at += EACH_S
                    for process in server.tree():
                        samples.setdefault(_role(process), []).append(process.memory_info().rss / _MIB)
                    print(f"\r{sent:,} requests", end="", file=sys.stderr, flush=True)
    rows = {
        role: (median(sizes[: len(sizes) // 4 or 1]), median(sizes[-(len(sizes) // 4 or 1) :]))
        for role, sizes in samples.items()
    }
    if chosen.json:
        json.dump({"requests": sent, "mib": rows}, sys.stdout)
        return 0
    print(f"\n{sent:,} requests in {chosen.minutes:g} minutes; MiB in the first quarter and the last")
    for role, (first, last) in rows.items():
        print(f"{role:12} {first:7.1f} {last:7.1f} {last - first:+6.1f}")
    return 0


def _role(process: psutil.Process) -> str:
    modules = [word for word in process.cmdline() if word.startswith("doorward.gateway.")]
    return modules[0].removeprefix("doorward.gateway.") if modules else process.name()


if __name__ == "__main__":
    sys.exit(main())
