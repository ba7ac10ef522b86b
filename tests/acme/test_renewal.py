import base64
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from doorward.acme import due_at, window_of
from doorward.acme.renewal import renewal_id

BEGINS = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(
    serial: int = 7, authority: bytes | None = b"\x01\x02", life: dt.timedelta = 90 * DAY
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(KEY.public_key())
        .serial_number(serial)
        .not_valid_before(BEGINS)
        .not_valid_after(BEGINS + life)
    )
    if authority is not None:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier(authority, None, None), critical=False)
    return builder.sign(KEY, hashes.SHA256())


def test_a_certificate_is_due_after_two_thirds_of_its_life_each_at_a_moment_of_its_own() -> None:
    moments = {due_at(certificate(serial)) for serial in range(1, 40)}
    assert len(moments) == 39
    assert all(BEGINS + 60 * DAY <= moment <= BEGINS + 64.5 * DAY for moment in moments)
    assert max(moments) - min(moments) > 3 * DAY
    assert due_at(certificate(3)) == due_at(certificate(3))
    assert BEGINS + 4 * DAY <= due_at(certificate(life=6 * DAY)) <= BEGINS + 4.3 * DAY


def test_the_servers_window_counts_where_it_is_sound() -> None:
    def window(start: object, end: object) -> dt.datetime | None:
        return window_of({"suggestedWindow": {"start": start, "end": end}}, certificate())

    found = window("2027-02-01T00:00:00Z", "2027-02-03T00:00:00Z")
    assert found is not None
    assert BEGINS + 31 * DAY <= found < BEGINS + 33 * DAY
    past = window("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    assert past is not None
    assert past < BEGINS
    assert window("2027-02-03T00:00:00Z", "2027-02-01T00:00:00Z") is None
    assert window("2028-01-01T00:00:00Z", "2028-01-02T00:00:00Z") is None
    assert window("2027-02-01T00:00:00", "2027-02-02T00:00:00") is None
    assert window(7, None) is None


@pytest.mark.parametrize("information", [{}, {"suggestedWindow": None}, {"suggestedWindow": {"start": "x"}}])
def test_what_is_no_window_is_none(information: dict[str, object]) -> None:
    assert window_of(information, certificate()) is None


def test_the_example_of_rfc_9773() -> None:
    authority = bytes.fromhex("69885B6B8746404185 1B37B847BB0AE2CDE01C8D4".replace(" ", "")[:40].ljust(40, "0"))
    one = certificate(0x87654321, authority)
    first, second = renewal_id(one).split(".")
    assert base64.urlsafe_b64decode(first + "==") == authority
    assert second == "AIdlQyE"  # the serial of RFC 9773 section 4.1, with the zero byte of its sign
    assert renewal_id(certificate(authority=None)) == ""
