"""The `doorward` command. Each command group is one module with `register(app)`.

Data goes to standard output, talk to standard error. Exit 0: done; 1: something was found (a failing check, an attack
that got through); 2: wrong use or a wrong policy. An operator's mistake gets a place and a hint, never a traceback.
"""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from doorward.cli import (
    admin,
    attack,
    audit,
    certificate,
    check,
    client,
    demo,
    drift,
    explain,
    init,
    inspect,
    key,
    observe_report,
    run,
    schema,
    sms,
    token,
    user,
)
from doorward.cli.messages import error_lines
from doorward.cli.sections import Sections
from doorward.errors import PolicyError

app = typer.Typer(
    name="doorward",
    cls=Sections,
    help="guard an HTTP API from its OpenAPI document and a short policy",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        app()
    except PolicyError as error:
        for line in error_lines(error):
            print(line, file=sys.stderr)
        sys.exit(2)


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


# The order of help stands in sections.py.
for module in (
    admin,
    attack,
    audit,
    certificate,
    check,
    client,
    demo,
    drift,
    explain,
    init,
    inspect,
    key,
    observe_report,
    run,
    schema,
    sms,
    token,
    user,
):
    module.register(app)
