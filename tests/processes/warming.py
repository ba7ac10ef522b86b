"""What a worker would compile when it starts, compiled beforehand.

On a busy machine it takes longer than a worker may be silent.
"""

import subprocess
import sys
from pathlib import Path

_CODE = """
import sys
from pathlib import Path
from doorward.automata import keep_in
from doorward.controls import inspect
keep_in(Path(sys.argv[1]))
inspect.warm()
"""


def warm(state: Path) -> None:
    """Nothing; the automata of inspection lie in the state directory."""
    subprocess.run([sys.executable, "-c", _CODE, str(state / "automata")], check=True)
