"""`doorward key`: API keys."""

import time
from dataclasses import asdict
from typing import Annotated, Final

import typer

from doorward.cli import callers
from doorward.cli.callers import POLICY, ClaimOption, JsonOption, PolicyOption, RoleOption, ScopeOption
from doorward.identity.api_keys import ApiKey, add_api_key, list_api_keys, revoke_api_key

_COMMANDS: Final = typer.Typer(help="API keys", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `doorward key`."""
    app.add_typer(_COMMANDS, name="key")


@_COMMANDS.command("add")
def add(
    name: Annotated[str, typer.Argument(help="who calls with it; one name may have several keys")],
    role: RoleOption = None,
    scope: ScopeOption = None,
    claim: ClaimOption = None,
    expires: Annotated[str, typer.Option(help="how long it is good for: 90d, 12h, 30m; at most 366d")] = "90d",
    network: Annotated[
        list[str] | None, typer.Option("--network", help="a network it may be used from (CIDR); may be repeated")
    ] = None,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Make an API key and print it, once."""
    with callers.opened(policy) as (settings, store):
        record, key = add_api_key(
            store,
            name,
            now=time.time(),
            roles=callers.known_roles(settings, role),
            scopes=scope or (),
            claims=callers.parse_claims(claim),
            networks=network or (),
            lifetime_s=callers.parse_duration_s(expires),
        )
    if as_json:
        callers.show_json({**asdict(record), "key": key})
        return
    callers.say(f"made key {record.id} for {record.name}, good until {callers.day(record.expires_at)}; shown only now:")
    print(key)


@_COMMANDS.command("list")
def list_all(policy: PolicyOption = POLICY, as_json: JsonOption = False) -> None:
    """List all API keys, never the keys themselves."""
    with callers.opened(policy) as (_, store):
        keys = list_api_keys(store)
    if as_json:
        callers.show_json([asdict(key) for key in keys])
    else:
        callers.show_table([_row(key) for key in keys], "there are no keys")


@_COMMANDS.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="the id of one key, or the name whose keys all end")],
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Revoke an API key, or all of a name: void within a second."""
    with callers.opened(policy) as (_, store):
        keys = revoke_api_key(store, name, now=time.time())
    if as_json:
        callers.show_json([asdict(key) for key in keys])
    else:
        callers.say(f"revoked {callers.words(key.id for key in keys)}")


def _row(key: ApiKey) -> dict[str, str]:
    return {
        "id": key.id,
        "name": key.name,
        "roles": callers.words(key.roles),
        "scopes": callers.words(key.scopes),
        "claims": callers.claims_text(key.claims),
        "networks": callers.words(key.networks),
        "expires": callers.day(key.expires_at),
        "revoked": callers.day(key.revoked_at),
    }
