"""`doorward client registration-token`: lets programs register themselves as clients."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from doorward.cli import callers
from doorward.cli.callers import POLICY, JsonOption, PolicyOption
from doorward.errors import PolicyError
from doorward.identity.registration_tokens import list_tokens, make_token, revoke_token


def registration_token(
    expires: Annotated[str, typer.Option("--expires", help="how long it is good for, as 1d, 12h, 30m")] = "1d",
    uses: Annotated[int, typer.Option("--uses", help="how many clients may be registered with it")] = 1,
    revoke: Annotated[str, typer.Option("--revoke", help="take back the token of this id instead")] = "",
    show: Annotated[bool, typer.Option("--list", help="list the tokens that are still good instead")] = False,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Print a token with which programs register themselves as clients, once (RFC 7591)."""
    now = time.time()
    with callers.opened(policy) as (settings, store):
        if revoke:
            revoke_token(store, revoke, now=now)
            callers.say(f"registration token {revoke} is void")
            return
        if show:
            tokens = [asdict(token) for token in list_tokens(store, now=now)]
            if as_json:
                callers.show_json(tokens)
            else:
                rows = [
                    {
                        "id": token["id"],
                        "uses left": str(token["uses_left"]),
                        "expires": callers.day(token["expires_at"]),
                    }
                    for token in tokens
                ]
                callers.show_table(rows, "there are no registration tokens")
            return
        if settings.issuer.registration is None:
            raise PolicyError(
                "the policy lets no program register itself",
                key="issuer.registration",
                hint="write `issuer: {registration: {scopes: [...]}}`",
            )
        made, text = make_token(store, now=now, lifetime_s=callers.parse_duration_s(expires), uses=uses)
    if as_json:
        callers.show_json({**asdict(made), "token": text})
        return
    callers.say(f"registration token {made.id}, good for {uses} clients until {callers.day(made.expires_at)}:")
    print(text)
