"""What a worker would compile when it starts, compiled once for all gateways that a test run starts."""

import functools
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

from tests.leaving import goes_with_us

from doorward.cli.init import make_state

_ONE_COMPILES: Final = threading.Lock()
_CODE = """
import sys
from pathlib import Path
from doorward.automata import keep_in
from doorward.controls import inspect
keep_in(Path(sys.argv[1]))
inspect.warm()
"""


def make_warm_state(state: Path) -> None:
    """What `doorward init` makes in a state directory, and the automata."""
    make_state(state)
    warm(state)


def warm(state: Path) -> None:
    """Nothing; the automata of inspection lie in the state directory."""
    with _ONE_COMPILES:
        compiled = _compiled()
    shutil.copytree(compiled.name, state / "automata", dirs_exist_ok=True)


@functools.cache
def _compiled() -> "tempfile.TemporaryDirectory[str]":
    """A directory with them, which goes with this process. Another process makes them: this one may have its own."""
    directory = tempfile.TemporaryDirectory(prefix="doorward-automata-")
    goes_with_us(Path(directory.name))
    subprocess.run([sys.executable, "-c", _CODE, directory.name], check=True)
    return directory
