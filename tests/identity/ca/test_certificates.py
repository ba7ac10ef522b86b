import contextlib
import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, VerificationError
from cryptography.x509.verification import Store as TrustStore
from sqlalchemy import select, text
from tests.identity.ca.authorities import NOW, SECRET, made, request_for

from doorward.errors import PolicyError
from doorward.identity import ca
from doorward.identity.ca import Granted
from doorward.identity.ca.building import Constraints
from doorward.identity.ca.certificates import LIFE_LEAST_S, LIFE_MOST_S, Issued, purge
from doorward.identity.clients import add_client, disable_client
from doorward.identity.events import KEPT_S, events_of
from doorward.identity.sealing import ServerSecret
from doorward.identity.users import add_user, disable_user
from doorward.sealing import SealBroken
from doorward.store import Store, authorities

DAY_S = 86_400.0


@pytest.fixture(autouse=True)
def authority(store: Store) -> None:
    made(store)


def issued(store: Store, name: str = "partner", **granted: Any) -> Issued:
    return ca.issue(store, SECRET, name, Granted(**granted), now=NOW)


def published(store: Store, now: float = NOW) -> dict[str, Any]:
    entries = ca.published_certificates(store, now=now)["issued"]
    return {entry["serial"]: entry for entry in entries}


def test_a_clients_certificate_is_for_clients_alone_and_names_its_caller(store: Store) -> None:
    made_one = issued(store, roles=["reader"], list_url="https://login.example/ca/crl/{authority}")
    leaf = made_one.certificate
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert (list(purposes.value), purposes.critical) == ([ExtendedKeyUsageOID.CLIENT_AUTH], False)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier("urn:doorward:caller:partner")]
    assert leaf.subject.rfc4514_string() == "CN=partner"
    points = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name is not None
    assert made_one.record.authority in points[0].full_name[0].value
    assert leaf.not_valid_after_utc == dt.datetime.fromtimestamp(NOW + DAY_S, dt.UTC)
    key = leaf.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    verifier = PolicyBuilder().store(TrustStore([made_one.chain[1]])).time(leaf.not_valid_before_utc)
    verified = verifier.build_client_verifier().verify(leaf, [made_one.chain[0]])
    assert [one.subject for one in verified.chain] == [leaf.subject, *(one.subject for one in made_one.chain)]


def test_a_servers_certificate_is_for_servers_alone_and_good_for_its_names(store: Store) -> None:
    made_one = issued(store, "api", kind="server", names=("api.example.internal", "10.1.2.3"))
    leaf = made_one.certificate
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]
    builder = PolicyBuilder().store(TrustStore([made_one.chain[1]])).time(leaf.not_valid_before_utc)
    builder.build_server_verifier(x509.DNSName("api.example.internal")).verify(leaf, [made_one.chain[0]])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("10.1.2.3")]
    assert published(store) == {}


@pytest.mark.parametrize("name", ["api.example.com", "notexample.internal", "192.0.2.1", "fd00::1"])
def test_the_authority_vouches_for_no_server_outside_its_constraints(store: Store, name: str) -> None:
    with pytest.raises(PolicyError, match="may not vouch"):
        issued(store, "api", kind="server", names=(name,))


@pytest.mark.parametrize(
    "name",
    [
        "bank.example.com\0.example.internal",
        "bank.example.com/.example.internal",
        "bank.example.com .example.internal",
        "bank.example.com,DNS:a.example.internal",
        "user@bank.example.internal",
        "..example.internal",
        ".example.internal",
        "*.*.example.internal",
        "a*.example.internal",
        "-a.example.internal",
        f"{'a' * 64}.example.internal",
        f"{'a.' * 120}example.internal",
        "api.example.internal.",
        "b\u00fccher.example.internal",
        "10.1.2.3.",
        "010.1.2.3",
        "fe80::1%eth0",
    ],
    ids=ascii,
)
def test_what_others_could_read_as_another_host_is_no_name(store: Store, name: str) -> None:
    with pytest.raises(PolicyError, match="is not a DNS name"):
        issued(store, "api", kind="server", names=("api.example.internal", name))
    with pytest.raises(PolicyError, match="is not a DNS name"):
        Constraints([name])
    assert issued(store, "api", kind="server", names=("*.Example.internal",)).record.names == ("*.Example.internal",)


def test_the_constraints_hold_for_whoever_has_the_issuing_key(store: Store) -> None:
    good = issued(store, "api", kind="server", names=("api.example.internal",))
    with store.begin() as connection:
        sealed = connection.execute(select(authorities.c.id, authorities.c.sealed_key).where(authorities.c.kind == "issuing")).one()  # fmt: skip
    der = SECRET.open(sealed.sealed_key, f"authorities/sealed_key/{sealed.id}")
    stolen = serialization.load_der_private_key(der, None)
    assert isinstance(stolen, ec.EllipticCurvePrivateKey)
    from doorward.identity.ca.building import make_leaf

    begins = good.certificate.not_valid_before_utc + dt.timedelta(minutes=5)
    forged = make_leaf(
        good.chain[0], stolen, stolen.public_key(), "server", "x", ["bank.example.com"],
        now=begins, life=dt.timedelta(days=1), list_url="",
    )  # fmt: skip
    builder = PolicyBuilder().store(TrustStore([good.chain[1]])).time(begins)
    with pytest.raises(VerificationError):
        builder.build_server_verifier(x509.DNSName("bank.example.com")).verify(forged, [good.chain[0]])


def test_serials_have_128_random_bits(store: Store) -> None:
    serials = {int(issued(store).record.serial, 16) for _ in range(16)}
    assert len(serials) == 16
    assert max(serial.bit_length() for serial in serials) > 120
    assert all(0 < serial < 1 << 128 for serial in serials)


@pytest.mark.parametrize(
    ("granted", "problem"),
    [
        ({"life_s": 30 * DAY_S + 1}, "30 days"),
        ({"life_s": 299}, "30 days"),
        ({"names": ("a.example.internal",)}, "names no server"),
        ({"kind": "server"}, "needs its names"),
        ({"kind": "server", "names": ("a.example.internal",), "roles": ["reader"]}, "no caller"),
        ({"roles": ["a b"]}, "not a role"),
        ({"claims": {"sub": "admin"}}, "not a claim"),
        ({"name": "a b"}, "not a name"),
    ],
)
def test_what_may_not_be_granted_is_not(store: Store, granted: dict[str, Any], problem: str) -> None:
    words = dict(granted)
    with pytest.raises(PolicyError, match=problem):
        issued(store, words.pop("name", "partner"), **words)
    assert ca.list_certificates(store) == []


def test_a_certificate_lives_no_longer_than_its_authority(store: Store) -> None:
    late = ca.list_authorities(store)[1].expires_at - DAY_S
    one = ca.issue(store, SECRET, "partner", Granted(life_s=2 * DAY_S), now=late)
    assert one.record.expires_at == ca.list_authorities(store)[1].expires_at
    with pytest.raises(PolicyError, match="issuing authority has expired"):
        ca.issue(store, SECRET, "partner", Granted(), now=late + DAY_S)


def test_the_key_of_a_request_is_certified_and_no_key_is_made(store: Store) -> None:
    data = request_for()
    one = ca.sign_request(store, SECRET, "partner", data, Granted(), now=NOW)
    assert one.key is None
    assert one.certificate.public_key() == x509.load_pem_x509_csr(data).public_key()
    assert b"PRIVATE KEY" not in ca.pem_bundle(one)


def test_the_bundles_hold_key_and_chain(store: Store) -> None:
    one = issued(store)
    assert one.key is not None
    found = x509.load_pem_x509_certificates(ca.pem_bundle(one))
    assert found == [one.certificate, one.chain[0]]
    data, password = ca.pkcs12_bundle(one)
    loaded = pkcs12.load_pkcs12(data, password.encode())
    assert loaded.cert is not None
    assert loaded.cert.certificate == one.certificate
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(data, b"guess")
    assert password not in repr(one)
    assert "PRIVATE" not in repr(one)


def test_a_new_names_grants_stand_with_the_certificate_and_a_clients_are_its_own(store: Store) -> None:
    add_client(store, "batch", now=NOW, roles=["writer"], scopes=["orders"], claims={"team": "red"})
    one = issued(store, roles=["reader"], claims={"account_id": "a-1"})
    other = issued(store, "batch")
    with pytest.raises(PolicyError, match="whose own roles"):
        issued(store, "batch", roles=["admin"])
    found = published(store)
    assert found[one.record.serial]["roles"] == ["reader"]
    assert found[one.record.serial]["claims"] == {"account_id": "a-1"}
    assert found[other.record.serial]["roles"] == ["writer"]
    assert found[other.record.serial]["scopes"] == ["orders"]
    assert not found[other.record.serial]["revoked"]
    disable_client(store, "batch", now=NOW)
    assert published(store)[other.record.serial]["revoked"]
    assert not published(store)[one.record.serial]["revoked"]


def test_a_renewal_has_the_same_grants_and_another_key_and_happens_once(store: Store) -> None:
    old = issued(store, roles=["reader"])
    new = ca.renew(store, SECRET, old.record.serial, now=NOW + 3_600)
    assert new.record.serial != old.record.serial
    assert (new.record.name, new.record.roles) == ("partner", ("reader",))
    assert new.record.expires_at == NOW + 3_600 + DAY_S
    assert new.certificate.public_key() != old.certificate.public_key()
    with pytest.raises(PolicyError, match="cannot be renewed"):
        ca.renew(store, SECRET, old.record.serial, now=NOW + 3_600)
    assert [event.kind for event in events_of(store, "partner")] == ["certificate.renewed", "certificate.issued"]


@pytest.mark.parametrize("life_s", [LIFE_LEAST_S, LIFE_MOST_S])
def test_a_successor_lives_as_long_as_the_certificate_before_it_at_any_moment_of_a_second(
    store: Store, life_s: float
) -> None:
    one = ca.issue(store, SECRET, "partner", Granted(life_s=life_s), now=NOW + 0.9)
    for number in range(3):
        now = NOW + number + 1.7
        one = ca.renew(store, SECRET, one.record.serial, now=now)
        assert one.record.expires_at == int(now) + life_s


def test_what_is_expired_revoked_or_unknown_is_not_renewed(store: Store) -> None:
    old, revoked = issued(store), issued(store, "other")
    ca.revoke_certificates(store, "other", now=NOW)
    for serial, now in ((old.record.serial, NOW + DAY_S), (revoked.record.serial, NOW), ("0" * 32, NOW)):
        with pytest.raises(PolicyError, match="cannot be renewed"):
            ca.renew(store, SECRET, serial, now=now)


def test_whoever_may_no_longer_call_renews_nothing_and_stands_on_the_list_for_others(store: Store) -> None:
    add_client(store, "batch", now=NOW)
    add_user(store, "alice", now=NOW)
    old = [issued(store, name) for name in ("batch", "alice", "partner")]
    lists = ca.RevocationLists(store, SECRET)
    disable_client(store, "batch", now=NOW + 1)
    disable_user(store, "alice", now=NOW + 1)
    for one in old[:2]:
        with pytest.raises(PolicyError, match="may no longer call"):
            ca.renew(store, SECRET, one.record.serial, now=NOW + 2, request=request_for())
    ca.renew(store, SECRET, old[2].record.serial, now=NOW + 2)
    der = lists.current("", now=NOW + 2)
    assert der is not None
    listed = x509.load_der_x509_crl(der)
    assert {one.serial_number for one in listed} == {one.certificate.serial_number for one in old[:2]}
    reason = listed[0].extensions.get_extension_for_class(x509.CRLReason).value
    assert (reason.reason, listed[0].revocation_date_utc.timestamp()) == (
        x509.ReasonFlags.cessation_of_operation,
        NOW + 1,
    )


def test_a_refused_renewal_uses_nothing_up(store: Store) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    old = ca.sign_request(store, SECRET, "partner", request_for(key=key), Granted(), now=NOW)
    for request, problem in ((request_for(subject="admin"), "not for CN"), (request_for(key=key), "old key")):
        with pytest.raises(PolicyError, match=problem):
            ca.renew(store, SECRET, old.record.serial, now=NOW, request=request)
    ca.renew(store, SECRET, old.record.serial, now=NOW, request=request_for())


def test_of_many_renewals_at_once_one_wins(store: Store) -> None:
    for _ in range(5):
        old = issued(store)

        def once(_number: int, serial: str = old.record.serial) -> bool:
            try:
                ca.renew(store, SECRET, serial, now=NOW)
            except PolicyError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(once, range(8))) == 1


def test_revoking_while_renewing_leaves_nothing_valid(store: Store) -> None:
    for _ in range(8):
        old = issued(store)

        def do(which: int, serial: str = old.record.serial) -> None:
            if which % 2:
                ca.revoke_certificates(store, serial, now=NOW)
                return
            with contextlib.suppress(PolicyError):
                ca.renew(store, SECRET, serial, now=NOW)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(do, range(4)))
        assert all(entry["revoked"] for entry in published(store).values())


def test_revoking_one_revokes_what_it_was_renewed_to_and_a_name_all_of_its(store: Store) -> None:
    old, another = issued(store), issued(store)
    new = ca.renew(store, SECRET, old.record.serial, now=NOW)
    revoked = ca.revoke_certificates(store, old.record.serial, now=NOW + 1, reason="keyCompromise")
    assert {each.serial for each in revoked} == {old.record.serial, new.record.serial}
    assert {serial for serial, entry in published(store).items() if entry["revoked"]} == {
        each.serial for each in revoked
    }
    ca.revoke_certificates(store, "partner", now=NOW + 2)
    times = {each.serial: each.revoked_at for each in ca.list_certificates(store)}
    assert times == {old.record.serial: NOW + 1, new.record.serial: NOW + 1, another.record.serial: NOW + 2}
    with pytest.raises(PolicyError, match="no certificate"):
        ca.revoke_certificates(store, "nobody", now=NOW)
    with pytest.raises(PolicyError, match="no reason"):
        ca.revoke_certificates(store, "partner", now=NOW, reason="removeFromCRL")  # type: ignore[arg-type]


def test_expired_certificates_leave_the_snapshot_and_later_the_store(store: Store) -> None:
    issued(store)
    assert published(store, NOW + DAY_S) == {}
    with store.begin() as connection:
        assert purge(connection, now=NOW + DAY_S + KEPT_S - 1) == 0
        assert purge(connection, now=NOW + DAY_S + KEPT_S) == 1


def test_the_issuing_key_is_sealed_and_no_private_key_is_in_the_store(store: Store) -> None:
    issued(store)
    with store.begin() as connection:
        for table in ("authorities", "certificates"):
            assert "PRIVATE" not in repr(connection.execute(text(f"SELECT * FROM {table}")).all())
    with pytest.raises(SealBroken):
        ca.issue(store, ServerSecret(bytes(32)), "partner", Granted(), now=NOW)
