"""Keys that answers are encrypted to: on SQLite and PostgreSQL."""

import json
from typing import Any

import pytest

from doorward.controls.authenticate import Credentials, credentials_data
from doorward.errors import PolicyError
from doorward.exchange import Caller
from doorward.identity.encryption_keys import (
    add_encryption_key,
    add_shared_encryption_secret,
    list_encryption_keys,
    published_encryption_keys,
    revoke_encryption_key,
)
from doorward.jose import generate_decryption_key, generate_key
from doorward.sealing import Sealer
from doorward.store import Store

NOW = 1_800_000_000.0
LOCAL = "https://local.example"
SEALER = Sealer(bytes(range(32)))
OWN = generate_decryption_key("ECDH-ES+A256KW")
JWK = json.dumps(OWN.public.jwk()).encode()
PEM = OWN.material.as_pem(private=False)  # type: ignore[union-attr]


def credentials(store: Store, now: float = NOW) -> Credentials:
    data = json.loads(
        json.dumps(credentials_data(issuers={}, encryption_keys=published_encryption_keys(store, now=now)))
    )
    return Credentials.from_data(data, unseal=SEALER.open)


@pytest.mark.parametrize("public", [JWK, PEM], ids=["jwk", "pem"])
def test_a_public_key_is_published_under_the_id_it_was_given(store: Store, public: bytes) -> None:
    record = add_encryption_key(store, "partner", public, now=NOW, key_id="partner-1")
    assert (record.id, record.name, record.algorithm, record.issuer) == ("partner-1", "partner", "ECDH-ES+A256KW", "")
    key = credentials(store).encryption.callers["partner-1"]
    assert (key.subject, key.encrypting.id, key.decrypting) == ("partner", "partner-1", None)


def test_a_shared_secret_is_given_out_once_and_kept_sealed(store: Store) -> None:
    record, secret = add_shared_encryption_secret(store, SEALER, "partner", now=NOW)
    published = published_encryption_keys(store, now=NOW)
    assert len(secret) == 32
    assert repr(secret) not in repr(published)
    assert secret.hex() not in repr(published)
    key = credentials(store).encryption.callers[record.id]
    assert key.decrypting is not None
    assert secret.hex() not in repr(key)
    without = Credentials.from_data(credentials_data(issuers={}, encryption_keys=published))
    assert record.id not in without.encryption.callers


def test_a_key_is_for_the_callers_of_its_issuer(store: Store) -> None:
    add_encryption_key(store, "alice", JWK, now=NOW, key_id="own")
    add_encryption_key(store, "alice", JWK, now=NOW, key_id="other", issuer="https://login.example/")
    keys = credentials(store).encryption.callers

    def serves(key_id: str, **changes: Any) -> bool:
        caller = Caller(**{"subject": "alice", "kind": "user", "issuer": LOCAL, **changes})
        return not keys[key_id].refused(caller, LOCAL, NOW)

    assert serves("own")
    assert serves("own", kind="api_key", issuer="urn:doorward:api-key")
    assert not serves("own", issuer="https://login.example/")
    assert not serves("own", subject="bob")
    assert serves("other", issuer="https://login.example/")
    assert not serves("other")
    assert not serves("other", kind="signature", issuer="urn:doorward:signature")


@pytest.mark.parametrize(
    "public",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        json.dumps(OWN.jwk()).encode(),
        json.dumps(generate_decryption_key("dir").jwk()).encode(),
        json.dumps(generate_key("ES256").public.jwk()).encode(),
        json.dumps({**OWN.public.jwk(), "crv": "P-384"}).encode(),
        OWN.material.as_pem(private=True),  # type: ignore[union-attr]
    ],
    ids=["nothing", "no json", "a list", "deep", "no key", "private", "secret", "for signing", "P-384", "private pem"],
)
def test_what_is_no_public_key_for_encryption_is_refused(store: Store, public: bytes) -> None:
    with pytest.raises(PolicyError):
        add_encryption_key(store, "partner", public, now=NOW)
    assert list_encryption_keys(store) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "two words"},
        {"key_id": "a b"},
        {"key_id": "a" * 65},
        {"lifetime_s": 0},
        {"lifetime_s": 400 * 86_400},
        {"issuer": "https://x", "name": "two words"},
    ],
)
def test_names_ids_and_lifetimes_have_bounds(store: Store, changes: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        add_encryption_key(store, **{"name": "partner", "public": JWK, "now": NOW, **changes})


@pytest.mark.parametrize("first", ["-", "_"])
def test_a_thumbprint_is_an_id_whatever_it_begins_with(store: Store, first: str) -> None:
    """RFC 7638: one in 32 begins so."""
    key_id = first + "Tm3mQSCOCCnzAgMF97L_ZOFM57HLjsPUgQFUHScB8M"
    assert add_encryption_key(store, "partner", JWK, now=NOW, key_id=key_id).id == key_id


def test_an_id_is_given_once(store: Store) -> None:
    add_encryption_key(store, "partner", JWK, now=NOW, key_id="k-1")
    with pytest.raises(PolicyError, match="already"):
        add_encryption_key(store, "other", JWK, now=NOW, key_id="k-1")
    assert [each.name for each in list_encryption_keys(store)] == ["partner"]


def test_a_revoked_key_is_published_as_such_and_an_expired_one_not_at_all(store: Store) -> None:
    first = add_encryption_key(store, "partner", JWK, now=NOW, lifetime_s=600)
    add_encryption_key(store, "partner", JWK, now=NOW, lifetime_s=60)
    assert [each.id for each in revoke_encryption_key(store, first.id, now=NOW + 1)] == [first.id]
    assert len(revoke_encryption_key(store, "partner", now=NOW + 2)) == 2
    assert {each.id: each.revoked_at for each in list_encryption_keys(store)}[first.id] == NOW + 1
    assert revoke_encryption_key(store, "nobody", now=NOW) == []
    (published,) = published_encryption_keys(store, now=NOW + 60)
    assert published["revoked"]
