"""`python -m doorward.demo.bank DIRECTORY [PORT]`: the bank as a process; its first line of output is its port."""

import sys
from pathlib import Path

from doorward.demo.bank import data
from doorward.demo.bank.server import listener, server


def main() -> None:
    """Serves until it is told to stop."""
    directory = Path(sys.argv[1])
    data.create(directory)
    sock = listener(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    sys.stdout.write(f"{sock.getsockname()[1]}\n")
    sys.stdout.flush()
    server(directory).run(sockets=[sock])


main()
