"""A test run that is killed outright leaves neither its directories nor its PostgreSQL."""

import subprocess
import sys
from pathlib import Path

from tests.waiting import until

_MADE = """
import sys
from pathlib import Path
from tests.leaving import goes_with_us
goes_with_us(Path(sys.argv[1]), holds_postgres=True)
print(flush=True)
sys.stdin.read()
"""


def killed_with(directory: Path) -> None:
    """Nothing; a process whose directory it was is gone, and could do nothing more."""
    command = [sys.executable, "-c", _MADE, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"\n"
        assert directory.exists()
        run.kill()


def test_what_a_killed_run_made_is_gone(tmp_path: Path) -> None:
    made = tmp_path / "made"
    (made / "deep").mkdir(parents=True)
    (made / "deep" / "file").touch()
    killed_with(made)
    until(lambda: not made.exists(), "the directory of a killed run stays")


def test_so_is_a_server_whose_data_lie_there(tmp_path: Path) -> None:
    data = tmp_path / "made" / "data"
    data.mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"]) as server:
        (data / "postmaster.pid").write_text(f"{server.pid}\n{data}\n")
        killed_with(tmp_path / "made")
        until(lambda: server.poll() is not None, "the server of a killed run stays")
        (data / "postmaster.pid").unlink()
    until(lambda: not data.parent.exists(), "its data stay")
