import datetime as dt

import pytest
from cryptography import x509
from tests.identity.ca.authorities import NOW, SECRET, made

from doorward.identity import ca
from doorward.identity.ca import Granted, RevocationLists
from doorward.store import Store


def current(lists: RevocationLists, authority: str = "", now: float = NOW) -> x509.CertificateRevocationList:
    der = lists.current(authority, now=now)
    assert der is not None
    return x509.load_der_x509_crl(der)


def number(found: x509.CertificateRevocationList) -> int:
    return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_a_list_names_what_is_revoked_and_is_signed_by_the_authority(store: Store) -> None:
    authority, _ = made(store)
    good, bad = (ca.issue(store, SECRET, name, Granted(), now=NOW) for name in ("good", "bad"))
    ca.revoke_certificates(store, "bad", now=NOW + 1, reason="keyCompromise")
    found = current(RevocationLists(store, SECRET), now=NOW + 1)
    issuing = x509.load_pem_x509_certificate(authority.issuing.certificate.encode())
    assert found.issuer == issuing.subject
    assert found.is_signature_valid(issuing.public_key())  # type: ignore[arg-type]
    entry = found.get_revoked_certificate_by_serial_number(bad.certificate.serial_number)
    assert entry is not None
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value
    assert reason.reason == x509.ReasonFlags.key_compromise
    assert found.get_revoked_certificate_by_serial_number(good.certificate.serial_number) is None
    assert found.next_update_utc == dt.datetime.fromtimestamp(int(NOW + 1), dt.UTC) + dt.timedelta(hours=24)


def test_a_list_is_made_anew_when_something_changes_or_an_hour_has_passed(store: Store) -> None:
    made(store)
    ca.issue(store, SECRET, "partner", Granted(), now=NOW)
    lists = RevocationLists(store, SECRET)
    first = current(lists)
    assert lists.current("", now=NOW + 3_599) == lists.current("", now=NOW)
    hour = current(lists, now=NOW + 3_600)
    assert number(hour) > number(first)
    ca.revoke_certificates(store, "partner", now=NOW)
    changed = current(lists, now=NOW + 3_600)
    assert number(changed) > number(hour)
    assert len(changed) == 1
    assert number(current(RevocationLists(store, SECRET), now=NOW + 3_700)) > number(changed)


def test_each_issuing_authority_has_a_list_of_its_own(store: Store) -> None:
    authority, key = made(store)
    old = ca.issue(store, SECRET, "old", Granted(), now=NOW)
    second = ca.rotate_issuing(store, SECRET, key, authority.passphrase, now=NOW)
    new = ca.issue(store, SECRET, "new", Granted(), now=NOW)
    for name in ("old", "new"):
        ca.revoke_certificates(store, name, now=NOW)
    lists = RevocationLists(store, SECRET)
    assert [entry.serial_number for entry in current(lists)] == [new.certificate.serial_number]
    assert [entry.serial_number for entry in current(lists, second.id)] == [new.certificate.serial_number]
    assert [entry.serial_number for entry in current(lists, authority.issuing.id)] == [old.certificate.serial_number]


@pytest.mark.parametrize("which", ["root", "unknown", "none"])
def test_there_is_no_list_of_what_is_no_issuing_authority(store: Store, which: str) -> None:
    if which == "none":
        assert RevocationLists(store, SECRET).current("", now=NOW) is None
        return
    authority, _ = made(store)
    asked = authority.root.id if which == "root" else "0" * 64
    assert RevocationLists(store, SECRET).current(asked, now=NOW) is None
