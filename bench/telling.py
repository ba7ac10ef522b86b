"""How a measuring command tells its rows: a table, JSON, or the page it is published on."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from bench.publish import replace_between

Say = Callable[[str], None]
"""Tells people what is being measured."""


def tell(
    name: str, about: str | None, heads: Sequence[str], texts: int, measure: Callable[[Say], list[tuple[str, ...]]]
) -> int:
    """The exit status of `python -m bench.<name>`: its rows measured and told under these heads.

    The first `texts` columns are words, the others figures.
    """
    options = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=about)
    options.add_argument("--json", action="store_true", help="rows as JSON")
    options.add_argument("--publish", action="store_true", help="write the table into docs/performance.md")
    chosen = options.parse_args()
    rows = measure(lambda what: print(what, file=sys.stderr, flush=True))
    if chosen.json:
        json.dump([dict(zip(heads, row, strict=True)) for row in rows], sys.stdout)
    else:
        table = Table(*heads)
        for row in rows:
            table.add_row(*row)
        Console().print(table)
    if chosen.publish:
        rule = "|" + "---|" * texts + "---:|" * (len(heads) - texts)
        lines = [f"| {' | '.join(heads)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)]
        replace_between(name, "\n".join(lines))
    return 0
