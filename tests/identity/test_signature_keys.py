from typing import Any

import pytest

from doorward.controls.authenticate import Credentials, credentials_data
from doorward.errors import PolicyError
from doorward.identity.api_keys import add_api_key
from doorward.identity.clients import add_client
from doorward.identity.signature_keys import (
    Grant,
    add_public_key,
    add_shared_secret,
    list_signature_keys,
    published_signature_keys,
    revoke_signature_key,
)
from doorward.sealing import Sealer
from doorward.signatures.keys import generate_ed25519
from doorward.store import Store

NOW = 1_800_000_000.0
SEALER = Sealer(bytes(range(32)))
_, PUBLIC = generate_ed25519()
GRANT = Grant(roles=["writer"], scopes=["a"], claims={"account_id": "a-1"}, networks=["10.0.0.0/8"], lifetime_s=600)


def credentials(store: Store, now: float = NOW) -> Credentials:
    data = credentials_data(issuers={}, signature_keys=published_signature_keys(store, now=now))
    return Credentials.from_data(data, unseal=SEALER.open)


def test_a_public_key_is_published_with_what_its_holder_may_do(store: Store) -> None:
    record = add_public_key(store, "partner", PUBLIC, GRANT, now=NOW, key_id="partner-1")
    assert (record.id, record.algorithm, record.purpose) == ("partner-1", "ed25519", "rfc9421")
    key = credentials(store).signature_keys["partner-1"]
    assert key.caller.subject == "partner"
    assert key.caller.roles == {"writer"}
    assert key.caller.expires_at == NOW + 600
    assert str(key.networks[0]) == "10.0.0.0/8"
    assert key.verifying is not None
    assert key.mac is None


@pytest.mark.parametrize("purpose", ["rfc9421", "hmac"])
def test_a_shared_secret_is_given_out_once_and_kept_sealed(store: Store, purpose: Any) -> None:
    record, secret = add_shared_secret(store, SEALER, "partner", GRANT, now=NOW, purpose=purpose)
    assert len(secret) == 32
    published = published_signature_keys(store, now=NOW)
    assert secret.hex() not in repr(published) and repr(secret) not in repr(published)  # noqa: PT018 - one fact
    key = credentials(store).signature_keys[record.id]
    assert (key.verifying is None, key.mac is None) == (purpose == "hmac", purpose != "hmac")


def test_a_partners_own_secret_is_taken_if_it_is_long_enough(store: Store) -> None:
    _, secret = add_shared_secret(store, SEALER, "partner", GRANT, now=NOW, purpose="hmac", secret=b"s" * 24)
    assert secret == b"s" * 24
    for purpose, short in (("hmac", b"s" * 23), ("rfc9421", b"s" * 31)):
        with pytest.raises(PolicyError, match="at least"):
            add_shared_secret(store, SEALER, "partner", GRANT, now=NOW, purpose=purpose, secret=short)  # type: ignore[arg-type]


def test_sha_512_is_for_webhooks_alone(store: Store) -> None:
    record, _ = add_shared_secret(store, SEALER, "p", GRANT, now=NOW, purpose="hmac", algorithm="hmac-sha512")
    assert record.algorithm == "hmac-sha512"
    with pytest.raises(PolicyError):
        add_shared_secret(store, SEALER, "p", GRANT, now=NOW, purpose="rfc9421", algorithm="hmac-sha512")


def test_two_hmac_keys_of_a_name_are_in_force_and_no_third(store: Store) -> None:
    first, _ = add_shared_secret(store, SEALER, "partner", GRANT, now=NOW, purpose="hmac")
    add_shared_secret(store, SEALER, "partner", GRANT, now=NOW, purpose="hmac")
    with pytest.raises(PolicyError, match="2 HMAC keys"):
        add_shared_secret(store, SEALER, "partner", GRANT, now=NOW, purpose="hmac")
    add_shared_secret(store, SEALER, "another", GRANT, now=NOW, purpose="hmac")
    revoke_signature_key(store, first.id, now=NOW)
    add_shared_secret(store, SEALER, "partner", GRANT, now=NOW, purpose="hmac")
    add_shared_secret(store, SEALER, "partner", GRANT, now=NOW + 601, purpose="hmac")


def test_a_revoked_key_is_published_as_such_and_an_expired_one_not_at_all(store: Store) -> None:
    add_public_key(store, "partner", PUBLIC, GRANT, now=NOW, key_id="a")
    add_public_key(store, "partner", PUBLIC, GRANT, now=NOW + 100, key_id="b")
    assert [key.id for key in revoke_signature_key(store, "a", now=NOW)] == ["a"]
    assert [key.revoked for key in credentials(store).signature_keys.values()] == [True, False]
    assert set(credentials(store, NOW + 600).signature_keys) == {"b"}


@pytest.mark.parametrize("first", ["-", "_"])
def test_a_thumbprint_is_an_id_whatever_it_begins_with(store: Store, first: str) -> None:
    """RFC 7638: one in 32 begins so."""
    key_id = first + "Tm3mQSCOCCnzAgMF97L_ZOFM57HLjsPUgQFUHScB8M"
    assert add_public_key(store, "partner", PUBLIC, GRANT, now=NOW, key_id=key_id).id == key_id


def test_all_keys_of_a_name_are_revoked_together_and_the_first_time_stays(store: Store) -> None:
    for key_id in ("a", "b"):
        add_public_key(store, "partner", PUBLIC, GRANT, now=NOW, key_id=key_id)
    revoke_signature_key(store, "a", now=NOW)
    revoked = revoke_signature_key(store, "partner", now=NOW + 5)
    assert [key.revoked_at for key in revoked] == [NOW, NOW + 5]
    assert revoke_signature_key(store, "unknown", now=NOW) == []
    assert [key.id for key in list_signature_keys(store)] == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"key_id": "a b"}, "not a key id"),
        ({"key_id": "x" * 129}, "not a key id"),
        ({"name": "a b"}, "not a name"),
        ({"pem": "not a key"}, "not a PEM"),
        ({"grant": Grant(lifetime_s=367 * 86_400)}, "366 days"),
        ({"grant": Grant(networks=["10.0.0.1/8"])}, "an address within a network"),
        ({"grant": Grant(claims={"sub": "x"})}, "not a claim"),
        ({"grant": Grant(roles=["a b"])}, "not a role"),
    ],
)
def test_what_is_wrong_is_not_kept(store: Store, change: dict[str, Any], problem: str) -> None:
    words: dict[str, Any] = {"name": "partner", "pem": PUBLIC, "grant": GRANT, "now": NOW} | change
    with pytest.raises(PolicyError, match=problem):
        add_public_key(store, **words)
    assert list_signature_keys(store) == []


def test_an_id_is_given_once(store: Store) -> None:
    add_public_key(store, "partner", PUBLIC, GRANT, now=NOW, key_id="a")
    with pytest.raises(PolicyError, match="already"):
        add_public_key(store, "another", PUBLIC, GRANT, now=NOW, key_id="a")


def test_a_name_may_have_api_keys_too_but_not_be_a_clients(store: Store) -> None:
    add_api_key(store, "partner", now=NOW)
    add_public_key(store, "partner", PUBLIC, GRANT, now=NOW)
    add_client(store, "program", now=NOW)
    with pytest.raises(PolicyError, match="already"):
        add_public_key(store, "program", PUBLIC, GRANT, now=NOW)
