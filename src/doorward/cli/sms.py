"""`doorward sms`: beginnings of telephone numbers that get no more codes."""

import time
from dataclasses import asdict
from typing import Annotated, Final

import typer

from doorward.cli import callers
from doorward.cli.callers import POLICY, JsonOption, PolicyOption
from doorward.identity.sms.prefixes import StoppedPrefix, release, stopped_prefixes

_COMMANDS: Final = typer.Typer(help="text messages that were stopped", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `doorward sms`."""
    app.add_typer(_COMMANDS, name="sms")


@_COMMANDS.command("stopped")
def stopped(policy: PolicyOption = POLICY, as_json: JsonOption = False) -> None:
    """List the beginnings of numbers that get no more codes because too few came back."""
    with callers.opened(policy) as (_, store), store.begin() as connection:
        found = stopped_prefixes(connection, now=time.time())
    if as_json:
        callers.show_json([asdict(each) for each in found])
    else:
        callers.show_table([_row(each) for each in found], "no text messages are stopped")


@_COMMANDS.command("release")
def release_one(
    prefix: Annotated[str, typer.Argument(help="as `doorward sms stopped` lists it: +49151")],
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Let numbers of a prefix get codes again, once it is clear that nobody has a share in what is sent there."""
    with callers.opened(policy) as (_, store), store.begin() as connection:
        before = release(connection, prefix, now=time.time())
    if as_json:
        callers.show_json(asdict(before))
    else:
        callers.say(f"{prefix} gets codes again; {before.returned} of {before.judged} had come back")


def _row(each: StoppedPrefix) -> dict[str, str]:
    return {
        "prefix": each.prefix,
        "came back": f"{each.returned} of {each.judged}",
        "until": callers.day(each.until),
    }
