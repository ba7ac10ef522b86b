"""`doorward client`: programs that fetch tokens, with a secret or a key of their own."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from doorward.cli import callers
from doorward.cli.callers import POLICY, ClaimOption, JsonOption, PolicyOption, RoleOption, ScopeOption
from doorward.cli.registration import registration_token
from doorward.errors import PolicyError
from doorward.identity.changing import ClientChange, change_client, replace_secret
from doorward.identity.clients import Client, add_client, disable_client, list_clients, replace_keys
from doorward.identity.issuer_key_file import FILE_NAME, require_algorithm
from doorward.identity.oauth.asking import CERTIFICATE_METHODS
from doorward.jose import ALGORITHMS, Algorithm
from doorward.policy.document import Policy

JwksOption = Annotated[
    Path | None, typer.Option("--jwks", help="a file with the JWK set of public keys it signs with (private_key_jwt)")
]
JwksUriOption = Annotated[str, typer.Option("--jwks-uri", help="where that set is; fetched when it is needed")]
CertificateOption = Annotated[
    Path | None, typer.Option("--certificate", help="its self-signed certificate (PEM), or the one in use and the next")
]
_COMMANDS: Final = typer.Typer(help="programs that fetch tokens", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `doorward client`."""
    _COMMANDS.command("registration-token")(registration_token)
    app.add_typer(_COMMANDS, name="client")


@_COMMANDS.command("add")
def add(
    name: Annotated[str, typer.Argument(help="its client_id")],
    role: RoleOption = None,
    scope: ScopeOption = None,
    claim: ClaimOption = None,
    redirect: Annotated[
        list[str] | None,
        typer.Option("--redirect", help="where people may be sent back to after signing in; may be repeated"),
    ] = None,
    title: Annotated[str, typer.Option("--title", help="what people are shown; its name by default")] = "",
    public: Annotated[bool, typer.Option("--public", help="it runs at people's own and can keep no secret")] = False,
    trusted: Annotated[bool, typer.Option("--trusted", help="your own: people are not asked for consent")] = False,
    pushed_only: Annotated[
        bool, typer.Option("--pushed-only", help="takes requests for authorization only when pushed (RFC 9126)")
    ] = False,
    jwks: JwksOption = None,
    jwks_uri: JwksUriOption = "",
    certificate: CertificateOption = None,
    tls_name: Annotated[
        str, typer.Option(help="the one name that its certificate must have (RFC 8705): san_dns=client.example.com")
    ] = "",
    post_logout_redirect: Annotated[
        list[str] | None,
        typer.Option("--post-logout-redirect", help="where people may be sent back to after signing out; repeatable"),
    ] = None,
    backchannel_logout: Annotated[
        str, typer.Option("--backchannel-logout", help="where it is told that somebody's session ended")
    ] = "",
    id_token_alg: Annotated[
        str, typer.Option(help=f"what its ID tokens are signed with: {', '.join(ALGORITHMS)}; ES256 by default")
    ] = "",
    exchange_audience: Annotated[
        list[str] | None,
        typer.Option("--exchange-audience", help="for whom it may exchange tokens it was called with; repeatable"),
    ] = None,
    device: Annotated[bool, typer.Option("--device", help="it runs on devices without a browser (RFC 8628)")] = False,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Add a client and print its secret, once; one with keys of its own (private_key_jwt) has none."""
    algorithm = _algorithm(id_token_alg)
    with callers.opened(policy) as (settings, store):
        client, secret = add_client(
            store,
            name,
            now=time.time(),
            roles=callers.known_roles(settings, role),
            scopes=scope or (),
            claims=callers.parse_claims(claim),
            is_public=public,
            title=title,
            redirect_uris=redirect or (),
            is_trusted=trusted,
            pushes_only=pushed_only,
            jwks=None if jwks is None else callers.read_file(jwks),
            jwks_uri=jwks_uri,
            certificate=None if certificate is None else callers.read_file(certificate),
            tls_name=tls_name,
            post_logout_redirect_uris=post_logout_redirect or (),
            backchannel_logout_uri=backchannel_logout,
            id_token_algorithm=algorithm,
            uses_devices=device,
            exchange_audiences=exchange_audience or (),
        )
        if algorithm is not None:
            require_algorithm(settings.state / "keys" / FILE_NAME, algorithm, now=time.time())
    if as_json:
        callers.show_json({**asdict(client), "secret": secret})
        return
    _tell(client, secret, settings)


@_COMMANDS.command("keys")
def keys(
    name: Annotated[str, typer.Argument(help="its client_id")],
    jwks: JwksOption = None,
    jwks_uri: JwksUriOption = "",
    certificate: CertificateOption = None,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Replace the keys or certificates that a client proves itself by; the old ones are void at once."""
    with callers.opened(policy) as (_, store):
        client = replace_keys(
            store,
            name,
            now=time.time(),
            jwks=None if jwks is None else callers.read_file(jwks),
            jwks_uri=jwks_uri,
            certificate=None if certificate is None else callers.read_file(certificate),
        )
    if as_json:
        callers.show_json(asdict(client))
    else:
        told = callers.words(str(key.get("kid", key.get("x5t#S256"))) for key in client.jwks)
        callers.say(f"client {name} proves itself by {client.jwks_uri or told}")


@_COMMANDS.command("change")
def change(
    name: Annotated[str, typer.Argument(help="its client_id")],
    role: RoleOption = None,
    scope: ScopeOption = None,
    claim: ClaimOption = None,
    redirect: Annotated[
        list[str] | None, typer.Option("--redirect", help="where people may be sent back to; may be repeated")
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="what people are shown")] = None,
    trusted: Annotated[bool | None, typer.Option("--trusted/--untrusted", help="whether consent is asked for")] = None,
    post_logout_redirect: Annotated[
        list[str] | None,
        typer.Option("--post-logout-redirect", help="where people may be sent back to after signing out; '' for none"),
    ] = None,
    backchannel_logout: Annotated[
        str | None, typer.Option("--backchannel-logout", help="where it is told of ended sessions; '' for nowhere")
    ] = None,
    exchange_audience: Annotated[
        list[str] | None, typer.Option("--exchange-audience", help="for whom it may exchange tokens; '' for nobody")
    ] = None,
    device: Annotated[
        bool | None, typer.Option("--device/--no-device", help="whether it runs on devices without a browser")
    ] = None,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Give a client other rights or addresses: those named here instead of all it had."""
    with callers.opened(policy) as (settings, store):
        wanted = ClientChange(
            roles=None if role is None else callers.known_roles(settings, role),
            scopes=scope,
            claims=None if claim is None else callers.parse_claims(claim),
            redirect_uris=redirect,
            title=title,
            is_trusted=trusted,
            post_logout_redirect_uris=_given(post_logout_redirect),
            backchannel_logout_uri=backchannel_logout,
            exchange_audiences=_given(exchange_audience),
            uses_devices=device,
        )
        client = change_client(store, name, wanted, now=time.time())
    if as_json:
        callers.show_json(asdict(client))
    else:
        callers.say(f"client {name} has {callers.words(client.roles)}; scopes {callers.words(client.scopes)}")


@_COMMANDS.command("replace-secret")
def replace(
    name: Annotated[str, typer.Argument(help="its client_id")],
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Print a new secret for a client, once; the old one is void at once."""
    with callers.opened(policy) as (_, store):
        client, secret = replace_secret(store, name, now=time.time())
    if as_json:
        callers.show_json({**asdict(client), "secret": secret})
        return
    callers.say(f"the new secret of {name}, shown only now; the old one is void:")
    print(secret)


@_COMMANDS.command("list")
def list_all(policy: PolicyOption = POLICY, as_json: JsonOption = False) -> None:
    """List all clients."""
    with callers.opened(policy) as (_, store):
        clients = list_clients(store)
    if as_json:
        callers.show_json([asdict(client) for client in clients])
    else:
        callers.show_table([_row(client) for client in clients], "there are no clients")


@_COMMANDS.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="its client_id")],
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Disable a client: it gets no more tokens, and those it has are void within a second."""
    with callers.opened(policy) as (_, store):
        client = disable_client(store, name, now=time.time())
    if as_json:
        callers.show_json(asdict(client))
    else:
        callers.say(f"client {name} is disabled")


def _given(texts: list[str] | None) -> list[str] | None:
    """What an option was given; an empty text stands for none.

    >>> _given(None), _given([""]), _given(["a"])
    (None, [], ['a'])
    """
    return None if texts is None else [text for text in texts if text]


def _tell(client: Client, secret: str, settings: Policy) -> None:
    """Nothing; what was added goes to the person, its secret to standard output, and then what to do with it."""
    rights = f" with {callers.words(client.roles)}" if client.roles else ""
    kind = "public client" if client.is_public else "client"
    if secret:
        callers.say(f"added {kind} {client.name}{rights}; its secret, shown only now:")
        print(secret)
    elif client.is_public:
        callers.say(f"added {kind} {client.name}{rights}; it has no secret")
    else:
        callers.say(f"added {kind} {client.name}{rights}; no secret: {client.authentication}")
        callers.say(f"issuer, and audience of assertions: {settings.issuer.url}")
        if client.authentication in CERTIFICATE_METHODS and not settings.issuer.mtls_listen:
            callers.say("hint: nobody is asked for a certificate before the policy says issuer.mtls_listen")
    if client.redirect_uris:
        callers.say(f"it signs people in at {settings.issuer.url}/oauth/authorize")
    if client.uses_devices:
        callers.say(f"its devices ask at {settings.issuer.url}/oauth/device_authorization")
    if secret and not client.redirect_uris and not client.uses_devices:
        callers.say(
            f"next: curl -u {client.name}:SECRET -d grant_type=client_credentials {settings.issuer.url}/oauth/token"
        )


def _algorithm(text: str) -> Algorithm | None:
    for known in ALGORITHMS:
        if text == known:
            return known
    if text:
        raise PolicyError(f"{text!r} is not an algorithm", key="id-token-alg", hint=", ".join(ALGORITHMS))
    return None


def _row(client: Client) -> dict[str, str]:
    return {
        "name": client.name,
        "roles": callers.words(client.roles),
        "scopes": callers.words(client.scopes),
        "kind": "public" if client.is_public else "confidential",
        "proves itself by": client.authentication,
        "redirects": callers.words(client.redirect_uris),
        "claims": callers.claims_text(client.claims),
        "added": callers.day(client.created_at),
        "disabled": callers.day(client.disabled_at),
    }
