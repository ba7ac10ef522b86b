"""ID-50: certificates that listed proxies tell of (RFC 9440), and everybody else who does."""

import base64
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.gateway.certificates import DAY, FOR_CLIENTS, NOW, Authority, Issued

from doorward.controls.transport import TransportPolicy
from doorward.denial import Denied
from doorward.exchange import ClientCertificate, Headers, Source
from doorward.gateway.proxied_certificate import ProxiedCertificates
from doorward.gateway.source import behind
from doorward.gateway.x509_names import key_id
from doorward.policy.document import Policy

PROXY, CLIENT = "10.0.0.1", "192.0.2.7"
PROXIES = TransportPolicy(trusted_proxies=("10.0.0.0/8",), client_certificate=True).proxies()
OWN = ClientCertificate(thumbprint="p", subject="CN=proxy")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def reader(authority: Authority) -> ProxiedCertificates:
    reader = ProxiedCertificates()
    reader.follow([authority.certificate])
    return reader


def field(issued: Issued) -> bytes:
    return b":" + base64.b64encode(issued.der) + b":"


def headers(*values: bytes, client: bytes = CLIENT.encode()) -> Headers:
    told = [(b"client-cert", value) for value in values]
    return Headers([(b"x-forwarded-for", client), *told] if client else told)


def source(address: str = PROXY, tls_version: str | None = "TLSv1.3") -> Source:
    return Source(address=address, tls_version=tls_version, certificate=OWN)


def test_what_a_listed_proxy_tells_of_its_client_counts(authority: Authority, reader: ProxiedCertificates) -> None:
    issued = authority.issue("a.test", "spiffe://test/a", purposes=FOR_CLIENTS)
    for client in (CLIENT.encode(), b""):
        found = behind(source(), PROXIES, headers(field(issued), client=client), reader)
        assert found.certificate is not None
        assert found.certificate.uris == ("spiffe://test/a",)
        assert found.certificate.authority == key_id(authority.certificate)
        assert found.certificate.serial == f"{issued.certificate.serial_number:032x}"


def test_nobody_else_is_believed(authority: Authority, reader: ProxiedCertificates) -> None:
    told = headers(field(authority.issue("a.test", purposes=FOR_CLIENTS)))
    assert behind(source("192.0.2.9"), PROXIES, told, reader).certificate is OWN
    assert behind(source(tls_version=None), PROXIES, told, reader).certificate is None
    silent = TransportPolicy(trusted_proxies=("10.0.0.0/8",)).proxies()
    assert behind(source(), silent, told, reader).certificate is None
    assert behind(source(), None, told, reader).certificate is OWN
    assert behind(source(), PROXIES, told, None).certificate is None


def test_the_proxys_own_certificate_is_never_its_clients(reader: ProxiedCertificates) -> None:
    for client in (CLIENT.encode(), b""):
        assert behind(source(), PROXIES, headers(client=client), reader).certificate is None


@pytest.mark.parametrize("client", [b"unknown", b"_hidden", b"unix:", PROXY.encode(), b"192.0.2.7, unknown"])
def test_nor_is_it_that_of_one_whose_address_it_does_not_tell(client: bytes) -> None:
    silent = TransportPolicy(trusted_proxies=("10.0.0.0/8",)).proxies()
    found = behind(source(), silent, Headers([(b"x-forwarded-for", client)]), None)
    assert (found.address, found.certificate) == (PROXY, None)
    assert behind(source(), silent, Headers([]), None).certificate is OWN, "a request of its own"


BAD: dict[str, Callable[[Authority], bytes]] = {
    "other-authority": lambda one: field(one.beside("another").issue("a.test", purposes=FOR_CLIENTS)),
    "same-name-authority": lambda one: field(one.beside(one.name).issue("a.test", purposes=FOR_CLIENTS)),
    "for-servers": lambda one: field(one.issue("a.test")),
    "for-code": lambda one: field(one.issue("a.test", purposes=(ExtendedKeyUsageOID.CODE_SIGNING,))),
    "for-nothing": lambda one: field(one.issue("a.test", purposes=None)),
    "not-yet": lambda one: field(one.issue("a.test", purposes=FOR_CLIENTS, begins=NOW + DAY)),
    "by-a-leaf": lambda one: field(Authority(one.directory, "below", parent=one).issue("a.test", purposes=FOR_CLIENTS)),
    "pem": lambda one: one.issue("a.test", purposes=FOR_CLIENTS).certificate.public_bytes(Encoding.PEM)[:200],
    "cut": lambda one: b":" + base64.b64encode(one.issue("a.test", purposes=FOR_CLIENTS).der[:-9]) + b":",
    "empty": lambda _: b"",
    "colons": lambda _: b"::",
    "spaces": lambda one: field(one.issue("a.test", purposes=FOR_CLIENTS)).replace(b"M", b" M", 1),
    "parameter": lambda one: field(one.issue("a.test", purposes=FOR_CLIENTS)) + b";a=1",
    "huge": lambda _: b":" + b"A" * 20_000 + b":",
}


@pytest.mark.parametrize("kind", BAD)
def test_what_no_authority_of_ours_signed_for_a_client_is_refused(
    authority: Authority, reader: ProxiedCertificates, kind: str
) -> None:
    with pytest.raises(Denied) as caught:
        reader.read(headers(BAD[kind](authority)))
    assert caught.value.code == "authenticate.certificate_untrusted"


def test_two_certificates_of_one_client_are_none(authority: Authority, reader: ProxiedCertificates) -> None:
    one = field(authority.issue("a.test", purposes=FOR_CLIENTS))
    with pytest.raises(Denied) as caught:
        reader.read(headers(one, one))
    assert caught.value.code == "transport.header_duplicate"


def test_an_authority_that_is_no_longer_trusted_vouches_for_nobody(
    authority: Authority, reader: ProxiedCertificates
) -> None:
    told = headers(field(authority.issue("a.test", purposes=FOR_CLIENTS)))
    assert reader.read(told) is reader.read(told)
    reader.follow([authority.beside("another").certificate])
    with pytest.raises(Denied):
        reader.read(told)


def test_an_authority_that_renewed_its_key_under_its_old_name_vouches(authority: Authority) -> None:
    renewed = authority.beside(authority.name)
    reader = ProxiedCertificates()
    reader.follow([authority.certificate, renewed.certificate])
    for one in (authority, renewed):
        found = reader.read(headers(field(one.issue("a.test", purposes=FOR_CLIENTS))))
        assert found is not None
        assert found.authority == key_id(one.certificate)


def test_an_authority_vouches_no_longer_than_its_own_certificate(authority: Authority) -> None:
    now = NOW.timestamp()
    reader = ProxiedCertificates(lambda: now)
    reader.follow([authority.certificate])
    ends = authority.certificate.not_valid_after_utc
    told = headers(field(authority.issue("a.test", purposes=FOR_CLIENTS, ends=ends + DAY)))
    found = reader.read(told)
    assert found is not None
    assert found.expires_at == ends.timestamp()
    now = ends.timestamp()
    other = headers(field(authority.issue("b.test", purposes=FOR_CLIENTS, ends=ends + DAY)))
    with pytest.raises(Denied):
        reader.read(other)


def test_a_leaf_in_the_file_of_authorities_is_none(authority: Authority) -> None:
    leaf = authority.issue("leaf.test", purposes=FOR_CLIENTS)
    reader = ProxiedCertificates()
    reader.follow([x509.load_der_x509_certificate(leaf.der)])
    with pytest.raises(Denied):
        reader.read(headers(field(authority.issue("a.test", purposes=FOR_CLIENTS))))


def test_proxies_are_believed_only_where_they_are_listed() -> None:
    with pytest.raises(ValueError, match="needs trusted_proxies"):
        TransportPolicy(client_certificate=True)


def test_the_example_on_the_page_loads_and_needs_somebody_who_vouches() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tls.md").read_text(encoding="utf-8")
    example = next(text for text in page.split("```yaml\n")[1:] if "client_certificate: true" in text).split("```")[0]
    written = {"api": "a.yaml", "upstream": "http://127.0.0.1:1", **yaml.safe_load(example)}
    assert Policy.model_validate_json(orjson.dumps(written)).transport.client_certificate
    del written["tls"]["client_ca"]
    with pytest.raises(ValueError, match=r"tls\.client_ca or tls\.local_ca"):
        Policy.model_validate_json(orjson.dumps(written))
