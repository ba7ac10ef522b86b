"""`doorward demo`: a vulnerable bank is attacked, then guarded and attacked again."""

import json
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from doorward.attack.gateway_process import GatewayError
from doorward.cli.init import make_state
from doorward.demo.engine import STEPS, Demonstration, Stage, demonstrate, set_up
from doorward.demo.report import as_json as report_json
from doorward.demo.report import as_page, kept, next_steps
from doorward.errors import PolicyError

_PLAIN_COLUMNS: Final = 120
"""Width of the table where no terminal says how wide it is."""


def register(app: typer.Typer) -> None:
    """Add `doorward demo`."""
    app.command("demo")(demo)


def demo(
    as_json: Annotated[bool, typer.Option("--json", help="the same for machines, and nothing else")] = False,
    keep: Annotated[bool, typer.Option(help="leave bank and gateway running until Ctrl-C")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="port of the gateway; 0: any free one")] = 0,
) -> None:
    """Attack a vulnerable bank bare, then through Doorward; exit 1 unless everything held."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or banks and gateway would outlive us
    with tempfile.TemporaryDirectory(prefix="doorward-demo-") as name:
        directory = Path(name)
        try:
            shown = _show(directory, port, as_json=as_json, keep=keep)
        except (GatewayError, OSError) as error:
            raise PolicyError(f"the demonstration could not be set up: {error}", key="demo") from None
    raise typer.Exit(0 if shown.held else 1)


def _show(directory: Path, port: int, *, as_json: bool, keep: bool) -> Demonstration:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    talk = Console(stderr=True)
    with Progress(*columns, console=talk, transient=True) as progress:
        task = progress.add_task("starting two banks and a gateway", total=STEPS)

        def step(description: str) -> None:
            progress.update(task, description=description, advance=1)

        with set_up(directory, make_state, gateway_address=f"127.0.0.1:{port}") as stage:
            shown = demonstrate(stage, directory, step)
            progress.stop()
            if as_json:
                print(json.dumps(report_json(shown)), flush=True)
            else:
                console = Console(width=None if sys.stdout.isatty() else _PLAIN_COLUMNS)
                console.print(as_page(shown))
                print(f"\n{next_steps()}" if not keep else "", flush=True)
            if keep:
                _keep(stage, talk)
    return shown


def _keep(stage: Stage, talk: Console) -> None:
    """Waits for Ctrl-C, or for SIGTERM, with everything running."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    talk.print(kept(stage), highlight=False, soft_wrap=True, markup=False)
    ended.wait()
