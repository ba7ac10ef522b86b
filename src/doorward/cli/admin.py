"""`doorward admin`: the way into the admin API."""

import time
from typing import Final

import typer

from doorward.cli import callers
from doorward.cli.callers import POLICY, JsonOption, PolicyOption
from doorward.errors import PolicyError
from doorward.identity.admin.access import TICKET_S, make_ticket

_COMMANDS: Final = typer.Typer(help="the way into the admin API", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `doorward admin`."""
    app.add_typer(_COMMANDS, name="admin")


@_COMMANDS.callback()
def _group() -> None:
    """Keep `login` a command of its own."""


@_COMMANDS.command("login")
def login(policy: PolicyOption = POLICY, as_json: JsonOption = False) -> None:
    """Print a ticket that begins one session of the admin API: good once, for five minutes."""
    with callers.opened(policy) as (settings, store):
        if settings.admin is None:
            raise PolicyError("there is no admin API", key="admin", hint="admin: {listen: 127.0.0.1:8445}")
        ticket = make_ticket(store, callers.operator(), now=time.time())
        address = f"http://{settings.admin.listen}/admin/v1/session"
    if as_json:
        callers.show_json({"ticket": ticket, "url": address, "expires_in": int(TICKET_S)})
        return
    callers.say("a ticket, good once, for five minutes:")
    print(ticket)
    # On its input: what a program was started with, every user of this host can read.
    callers.say(
        f'next: curl -H \'content-type: application/json\' -d @- {address}, with {{"ticket": "TICKET"}} as input'
    )
