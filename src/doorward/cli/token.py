"""`doorward token`: a user's token without a login, for trying things out."""

import time
from typing import Annotated, Final

import typer

from doorward.cli import callers
from doorward.cli.callers import POLICY, JsonOption, PolicyOption, ScopeOption
from doorward.controls.authenticate import LOCAL_AUDIENCE
from doorward.errors import PolicyError
from doorward.identity.issuer_key_file import FILE_NAME, load_ring
from doorward.identity.tokens import Minter
from doorward.identity.users import get_user
from doorward.jose import PrivateKey
from doorward.policy.document import Policy

DEVELOPMENT_CLIENT: Final = "doorward-development"
"""`client_id` of these tokens: a gateway's record shows where they came from."""


def register(app: typer.Typer) -> None:
    """Add `doorward token`."""
    app.command("token")(token)


def token(
    user: Annotated[str, typer.Option("--user", help="whose token")],
    minutes: Annotated[int, typer.Option(min=1, max=60, help="how long it is good for")] = 10,
    scope: ScopeOption = None,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Mint a user's access token (development only)."""
    with callers.opened(policy) as (settings, store):
        if not settings.issuer.insecure_development_tokens:
            raise PolicyError(
                "the policy does not allow tokens without a login",
                key="issuer.insecure_development_tokens",
                hint="for development only, write `issuer: {insecure_development_tokens: true}`",
            )
        found = get_user(store, user)
        if found.disabled_at is not None:
            raise PolicyError(f"user {user!r} is disabled", key="user")
        minted = Minter(key=_signing_key(settings), issuer=settings.issuer.url, audience=LOCAL_AUDIENCE).mint(
            found.name,
            client_id=DEVELOPMENT_CLIENT,
            now=time.time(),
            roles=found.roles,
            scopes=scope or (),
            claims=found.claims,
            lifetime_s=minutes * 60,
        )
    if as_json:
        callers.show_json({"access_token": minted.text, "id": minted.id, "expires_at": minted.expires_at})
    else:
        print(minted.text)


def _signing_key(policy: Policy) -> PrivateKey:
    return load_ring(policy.state / "keys" / FILE_NAME).published(time.time())[0]
