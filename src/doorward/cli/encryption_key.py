"""`doorward key`: the keys that bodies are encrypted with, the gateway's own and those of callers."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from doorward.cli import callers
from doorward.cli.callers import POLICY, JsonOption, PolicyOption
from doorward.encryption_key import add_encryption_key as make_own_key
from doorward.encryption_key import encryption_keys_for, public_encryption_jwks, remove_encryption_key
from doorward.errors import PolicyError
from doorward.identity.encryption_keys import (
    EncryptionKeyRecord,
    add_encryption_key,
    add_shared_encryption_secret,
    list_encryption_keys,
)
from doorward.jose import EncryptionAlgorithm, encode_segment
from doorward.sealing import sealer_for

_OWN_ALGORITHMS: Final[tuple[EncryptionAlgorithm, ...]] = ("ECDH-ES+A256KW", "RSA-OAEP-256")


def add_to(commands: typer.Typer) -> None:
    """Add the commands."""
    commands.command("encryption")(encryption)
    commands.command("add-encryption")(add_encryption)
    commands.command("list-encryption")(list_encryption)


def encryption(
    rotate: Annotated[bool, typer.Option("--rotate", help="make a new key for clients to encrypt to")] = False,
    algorithm: Annotated[str, typer.Option(help=f"of the new key: {', '.join(_OWN_ALGORITHMS)}")] = _OWN_ALGORITHMS[0],
    overlap: Annotated[str, typer.Option(help="how long the key before it still opens messages: 30d, 12h")] = "30d",
    remove: Annotated[str, typer.Option(help="the id of a key that is to open nothing from now on")] = "",
    policy: PolicyOption = POLICY,
    _as_json: JsonOption = False,
) -> None:
    """Print the public keys that clients encrypt bodies to (JWKS); the first one is made on first use."""
    with callers.opened(policy) as (settings, _):
        keys = settings.state / "keys"
        if remove:
            remove_encryption_key(keys, remove)
            callers.say(f"key {remove} opens nothing any more")
        if rotate:
            overlap_s = callers.parse_duration_s(overlap)
            made = make_own_key(keys, _own_algorithm(algorithm), now=time.time(), overlap_s=overlap_s)
            callers.say(f"made key {made.id}; the one before it opens messages for {overlap} yet")
        found = encryption_keys_for(keys)
    for each in found:
        if each.until != float("inf"):
            callers.say(f"key {each.key.id} opens messages until {callers.day(each.until)}")
    print(json.dumps(public_encryption_jwks(found), indent=1))


def add_encryption(
    name: Annotated[str, typer.Argument(help="whose answers are encrypted to it; one name may have several keys")],
    public_key: Annotated[
        Path | None, typer.Option(help="their public key, P-256 or RSA (PEM, or a JWK); without it a secret is made")
    ] = None,
    key_id: Annotated[str, typer.Option("--id", help="its `kid`; by default a random one")] = "",
    issuer: Annotated[
        str, typer.Option(help="whose tokens name them; by default they are a caller of this installation")
    ] = "",
    expires: Annotated[str, typer.Option(help="how long it is good for: 90d, 12h, 30m; at most 366d")] = "90d",
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Register the key that a caller's answers are encrypted to, or make a shared secret and print it, once."""
    with callers.opened(policy) as (settings, store):
        now, lifetime_s, shown = time.time(), callers.parse_duration_s(expires), ""
        if public_key is not None:
            record = add_encryption_key(
                store, name, callers.read_file(public_key), now=now, issuer=issuer, key_id=key_id, lifetime_s=lifetime_s
            )
        else:
            record, secret = add_shared_encryption_secret(
                store,
                sealer_for(settings.state / "keys"),
                name,
                now=now,
                issuer=issuer,
                key_id=key_id,
                lifetime_s=lifetime_s,
            )
            shown = encode_segment(secret).decode("ascii")
    if as_json:
        callers.show_json({**asdict(record), **({"secret": shown} if shown else {})})
        return
    callers.say(f"{record.algorithm} key {record.id} for {record.name}, good until {callers.day(record.expires_at)}")
    if shown:
        callers.say("the secret in base64url (`k` of a JWK), shown only now:")
        print(shown)


def list_encryption(policy: PolicyOption = POLICY, as_json: JsonOption = False) -> None:
    """List all keys that answers are encrypted to, never a secret."""
    with callers.opened(policy) as (_, store):
        keys = list_encryption_keys(store)
    if as_json:
        callers.show_json([asdict(key) for key in keys])
    else:
        callers.show_table([_row(key) for key in keys], "there are no keys")


def _own_algorithm(text: str) -> EncryptionAlgorithm:
    for known in _OWN_ALGORITHMS:
        if text == known:
            return known
    raise PolicyError(f"{text!r} is not an algorithm of ours", key="algorithm", hint=", ".join(_OWN_ALGORITHMS))


def _row(key: EncryptionKeyRecord) -> dict[str, str]:
    return {
        "id": key.id,
        "name": key.name,
        "issuer": key.issuer or "-",
        "algorithm": key.algorithm,
        "expires": callers.day(key.expires_at),
        "revoked": callers.day(key.revoked_at),
    }
