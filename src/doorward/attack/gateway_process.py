"""A real `doorward run`, started for the laboratory or the demonstration and ended with it."""

import contextlib
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import orjson

from doorward.attack.wire import Target

_START_S: Final = 120.0
_STOP_S: Final = 20.0
_LOOK_S: Final = 0.05


class GatewayError(Exception):
    """The gateway did not start; the message holds what it said."""


class GatewayProcess:
    """One gateway. `with` waits until it serves, and ends it afterwards, with everything it started."""

    def __init__(self, policy: Path) -> None:
        """Starts it; waiting is left to `with`, so that several can start at the same time."""
        self._policy = policy
        self._ready_file = policy.parent / "ready.json"
        self._ready_file.unlink(missing_ok=True)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "doorward", "run", "--policy", str(policy), "--ready-file", str(self._ready_file)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._ready: dict[str, Any] = {}

    def __enter__(self) -> Self:
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def target(self) -> Target:
        """Where it listens, with the development CA it was made with."""
        place, plain = urlsplit(self._ready["gateway"]), urlsplit(self._ready["plain"] or "")
        context = ssl.create_default_context(cafile=str(self.ca_file))
        return Target(host=str(place.hostname), port=int(place.port or 443), tls=context, plain_port=plain.port or 0)

    @property
    def issuer_target(self) -> Target:
        """Where its identity provider listens."""
        place = urlsplit(self._ready["issuer"])
        context = ssl.create_default_context(cafile=str(self.ca_file))
        return Target(host=str(place.hostname), port=int(place.port or 443), tls=context)

    @property
    def ca_file(self) -> Path:
        """The CA that vouches for its certificate."""
        return self._policy.parent / ".doorward" / "tls" / "ca.pem"

    @property
    def url(self) -> str:
        """Its address, as a client writes it."""
        return str(self._ready["gateway"])

    @property
    def issuer_url(self) -> str:
        """The address of its provider."""
        return str(self._ready["issuer"])

    @property
    def worker_pids(self) -> list[int]:
        """Process ids of its workers."""
        return list(self._ready["workers"])

    @property
    def control_pid(self) -> int:
        """Process id of its control process, the latest one."""
        lines = [orjson.loads(line) for line in self.log.splitlines() if line.startswith('{"child": "control"')]
        return int([line["pid"] for line in lines if line["event"] == "started"][-1])

    @property
    def log(self) -> str:
        """What it has said so far."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")

    def stop(self) -> None:
        """Ends it and everything it started."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_STOP_S)
            finally:  # also when whoever waits is interrupted again
                self._kill()
        if not self._log.closed:
            self._log.close()

    def _kill(self) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                # Its own process group: nothing that somebody else started is in it.
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        while not self._ready_file.exists():
            if self._process.poll() is not None:
                raise GatewayError(f"doorward run ended with status {self._process.returncode}:\n{self.log[-4000:]}")
            if time.monotonic() > deadline:
                raise GatewayError(f"doorward run did not start within {_START_S:.0f} s:\n{self.log[-4000:]}")
            time.sleep(_LOOK_S)
        self._ready = orjson.loads(self._ready_file.read_bytes())
