"""`doorward user`: people who may call."""

import asyncio
import sys
import time
from dataclasses import asdict
from typing import Annotated, Final

import typer

from doorward.cli import callers
from doorward.cli.callers import POLICY, ClaimOption, JsonOption, PolicyOption, RoleOption
from doorward.identity import events
from doorward.identity.breaches import NotLookedUp, require_unbreached
from doorward.identity.changing import UserChange, change_user
from doorward.identity.credentials import Verifier
from doorward.identity.enrolling import make_reset, remove_all_factors
from doorward.identity.names import require_name
from doorward.identity.passwords import require_strong
from doorward.identity.profiles import profile_of
from doorward.identity.sealing import KEY_FILE, load_or_make_secret
from doorward.identity.users import User, add_user, disable_user, enable_user, get_user, list_users
from doorward.policy.breaches import BreachedPasswordsPolicy
from doorward.store import Store

_COMMANDS: Final = typer.Typer(help="people who may call", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `doorward user`."""
    app.add_typer(_COMMANDS, name="user")


@_COMMANDS.command("add")
def add(
    name: Annotated[str, typer.Argument(help="their name, as it stands in `sub`")],
    role: RoleOption = None,
    claim: ClaimOption = None,
    email: Annotated[
        str | None, typer.Option("--email", help="their mail address; used once they have opened a link sent there")
    ] = None,
    phone: Annotated[
        str | None,
        typer.Option("--phone", help="their number, as +4915123456789; used once a code sent there came back"),
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="read a password (15 characters or more) from standard input")
    ] = False,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Add a user."""
    with callers.opened(policy) as (settings, store):
        letters_and_digits = profile_of(settings.issuer.profiles).letters_and_digits
        password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
        if password is not None and settings.issuer.breached_passwords is not None:
            require_name(name, "user")
            require_strong(password, [name], letters_and_digits=letters_and_digits)
            _look_up(settings.issuer.breached_passwords, store, name, password)
        user = add_user(
            store,
            name,
            now=time.time(),
            roles=callers.known_roles(settings, role),
            claims=callers.parse_claims(claim),
            email=email,
            phone=phone,
            password=password,
            letters_and_digits=letters_and_digits,
        )
        if as_json:
            callers.show_json(asdict(user))
            return
        callers.say(f"added user {user.name} with {callers.words(user.roles)}")
        if not password_stdin:
            callers.say(f"next: doorward user reset {user.name}  # a link with which they set a password")
        if settings.issuer.insecure_development_tokens:
            callers.say(f"next: doorward token --user {user.name}")


@_COMMANDS.command("change")
def change(
    name: Annotated[str, typer.Argument(help="their name")],
    role: RoleOption = None,
    claim: ClaimOption = None,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Give a user other roles or claims: those named here instead of all they had."""
    with callers.opened(policy) as (settings, store):
        wanted = UserChange(
            roles=None if role is None else callers.known_roles(settings, role),
            claims=None if claim is None else callers.parse_claims(claim),
        )
        user = change_user(store, name, wanted, now=time.time())
    if as_json:
        callers.show_json(asdict(user))
    else:
        callers.say(f"user {name} has {callers.words(user.roles)}; {callers.claims_text(user.claims)}")


@_COMMANDS.command("list")
def list_all(policy: PolicyOption = POLICY, as_json: JsonOption = False) -> None:
    """List all users."""
    with callers.opened(policy) as (_, store):
        users = list_users(store)
    if as_json:
        callers.show_json([asdict(user) for user in users])
    else:
        callers.show_table([_row(user) for user in users], "there are no users")


@_COMMANDS.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="their name")],
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Disable a user: every token of theirs is void within a second."""
    with callers.opened(policy) as (_, store):
        user = disable_user(store, name, now=time.time())
    if as_json:
        callers.show_json(asdict(user))
    else:
        callers.say(f"user {name} is disabled")


@_COMMANDS.command("enable")
def enable(
    name: Annotated[str, typer.Argument(help="their name")],
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Let a disabled user in again, once their tokens from before have expired."""
    with callers.opened(policy) as (_, store):
        user = enable_user(store, name, now=time.time())
    if as_json:
        callers.show_json(asdict(user))
    else:
        callers.say(f"user {name} is enabled and has to sign in")


@_COMMANDS.command("reset")
def reset(
    name: Annotated[str, typer.Argument(help="their name")],
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Print a link with which a user sets a password themselves: good once, for a day."""
    with callers.opened(policy) as (settings, store):
        ticket = make_reset(store, name, now=time.time())
        link = f"{settings.issuer.url.rstrip('/')}/auth/reset?ticket={ticket}"
    if as_json:
        callers.show_json({"user": name, "link": link})
        return
    callers.say(f"send this to {name} on a way nobody else reads; it is good once, for 24 hours:")
    print(link)


@_COMMANDS.command("unlock")
def unlock(
    name: Annotated[str, typer.Argument(help="their name")],
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Forget the failed attempts at a user's account."""
    with callers.opened(policy) as (settings, store):
        get_user(store, name)
        secret = load_or_make_secret(settings.state / "keys" / KEY_FILE)
        Verifier(store, secret).forget_failures(name, now=time.time())
    if as_json:
        callers.show_json({"user": name})
    else:
        callers.say(f"the failed attempts at {name}'s account are forgotten")


@_COMMANDS.command("remove-factors")
def remove_factors(
    name: Annotated[str, typer.Argument(help="their name")],
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Take away all second factors of a user who lost them; make sure first that it is them who asks."""
    with callers.opened(policy) as (_, store):
        get_user(store, name)
        count = remove_all_factors(store, name, now=time.time())
    if as_json:
        callers.show_json({"user": name, "removed": count})
    else:
        callers.say(f"{name} has no second factor any more ({count} removed)")


def _look_up(policy: BreachedPasswordsPolicy, store: Store, name: str, password: str) -> None:
    """Nothing, for a password that may be set as far as breaches go. Errors: WeakPassword."""
    try:
        asyncio.run(require_unbreached(policy, password))
    except NotLookedUp as error:
        with store.begin() as connection:
            about = {"reason": error.reason, "outcome": policy.unanswered}
            events.record(connection, "password.unchecked", name, now=time.time(), **about)
        if policy.unanswered == "refuse":
            raise
        callers.say(f"the password was judged by the built-in list alone: {policy.url}: {error.reason}")


def _row(user: User) -> dict[str, str]:
    return {
        "name": user.name,
        "roles": callers.words(user.roles),
        "claims": callers.claims_text(user.claims),
        "password": "yes" if user.has_password else "no",
        "added": callers.day(user.created_at),
        "disabled": callers.day(user.disabled_at),
    }
