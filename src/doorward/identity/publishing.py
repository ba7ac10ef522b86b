"""What the workers need to know of callers, as plain data for the snapshot.

No private key is in it, and no secret that could be read: those that must be read back are sealed, and the key that
opens them stands in a file of its own.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from doorward.controls.authenticate import credentials_data
from doorward.identity.api_keys import ApiKey, list_hashed_api_keys
from doorward.identity.ca import published_certificates
from doorward.identity.client_secrets import published_clients
from doorward.identity.encryption_keys import published_encryption_keys
from doorward.identity.revoking import revoked
from doorward.identity.signature_keys import published_signature_keys
from doorward.identity.standing import published_standing
from doorward.jose import PrivateKey
from doorward.store import Store


def published_credentials(
    store: Store,
    keys: Iterable[PrivateKey],
    *,
    issuer: str,
    now: float,
    external: Mapping[str, Iterable[Mapping[str, Any]]] | None = None,
    with_clients: bool = False,
) -> dict[str, Any]:
    """The data that `controls.authenticate.Credentials.from_data` reads.

    `issuer` is the local one, which signs with `keys`; `external` holds the public JWKs of the others. Keys that have
    expired are left out, revoked ones stay as long as they would have lived. `with_clients`: some operation takes the
    secrets of clients, so that their hashes are needed.
    """
    return credentials_data(
        issuers={issuer: [key.public.jwk() for key in keys], **(external or {})},
        api_keys=[_record(key, key_hash) for key, key_hash in list_hashed_api_keys(store) if key.expires_at > now],
        revoked=revoked(store, issuer, now=now),
        signature_keys=published_signature_keys(store, now=now),
        clients=published_clients(store, issuer) if with_clients else (),
        standing=published_standing(store, issuer, now=now),
        certificates=published_certificates(store, now=now),
        encryption_keys=published_encryption_keys(store, now=now),
    )


def _record(key: ApiKey, key_hash: str) -> dict[str, Any]:
    return {
        "id": key.id,
        "hash": key_hash,
        "subject": key.name,
        "roles": list(key.roles),
        "scopes": list(key.scopes),
        "claims": dict(key.claims),
        "networks": list(key.networks),
        "expires_at": key.expires_at,
        "revoked": key.revoked_at is not None,
        **({} if key.form == "doorward" else {"form": key.form, "prefix": key.prefix}),
    }
