"""`doorward key`: API keys, the keys that partners sign requests with, and the issuer's own."""

import base64
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from doorward.answer_key import answer_key_for
from doorward.cli import callers, encryption_key
from doorward.cli.callers import POLICY, ClaimOption, JsonOption, PolicyOption, RoleOption, ScopeOption
from doorward.errors import PolicyError
from doorward.identity.api_keys import DAY_S, ApiKey, add_api_key, list_api_keys, revoke_api_key
from doorward.identity.encryption_keys import EncryptionKeyRecord, revoke_encryption_key
from doorward.identity.issuer_key_file import FILE_NAME, load_ring, publish_next, replace_all
from doorward.identity.key_import import ImportGrant, import_api_keys, read_csv, read_json
from doorward.identity.key_ring import KeyRing
from doorward.identity.key_rotation import rotate_api_key
from doorward.identity.key_uses import WARN_S, ending_soon
from doorward.identity.signature_keys import (
    Grant,
    SigningKeyRecord,
    add_public_key,
    add_shared_secret,
    list_signature_keys,
    revoke_signature_key,
)
from doorward.sealing import sealer_for
from doorward.signatures.webhook import MAC_ALGORITHMS, MacAlgorithm

NetworkOption = Annotated[
    list[str] | None,
    typer.Option("--from", "--network", help="a network it may be used from (CIDR); may be repeated"),
]
_COMMANDS: Final = typer.Typer(help="API keys, keys of signed requests, the issuer's keys", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `doorward key`."""
    encryption_key.add_to(_COMMANDS)
    app.add_typer(_COMMANDS, name="key")


@_COMMANDS.command("add")
def add(
    name: Annotated[str, typer.Argument(help="who calls with it; one name may have several keys")],
    role: RoleOption = None,
    scope: ScopeOption = None,
    claim: ClaimOption = None,
    expires: Annotated[str, typer.Option(help="how long it is good for: 90d, 12h, 30m; at most 366d")] = "90d",
    network: NetworkOption = None,
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


@_COMMANDS.command("rotate")
def rotate(
    name: Annotated[str, typer.Argument(help="the id of one key, or the name whose good keys are all replaced")],
    overlap: Annotated[str, typer.Option(help="how long the old one stays good: 24h, 7d; 0m: not at all")] = "24h",
    expires: Annotated[
        str | None,
        typer.Option(help="how long the new one is good for; by default as long as the old one"),
    ] = None,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Make a key that gives what the old one gives, and print it, once; the old one ends when the overlap is over."""
    with callers.opened(policy) as (_, store):
        rotation = rotate_api_key(
            store,
            name,
            now=time.time(),
            overlap_s=callers.parse_duration_s(overlap),
            lifetime_s=None if expires is None else callers.parse_duration_s(expires),
        )
    if as_json:
        old = [{"id": each.id, "expires_at": each.expires_at} for each in rotation.old]
        callers.show_json({**asdict(rotation.new), "key": rotation.key, "replaces": old})
        return
    for each in rotation.old:
        callers.say(f"key {each.id} is good until {callers.day(each.expires_at)}")
    new = rotation.new
    callers.say(f"made key {new.id} for {new.name}, good until {callers.day(new.expires_at)}; shown only now:")
    print(rotation.key)


@_COMMANDS.command("import")
def import_keys(
    file: Annotated[Path, typer.Argument(help="CSV with a first line of names, or JSON: name, hash[, roles, ...]")],
    random_bits: Annotated[
        int, typer.Option(help="how many random bits each key has, at least 128: a fast hash protects no fewer")
    ],
    prefix: Annotated[str, typer.Option(help="what every key of the file begins with")] = "",
    role: RoleOption = None,
    scope: ScopeOption = None,
    claim: ClaimOption = None,
    expires: Annotated[str, typer.Option(help="how long they are good for: 90d, 12h, 30m; at most 366d")] = "90d",
    network: NetworkOption = None,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Take over keys of another system by their SHA-256 or SHA-512, all of a file or none: clients change nothing."""
    text = callers.read_file(file).decode("utf-8-sig", "replace")
    entries = read_csv(text) if file.suffix.lower() == ".csv" else read_json(text)
    with callers.opened(policy) as (settings, store):
        callers.known_roles(settings, {each for entry in entries for each in entry.roles})
        grant = ImportGrant(
            random_bits=random_bits,
            prefix=prefix,
            roles=callers.known_roles(settings, role),
            scopes=scope or (),
            claims=callers.parse_claims(claim),
            networks=network or (),
            lifetime_s=callers.parse_duration_s(expires),
        )
        keys = import_api_keys(store, entries, grant, now=time.time())
    if as_json:
        callers.show_json([asdict(key) for key in keys])
    else:
        callers.say(f"imported {len(keys)} {'key' if len(keys) == 1 else 'keys'}")


@_COMMANDS.command("list")
def list_all(
    ending: Annotated[
        str | None, typer.Option(help="only good keys that end within this time and that none replaces: 14d")
    ] = None,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """List all API keys, never the keys themselves; those that end within two weeks are pointed out."""
    now = time.time()
    with callers.opened(policy) as (_, store):
        keys = list_api_keys(store)
    if ending is not None:
        keys = ending_soon(keys, now=now, within_s=callers.parse_duration_s(ending))
    if as_json:
        callers.show_json([asdict(key) for key in keys])
        return
    rows = [{**_row(key), "used": callers.day(key.last_used_at), "form": key.form} for key in keys]
    callers.show_table(rows, "there are no keys" if ending is None else f"no key ends within {ending} unreplaced")
    for key in ending_soon(keys, now=now, within_s=WARN_S):
        days = int((key.expires_at - now) // DAY_S)
        callers.say(f"key {key.id} of {key.name} ends in {days} days: doorward key rotate {key.id}")


@_COMMANDS.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="the id of one key, or the name whose keys all end")],
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Revoke a key, of whatever kind, or all of a name: void within a second."""
    with callers.opened(policy) as (_, store):
        now = time.time()
        keys: list[ApiKey | SigningKeyRecord | EncryptionKeyRecord] = [
            *revoke_signature_key(store, name, now=now),
            *revoke_encryption_key(store, name, now=now),
        ]
        try:
            keys += revoke_api_key(store, name, now=now)
        except PolicyError:
            if not keys:
                raise
    if as_json:
        callers.show_json([asdict(key) for key in keys])
    else:
        callers.say(f"revoked {callers.words(key.id for key in keys)}")


@_COMMANDS.command("add-signature")
def add_signature(
    name: Annotated[str, typer.Argument(help="who signs with it; one name may have several keys")],
    public_key: Annotated[
        Path | None, typer.Option(help="the partner's public key (PEM); without it a shared secret is made")
    ] = None,
    webhook: Annotated[bool, typer.Option(help="for plain HMAC signatures, not for RFC 9421")] = False,
    algorithm: Annotated[str, typer.Option(help=f"of a shared secret: {', '.join(MAC_ALGORITHMS)}")] = "hmac-sha256",
    secret_file: Annotated[Path | None, typer.Option(help="a file with the secret that the partner gave you")] = None,
    base64_secret: Annotated[
        bool, typer.Option("--base64", help="the secret is base64, perhaps behind `whsec_` (Standard Webhooks)")
    ] = False,
    key_id: Annotated[str, typer.Option("--id", help="its `keyid`; by default a random one")] = "",
    role: RoleOption = None,
    scope: ScopeOption = None,
    claim: ClaimOption = None,
    expires: Annotated[str, typer.Option(help="how long it is good for: 90d, 12h, 30m; at most 366d")] = "90d",
    network: NetworkOption = None,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Register the key that a partner signs requests with, or make a shared secret and print it, once."""
    given = None if secret_file is None else _secret(secret_file, is_base64=base64_secret)
    if public_key is not None and (webhook or given is not None):
        raise PolicyError("a public key is not for HMAC", key="public-key", hint="leave --webhook and the secret away")
    with callers.opened(policy) as (settings, store):
        grant = Grant(
            roles=callers.known_roles(settings, role),
            scopes=scope or (),
            claims=callers.parse_claims(claim),
            networks=network or (),
            lifetime_s=callers.parse_duration_s(expires),
        )
        shown = ""
        if public_key is not None:
            pem = callers.read_file(public_key).decode("utf-8", "replace")
            record = add_public_key(store, name, pem, grant, now=time.time(), key_id=key_id)
        else:
            record, secret = add_shared_secret(
                store,
                sealer_for(settings.state / "keys"),
                name,
                grant,
                now=time.time(),
                purpose="hmac" if webhook else "rfc9421",
                secret=given,
                algorithm=_mac_algorithm(algorithm),
                key_id=key_id,
            )
            shown = base64.b64encode(secret).decode("ascii") if given is None else ""
    if as_json:
        callers.show_json({**asdict(record), **({"secret": shown} if shown else {})})
        return
    callers.say(f"{record.algorithm} key {record.id} for {record.name}, good until {callers.day(record.expires_at)}")
    if shown:
        callers.say("the secret in base64, shown only now:")
        print(shown)


@_COMMANDS.command("list-signatures")
def list_signatures(policy: PolicyOption = POLICY, as_json: JsonOption = False) -> None:
    """List all keys of signed requests, never a secret."""
    with callers.opened(policy) as (_, store):
        keys = list_signature_keys(store)
    if as_json:
        callers.show_json([asdict(key) for key in keys])
    else:
        rows = [{"algorithm": key.algorithm, "purpose": key.purpose, **_row(key)} for key in keys]
        callers.show_table(rows, "there are no keys")


@_COMMANDS.command("answers")
def answers(policy: PolicyOption = POLICY, as_json: JsonOption = False) -> None:
    """Print the public key of signed answers (PEM), for clients to check them with; made on first use."""
    with callers.opened(policy) as (settings, _):
        found = answer_key_for(settings.state / "keys")
    if as_json:
        callers.show_json({"id": found.id, "public_key": found.public})
        return
    callers.say(f"answers are signed with key {found.id}")
    print(found.public, end="")


@_COMMANDS.command("rotate-issuer")
def rotate_issuer(
    ahead: Annotated[
        str, typer.Option(help="how long the new key is published before it signs: 24h; at least 1h")
    ] = "",
    compromised: Annotated[
        bool,
        typer.Option("--compromised", help="the old keys are in wrong hands: all that they signed is void at once"),
    ] = False,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Replace the key that signs tokens, with overlap: nobody is signed out, no token is refused."""
    if compromised and ahead:
        raise PolicyError("what is compromised cannot wait", key="ahead", hint="leave --ahead away")
    with callers.opened(policy) as (settings, _):
        path, now = settings.state / "keys" / FILE_NAME, time.time()
        hours = settings.issuer.publish_keys_hours
        ahead_s = callers.parse_duration_s(ahead or f"{hours}h")
        ring = replace_all(path, now=now) if compromised else publish_next(path, now=now, ahead_s=ahead_s)
    _show_ring(ring, now, as_json=as_json)


@_COMMANDS.command("list-issuer")
def list_issuer(policy: PolicyOption = POLICY, as_json: JsonOption = False) -> None:
    """List the keys that the issuer signs tokens with, never the keys themselves."""
    with callers.opened(policy) as (settings, _):
        ring = load_ring(settings.state / "keys" / FILE_NAME)
    _show_ring(ring, time.time(), as_json=as_json)


def _show_ring(ring: KeyRing, now: float, *, as_json: bool) -> None:
    told = [
        {
            "id": each.key.id,
            "algorithm": each.key.algorithm,
            "signs_from": each.signs_from,
            "signs_until": ring.retires_at(each),
            "signs_now": each.key is ring.signer(now, each.key.algorithm),
        }
        for each in ring.keys
    ]
    if as_json:
        callers.show_json(told)
        return
    rows = [
        {
            "id": each.key.id,
            "algorithm": each.key.algorithm,
            "signs from": callers.day(each.signs_from),
            "signs until": callers.day(ring.retires_at(each)),
        }
        for each in ring.keys
    ]
    callers.show_table(rows, "there are no keys")


def _mac_algorithm(text: str) -> MacAlgorithm:
    for known in MAC_ALGORITHMS:
        if text == known:
            return known
    raise PolicyError(f"{text!r} is not an algorithm", key="algorithm", hint=", ".join(MAC_ALGORITHMS))


def _secret(path: Path, *, is_base64: bool) -> bytes:
    text = callers.read_file(path).rstrip(b"\r\n")
    if not is_base64:
        return text
    try:
        return base64.b64decode(text.removeprefix(b"whsec_"), validate=True)
    except ValueError as error:
        raise PolicyError(f"{path} does not hold base64", key="secret-file") from error


def _row(key: ApiKey | SigningKeyRecord) -> dict[str, str]:
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
