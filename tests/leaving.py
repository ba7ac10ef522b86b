"""What a test run makes outside of pytest's own directories goes when the run ends, killed outright or not."""

import os
import subprocess
from pathlib import Path
from typing import Final

_STOP_POSTGRES: Final = """
server=$(head -n 1 "$1/data/postmaster.pid") && kill -QUIT "$server"
tries=0; while [ -e "$1/data/postmaster.pid" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
"""
_WAITING: Final[list["subprocess.Popen[bytes]"]] = []


def goes_with_us(directory: Path, *, holds_postgres: bool = False) -> None:
    """Nothing; once this process is gone the directory is, and before it the PostgreSQL whose data are in it.

    Who is killed cannot do it. A shell of its own session does: it waits for the end of a pipe that only we hold.
    """
    ours_ends, _held = os.pipe()
    script = f'read -r _; {_STOP_POSTGRES if holds_postgres else ""}\nrm -rf -- "$1"'
    _WAITING.append(
        subprocess.Popen(
            ["sh", "-c", script, "sh", str(directory)],
            stdin=ours_ends,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    )
    os.close(ours_ends)
