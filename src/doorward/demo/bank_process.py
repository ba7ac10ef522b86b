"""The bank as a process of its own, started for the demonstration and ended with it."""

import subprocess
import sys
from pathlib import Path
from typing import Final, Self

_STOP_S: Final = 10.0


class BankProcess:
    """One bank with data of its own in `directory`, which it makes. `with` gives it back once it listens."""

    def __init__(self, directory: Path, port: int = 0) -> None:
        directory.mkdir()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "doorward.demo.bank", str(directory), str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        self.port = 0

    def __enter__(self) -> Self:
        assert self._process.stdout is not None  # noqa: S101 - asked for with PIPE
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise OSError(f"the bank did not start (status {self._process.returncode})")
        self.port = int(line)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
