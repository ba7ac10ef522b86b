"""The `doorward` command. Each command group is one module with `register(app)`.

Data goes to standard output, talk to standard error. Exit 0: done; 1: something was found (a failing check, an attack
that got through); 2: wrong use or a wrong policy. An operator's mistake gets a place and a hint, never a traceback.
"""

import importlib
import sys
from importlib.metadata import version
from typing import Annotated, Final

import typer

from doorward.errors import PolicyError, PolicyErrors

COMMAND_MODULES: Final = (
    *("init", "run", "check", "attack", "demo"),
    *("user", "client", "key", "token"),
    *("audit", "explain", "schema"),
)

app = typer.Typer(
    name="doorward",
    help="guard an HTTP API from its OpenAPI document and a short policy",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line and exit with its status."""
    register_commands()
    try:
        app()
    except PolicyError as error:
        for line in error_lines(error):
            print(line, file=sys.stderr)
        sys.exit(2)


def error_lines(error: PolicyError) -> list[str]:
    """An operator's mistake as lines for a terminal: where, what, and what to write instead.

    >>> error_lines(PolicyError("'alow' is not a mode", key="modes.inspect", file="doorward.yaml", line=12, hint="try"))
    ["error: modes.inspect: 'alow' is not a mode (doorward.yaml:12)", 'hint:  try']
    """
    lines: list[str] = []
    for mistake in error.errors if isinstance(error, PolicyErrors) else [error]:
        lines.append(f"error: {mistake}")
        if mistake.hint:
            lines.append(f"hint:  {mistake.hint}")
    return lines


def register_commands() -> None:
    """Add every command group to `app`, once."""
    if app.registered_commands:
        return
    for name in COMMAND_MODULES:
        try:
            module = importlib.import_module(f"doorward.cli.{name}")
        except ImportError:
            continue
        module.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"doorward {version('doorward')}")
        raise typer.Exit


@app.callback()
def doorward(
    _version: Annotated[
        bool, typer.Option("--version", help="print the version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Guard an HTTP API from its OpenAPI document and a short policy."""
