"""What a gateway's operator has and a stranger has not: its keys and its store, to make credentials with."""

import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from doorward.attack.case import Who
from doorward.attack.credentials import MintedTokens
from doorward.attack.proving import Prover
from doorward.attack.roles import Cast
from doorward.attack.sealing import BodySealer
from doorward.attack.signing import RequestSigner, WebhookSigner
from doorward.controls.authenticate import LOCAL_AUDIENCE, Nonces, nonce_key, takes_secrets
from doorward.controls.authenticate.key_format import ID_BYTES, SECRET_BYTES, make_api_key
from doorward.encryption_key import encryption_keys_for
from doorward.identity.api_keys import add_api_key, revoke_api_key
from doorward.identity.clients import add_client, disable_client
from doorward.identity.encryption_keys import add_encryption_key, revoke_encryption_key
from doorward.identity.signature_keys import (
    Grant,
    add_public_key,
    add_shared_secret,
    list_signature_keys,
    revoke_signature_key,
)
from doorward.jose import generate_decryption_key, load_private_keys
from doorward.operation import ApiDescription
from doorward.policy.document import Policy
from doorward.policy.store import store_place
from doorward.sealing import sealer_for
from doorward.signatures import private_key_from_pem
from doorward.signatures.keys import generate_ed25519
from doorward.store import open_store

KEY_NAME: Final = "doorward-attack"
SIGNERS_ARE: Final[tuple[Who, ...]] = ("reader", "writer")
"""Whose roles those have who sign."""
ELSEWHERE: Final = "192.0.2.0/24"
"""A network that nobody is in (RFC 5737)."""
_LIFETIME_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Signers:
    """Who signs requests in each of the two ways."""

    request: RequestSigner
    webhook: WebhookSigner


class StateCredentials:
    """Credentials made with the state directory of a policy. Errors: OSError, JoseError when its keys are not here."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._key = load_private_keys(policy.state / "keys" / "issuer.json")[0]
        self._made: list[tuple[Callable[..., object], str]] = []
        """What takes a credential back, and its id."""

    def tokens(self, cast: Cast, scopes: tuple[str, ...]) -> MintedTokens:
        """Tokens signed with the local issuer's key."""
        return MintedTokens(
            key=self._key,
            issuer=self._policy.issuer.url,
            audience=LOCAL_AUDIENCE,
            roles=cast.roles,
            scopes=scopes,
            claims=cast.claims,
        )

    def prover(self, tokens: MintedTokens) -> Prover | None:
        """Who makes proofs of possession; None where the policy names no host, and so no proof can be judged."""
        proving = self._policy.authenticate
        if not proving.hosts and not proving.proof_origins:
            return None
        record_key = (self._policy.state / "keys" / "record.key").read_bytes()
        return Prover(
            token=lambda claims: tokens.forge({}, claims, valid_signature=True),
            nonce=Nonces(nonce_key(record_key, os.uname().nodename)).fresh,
            origin=next(iter(proving.proof_origins), ""),
        )

    def signers(self, cast: Cast) -> "Signers":
        """Partners that sign: a key of each kind in the store, good for an hour."""
        policy, now = self._policy, time.time()
        private, public = generate_ed25519()
        store = open_store(*store_place(policy.store, policy.state))
        try:
            roles = sorted({role for who in SIGNERS_ARE if (role := cast.roles.get(who))})
            grant = Grant(roles=roles, claims=cast.claims, lifetime_s=_LIFETIME_S)
            record = add_public_key(store, KEY_NAME, public, grant, now=now)
            for earlier in list_signature_keys(store):
                if earlier.name == KEY_NAME and earlier.purpose == "hmac":
                    revoke_signature_key(store, earlier.id, now=now)
            sealer = sealer_for(policy.state / "keys")
            hook, secret = add_shared_secret(store, sealer, KEY_NAME, grant, now=now, purpose="hmac")
            self._made += [(revoke_signature_key, record.id), (revoke_signature_key, hook.id)]
        finally:
            store.close()
        scheme = "http" if policy.tls is None else "https"
        tag = policy.authenticate.message_signature.tag
        key = private_key_from_pem(private)
        return Signers(
            request=RequestSigner(key_id=record.id, key=key, scheme=scheme, tag=tag),
            webhook=WebhookSigner(key_id=hook.id, secret=secret, scheme=scheme),
        )

    def sealer(self) -> BodySealer:
        """The writer, with a key for their answers in the store, good for an hour."""
        keys = encryption_keys_for(self._policy.state / "keys")
        own = generate_decryption_key("ECDH-ES+A256KW")
        store = open_store(*store_place(self._policy.store, self._policy.state))
        try:
            public = json.dumps(own.public.jwk()).encode("ascii")
            add_encryption_key(store, "attack-writer", public, now=time.time(), key_id=own.id, lifetime_s=_LIFETIME_S)
            self._made.append((revoke_encryption_key, own.id))
        finally:
            store.close()
        return BodySealer(gateway=keys[0].key.public, own=own)

    def client(self, cast: Cast, description: ApiDescription) -> tuple[str, str] | None:
        """Name and secret of a new client with a reader's roles; None where no operation takes them by HTTP Basic."""
        if not any(takes_secrets(operation) for operation in description.operations):
            return None
        role = cast.roles.get("reader")
        store = open_store(*store_place(self._policy.store, self._policy.state))
        try:
            # Names are given once: each run has a client of its own.
            name = f"{KEY_NAME}-{secrets.token_hex(4)}"
            made, secret = add_client(store, name, now=time.time(), roles=(role,) if role else (), claims=cast.claims)
            self._made.append((disable_client, name))
        finally:
            store.close()
        return made.name, secret

    def api_keys(self, cast: Cast) -> dict[str, str]:
        """API keys by kind (`case.KeyKind`): all in the store, good for an hour at most, and one made up."""
        role, now = cast.roles.get("reader"), time.time()
        store = open_store(*store_place(self._policy.store, self._policy.state))
        try:
            roles = (role,) if role else ()
            good, valid = add_api_key(store, KEY_NAME, now=now, roles=roles, claims=cast.claims, lifetime_s=_LIFETIME_S)
            _, expired = add_api_key(store, KEY_NAME, now=now - 2 * _LIFETIME_S, roles=roles, lifetime_s=_LIFETIME_S)
            kept, revoked = add_api_key(store, KEY_NAME, now=now, roles=roles, lifetime_s=_LIFETIME_S)
            revoke_api_key(store, kept.id, now=now)
            distant, elsewhere = add_api_key(
                store, KEY_NAME, now=now, roles=roles, networks=[ELSEWHERE], lifetime_s=_LIFETIME_S
            )
            self._made += [(revoke_api_key, good.id), (revoke_api_key, distant.id)]
        finally:
            store.close()
        _, unknown = make_api_key(secrets.token_bytes(ID_BYTES), secrets.token_bytes(SECRET_BYTES))
        return {
            "valid": valid,
            "expired": expired,
            "revoked": revoked,
            "unknown": unknown,
            "elsewhere": elsewhere,
        }

    def withdraw(self) -> None:
        """Nothing of what was put into the store is good any more."""
        store, now = open_store(*store_place(self._policy.store, self._policy.state)), time.time()
        try:
            while self._made:
                take_back, name = self._made.pop()
                take_back(store, name, now=now)
        finally:
            store.close()
