"""Clients that prove who they are with a certificate, and those that fail to."""

import base64
import contextlib
import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from tests.gateway.certificates import DAY, FOR_CLIENTS, NOW, Authority, Issued
from tests.gateway.lab import Lab, StubPipeline, request, running
from tests.gateway.tls_client import answered, connected, everything, trusting

from doorward.controls.authenticate import AuthenticatePolicy, KnownCertificates, compile_standing_check
from doorward.controls.forward import ForwardPolicy
from doorward.controls.transport import TransportPolicy
from doorward.errors import PolicyError
from doorward.exchange import ClientCertificate, Exchange
from doorward.gateway.client_certificate import thumbprint
from doorward.gateway.proxied_certificate import ProxiedCertificates
from doorward.gateway.revocation_files import read_lists
from doorward.gateway.server_tls import ServerTls
from doorward.gateway.x509_names import key_id
from doorward.policy.tls import TlsSettings

BOTH_VERSIONS = pytest.mark.parametrize("tls_1_2", [False, True], ids=["1.3", "1.2"])


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def settings(authority: Authority) -> TlsSettings:
    file = authority.issue("127.0.0.1", file="server.pem").file
    return TlsSettings(certificate=file, key=file, client_ca=authority.file, client_certificate="require")


def client(authority: Authority, *names: str) -> Issued:
    return authority.issue(*names, purposes=FOR_CLIENTS)


class Remembering(StubPipeline):
    """Keeps the certificate of each request."""

    def __init__(self, policy: ForwardPolicy) -> None:
        super().__init__(policy)
        self.certificates: list[ClientCertificate | None] = []

    def admit_head(self, exchange: Exchange) -> object:
        self.certificates.append(exchange.source.certificate)
        return super().admit_head(exchange)


class RememberingLab(Lab):
    pipeline_type = Remembering
    pipeline: Remembering


class Checking(StubPipeline):
    """Lets nobody in whose certificate is not good any more, as a worker does."""

    def __init__(self, policy: ForwardPolicy) -> None:
        super().__init__(policy)
        self.known = KnownCertificates()
        self._standing = compile_standing_check(AuthenticatePolicy(), lambda: self.known)

    def admit_head(self, exchange: Exchange) -> object:
        self._standing(exchange)
        return super().admit_head(exchange)


class CheckingLab(Lab):
    pipeline_type = Checking
    pipeline: Checking

    def follow(self, tls: ServerTls, settings: TlsSettings) -> None:
        tls.follow(settings)
        self.pipeline.known.foreign, self.pipeline.known.anchors = tls.lists, tls.anchors


@contextlib.contextmanager
def checking(tls: ServerTls) -> Iterator[CheckingLab]:
    with CheckingLab(tls=tls) as lab:
        lab.pipeline.known.foreign, lab.pipeline.known.anchors = tls.lists, tls.anchors
        yield lab


def code(lab: Lab, context: ssl.SSLContext) -> str:
    """The code of the refusal, empty when the request was let in."""
    answer = answered(lab.port, context)
    assert answer
    _, _, rest = answer.partition(b'"type":"urn:doorward:denial:')
    return rest.partition(b'"')[0].decode()


REVOKED, UNTRUSTED = "authenticate.certificate_revoked", "authenticate.certificate_untrusted"


@BOTH_VERSIONS
def test_a_good_certificate_reaches_the_controls_and_its_thumbprint_the_record(
    authority: Authority, settings: TlsSettings, tls_1_2: bool
) -> None:
    shown = client(authority, "batch.test", "spiffe://test/batch")
    expected = base64.urlsafe_b64encode(hashlib.sha256(shown.der).digest()).rstrip(b"=").decode()
    with RememberingLab(tls=ServerTls(settings)) as lab:
        answer = answered(lab.port, trusting(authority, show=shown.file, tls_1_2=tls_1_2))
        assert answer.endswith(b'{"ok":true}')
        outcome = lab.audit.wait_for_outcomes(1)[0]
        assert f"transport.certificate:{expected}" in outcome.findings
        assert lab.pipeline.certificates == [
            ClientCertificate(
                thumbprint=expected,
                subject="CN=batch.test",
                dns_names=("batch.test",),
                uris=("spiffe://test/batch",),
                serial=f"{shown.certificate.serial_number:032x}",
                authority=key_id(authority.certificate),
                anchor=key_id(authority.certificate),
                fingerprint=hashlib.sha256(shown.der).hexdigest(),
                expires_at=shown.certificate.not_valid_after_utc.timestamp(),
            )
        ]


@BOTH_VERSIONS
def test_where_one_is_requested_a_client_may_do_without(
    authority: Authority, settings: TlsSettings, tls_1_2: bool
) -> None:
    relaxed = settings.model_copy(update={"client_certificate": "request"})
    with RememberingLab(tls=ServerTls(relaxed)) as lab:
        assert answered(lab.port, trusting(authority, tls_1_2=tls_1_2)).endswith(b'{"ok":true}')
        assert lab.pipeline.certificates == [None]
        other = client(authority.beside("another authority"), "batch.test")
        assert not answered(lab.port, trusting(authority, show=other.file, tls_1_2=tls_1_2))
    with RememberingLab(tls=ServerTls(settings)) as lab:
        assert not answered(lab.port, trusting(authority, tls_1_2=tls_1_2))
        assert not lab.audit.records


def test_the_certificate_of_a_listed_proxy_is_not_its_clients(authority: Authority, settings: TlsSettings) -> None:
    listed = TransportPolicy(trusted_proxies=("127.0.0.0/8",)).proxies()
    context = trusting(authority, show=client(authority, "proxy.test").file)
    with RememberingLab(tls=ServerTls(settings), proxies=listed) as lab:
        answered(lab.port, context, "127.0.0.1", "api.test", "X-Forwarded-For: 192.0.2.7")
        answered(lab.port, context)
        assert [one and one.subject for one in lab.pipeline.certificates] == [None, "CN=proxy.test"]


def constrained(authority: Authority) -> Issued:
    permitted = x509.NameConstraints(permitted_subtrees=[x509.DNSName("allowed.test")], excluded_subtrees=None)
    below = Authority(authority.directory, "constrained", parent=authority, more=[(permitted, True)])
    return client(below, "other.test")


def with_long_chain(authority: Authority) -> Issued:
    return authority.issue("a.test", purposes=FOR_CLIENTS, chain=[authority.certificate] * 8)


def with_nul(authority: Authority) -> Issued:
    # DER is written by hand: no library makes such a name.
    evil = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x0c\x82\x0aok.test\x00.b")
    return authority.issue(purposes=FOR_CLIENTS, more=[(evil, False)])


def with_unknown_kind_of_name(authority: Authority) -> Issued:
    x400 = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x04\xa3\x02\x30\x00")
    return authority.issue(purposes=FOR_CLIENTS, more=[(x400, False)])


BAD = {
    "expired": lambda authority: authority.issue("a.test", purposes=FOR_CLIENTS, begins=NOW - 9 * DAY, ends=NOW - DAY),
    "not-yet-valid": lambda authority: authority.issue("a.test", purposes=FOR_CLIENTS, begins=NOW + DAY),
    "for-servers": lambda authority: authority.issue("a.test"),
    "for-code": lambda authority: authority.issue("a.test", purposes=(ExtendedKeyUsageOID.CODE_SIGNING,)),
    "for-nothing": lambda authority: authority.issue("a.test", purposes=None),
    "other-authority": lambda authority: client(authority.beside("another authority"), "a.test"),
    "same-name-authority": lambda authority: client(authority.beside(authority.name), "a.test"),
    "name-constraint": constrained,
    "nul": with_nul,
    "x400": with_unknown_kind_of_name,
    "long-chain": with_long_chain,
}


@BOTH_VERSIONS
@pytest.mark.parametrize("kind", BAD)
def test_t6_a_certificate_that_does_not_hold_ends_the_connection_before_a_request(
    authority: Authority, settings: TlsSettings, kind: str, tls_1_2: bool
) -> None:
    bad = BAD[kind](authority)
    with running(tls=ServerTls(settings)) as lab:
        assert not answered(lab.port, trusting(authority, show=bad.file, tls_1_2=tls_1_2))
        lab.wait_until(lambda: lab.gateway.turned_away_count == 1)
        assert not lab.audit.records
        assert not lab.upstream.seen
        lab.wait_until(lambda: lab.gateway.load.connections == 0)
        good = client(authority, "a.test")
        assert answered(lab.port, trusting(authority, show=good.file, tls_1_2=tls_1_2)).endswith(b'{"ok":true}')


def test_a_constrained_authority_may_vouch_for_its_own_names(authority: Authority, settings: TlsSettings) -> None:
    permitted = x509.NameConstraints(permitted_subtrees=[x509.DNSName("allowed.test")], excluded_subtrees=None)
    below = Authority(authority.directory, "constrained", parent=authority, more=[(permitted, True)])
    with running(tls=ServerTls(settings)) as lab:
        assert answered(lab.port, trusting(authority, show=client(below, "a.allowed.test").file))


def points(*uris: str) -> x509.CRLDistributionPoints:
    return x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(uri)], None, None, None) for uri in uris]
    )


def issuing_point(uri: str) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(uri)],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )


@BOTH_VERSIONS
def test_t7_a_revoked_certificate_is_refused(authority: Authority, settings: TlsSettings, tls_1_2: bool) -> None:
    good, revoked = client(authority, "good.test"), client(authority, "revoked.test")
    listed = settings.model_copy(update={"client_crl": authority.revocations(revoked)})
    with checking(ServerTls(listed)) as lab:
        assert not code(lab, trusting(authority, show=good.file, tls_1_2=tls_1_2))
        assert code(lab, trusting(authority, show=revoked.file, tls_1_2=tls_1_2)) == REVOKED
        assert len(lab.upstream.seen) == 1
        assert REVOKED in [outcome.code for outcome in lab.audit.wait_for_outcomes(2)]


def test_t7_revocation_takes_effect_when_the_list_is_replaced(authority: Authority, settings: TlsSettings) -> None:
    shown = client(authority, "a.test")
    listed = settings.model_copy(update={"client_crl": authority.revocations()})
    tls = ServerTls(listed)
    context = trusting(authority, show=shown.file)
    with checking(tls) as lab:
        assert not code(lab, context)
        with connected(lab.port, context) as secure:
            secure.sendall(request())
            assert secure.recv(65536).startswith(b"HTTP/1.1 200")
            authority.revocations(shown)
            lab.follow(tls, listed)
            # A connection that stands is no way around it.
            secure.sendall(request())
            assert secure.recv(65536).startswith(b"HTTP/1.1 401")
        assert code(lab, context) == REVOKED


@BOTH_VERSIONS
@pytest.mark.parametrize("below", [False, True], ids=["directly", "below"])
def test_a_connection_does_not_outlive_the_trust_in_who_vouches_for_it(
    authority: Authority, settings: TlsSettings, tls_1_2: bool, below: bool
) -> None:
    issuer = Authority(authority.directory, "middle", parent=authority) if below else authority
    tls = ServerTls(settings)
    with (
        checking(tls) as lab,
        connected(lab.port, trusting(authority, show=client(issuer, "a.test").file, tls_1_2=tls_1_2)) as secure,
    ):
        for answer in (b"HTTP/1.1 200", b"HTTP/1.1 401"):
            secure.sendall(request())
            assert secure.recv(65536).startswith(answer)
            lab.follow(tls, settings.model_copy(update={"client_ca": authority.beside("another").file}))


def test_t7_a_list_for_one_of_two_distribution_points_revokes(authority: Authority, settings: TlsSettings) -> None:
    first, second = "http://crl.test/1", "http://crl.test/2"
    revoked, good = (
        authority.issue(name, purposes=FOR_CLIENTS, more=[(points(first, second), False)])
        for name in ("revoked.test", "good.test")
    )
    file = authority.revocations(revoked, more=[(issuing_point(second), True)])
    elsewhere = authority.issue("b.test", purposes=FOR_CLIENTS, more=[(points(first), False)])
    with checking(ServerTls(settings.model_copy(update={"client_crl": file}))) as lab:
        assert code(lab, trusting(authority, show=revoked.file)) == REVOKED
        assert not code(lab, trusting(authority, show=good.file))
        # A list of another part of the authority's certificates says nothing about this one.
        assert code(lab, trusting(authority, show=elsewhere.file)) == UNTRUSTED


def test_t7_a_list_past_its_next_update_lets_nobody_in(authority: Authority, settings: TlsSettings) -> None:
    stale = settings.model_copy(update={"client_crl": authority.revocations(next_update=NOW - DAY)})
    context = trusting(authority, show=client(authority, "a.test").file)
    with structlog.testing.capture_logs() as lines, checking(ServerTls(stale)) as lab:
        assert code(lab, context) == UNTRUSTED
        assert not lab.upstream.seen
    assert "the CRL is past its nextUpdate: clients with a certificate are refused" in [one["event"] for one in lines]
    week = stale.model_copy(update={"client_crl_grace_s": 7 * 86_400})
    with checking(ServerTls(week)) as lab:
        assert not code(lab, context)


def test_t7_an_authority_without_a_list_lets_nobody_in(authority: Authority, settings: TlsSettings) -> None:
    other = authority.beside("other")
    both = authority.directory / "both.pem"
    both.write_bytes(authority.file.read_bytes() + other.file.read_bytes())
    listed = settings.model_copy(update={"client_ca": both, "client_crl": authority.revocations()})
    with checking(ServerTls(listed)) as lab:
        assert not code(lab, trusting(authority, show=client(authority, "a.test").file))
        assert code(lab, trusting(authority, show=client(other, "a.test").file)) == UNTRUSTED


def test_t7_a_list_that_would_be_misread_is_the_operators_mistake(authority: Authority, settings: TlsSettings) -> None:
    indirect, some_reasons, attributes = (
        x509.IssuingDistributionPoint(
            full_name=None,
            relative_name=None,
            only_contains_user_certs=False,
            only_contains_ca_certs=False,
            only_some_reasons=frozenset([x509.ReasonFlags.key_compromise]) if which == 1 else None,
            indirect_crl=which == 0,
            only_contains_attribute_certs=False,
        )
        if which < 2
        else x509.DeltaCRLIndicator(1)
        for which in range(3)
    )
    for extension in (indirect, some_reasons, attributes):
        file = authority.revocations(more=[(extension, True)], file="odd.crl")
        with pytest.raises(PolicyError) as caught:
            ServerTls(settings.model_copy(update={"client_crl": file}))
        assert caught.value.key == "tls.client_crl"


def test_t7_a_list_about_authorities_says_nothing_about_clients(authority: Authority, settings: TlsSettings) -> None:
    about = x509.IssuingDistributionPoint(
        full_name=None,
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=True,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    file = authority.revocations(more=[(about, True)])
    with checking(ServerTls(settings.model_copy(update={"client_crl": file}))) as lab:
        assert code(lab, trusting(authority, show=client(authority, "a.test").file)) == UNTRUSTED


def test_t7_a_revoked_authority_and_those_below_it_let_nobody_in(authority: Authority, settings: TlsSettings) -> None:
    middle = Authority(authority.directory, "middle", parent=authority)
    lower = Authority(authority.directory, "lower", parent=middle)
    aside = Authority(authority.directory, "aside", parent=authority)
    everybody = (authority, middle, lower, aside)
    together, lists = authority.directory / "all.pem", authority.directory / "all.crl"
    together.write_bytes(b"".join(each.file.read_bytes() for each in everybody))
    for revoked in ((), (Issued(middle.certificate, middle.file),)):
        empty = [each.revocations(file=f"{each.name}.crl") for each in (middle, lower, aside)]
        lists.write_bytes(b"".join(file.read_bytes() for file in (authority.revocations(*revoked), *empty)))
        with checking(ServerTls(settings.model_copy(update={"client_ca": together, "client_crl": lists}))) as lab:
            for each in (authority, aside):
                assert not code(lab, trusting(authority, show=client(each, "a.test").file))
            for each in (middle, lower):
                expected = UNTRUSTED if revoked else ""
                assert code(lab, trusting(authority, show=client(each, "a.test").file)) == expected


def test_t7_a_list_that_is_none_is_the_operators_mistake(authority: Authority, settings: TlsSettings) -> None:
    listed = settings.model_copy(update={"client_crl": authority.revocations(file="kept.crl")})
    tls = ServerTls(listed)
    foreign = authority.beside("another authority").revocations(file="foreign.crl")
    forged = authority.beside(authority.name).revocations(file="forged.crl")
    cut = authority.directory / "cut.crl"
    cut.write_bytes(authority.revocations(file="whole.crl").read_bytes()[:120] + b"\n-----END X509 CRL-----\n")
    empty = authority.directory / "empty.crl"
    empty.touch()
    for bad in (foreign, forged, cut, empty, authority.directory / "absent.crl"):
        wrong = settings.model_copy(update={"client_crl": bad})
        with pytest.raises(PolicyError) as caught:
            ServerTls(wrong)
        assert caught.value.key == "tls.client_crl"
        tls.follow(wrong)
        with running(tls=tls) as lab:
            assert answered(lab.port, trusting(authority, show=client(authority, "a.test").file))


def test_a_client_ca_that_is_none_is_the_operators_mistake(authority: Authority, settings: TlsSettings) -> None:
    for content in ("", "no certificate"):
        file = authority.directory / "broken.pem"
        file.write_text(content)
        with pytest.raises(PolicyError) as caught:
            ServerTls(settings.model_copy(update={"client_ca": file}))
        assert caught.value.key == "tls.client_ca"


def test_an_authority_that_cannot_be_read_whole_signs_no_list(tmp_path: Path) -> None:
    readable = Authority(tmp_path, "readable")
    assert read_lists(readable.revocations(), [readable.certificate], grace_s=0, now=0.0)
    broken = x509.UnrecognizedExtension(ExtensionOID.NAME_CONSTRAINTS, b"no constraints")
    unreadable = Authority(tmp_path, "unreadable", more=[(broken, False)])
    with pytest.raises(PolicyError, match="signed by no authority"):
        read_lists(unreadable.revocations(), [unreadable.certificate], grace_s=0, now=0.0)


def test_settings_for_clients_need_an_authority() -> None:
    for setting in ({"client_crl": "a.crl"}, {"client_certificate": "require"}, {"client_crl_grace_s": 60}):
        with pytest.raises(ValueError, match="needs client_"):
            TlsSettings.model_validate({"certificate": "a.pem", "key": "a.pem", **setting}, strict=False)


def test_t5_a_session_does_not_outlive_the_certificate_it_was_made_with(
    authority: Authority, settings: TlsSettings
) -> None:
    context = trusting(authority, show=client(authority, "a.test").file, tls_1_2=True)
    tls = ServerTls(settings)
    with running(tls=tls) as lab:
        with connected(lab.port, context) as secure:
            secure.sendall(request("GET", "/items", "Connection: close"))
            everything(secure)
            session = secure.session
            # Closed properly: OpenSSL forgets a session that was broken off, and would prove nothing here.
            secure.unwrap()
        with connected(lab.port, context, session=session) as secure:
            assert not secure.session_reused
        other = authority.beside("another authority")
        tls.follow(settings.model_copy(update={"client_ca": other.file}))
        with pytest.raises(OSError, match=r"EOF|reset|(?i:unknown ca)"):
            refused(lab.port, context, session)


def refused(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None) -> None:
    with connected(port, context, session=session):
        pass


def test_thumbprints_are_as_rfc_8705_has_them() -> None:
    assert thumbprint(b"abc") == "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"


def test_a_request_of_a_listed_proxy_has_the_certificate_that_it_tells_of(
    authority: Authority, settings: TlsSettings
) -> None:
    """ID-50."""
    listed = TransportPolicy(trusted_proxies=("127.0.0.0/8",), client_certificate=True).proxies()
    context = trusting(authority, show=client(authority, "proxy.test").file)
    told = client(authority, "client.test")
    field = f"Client-Cert: :{base64.b64encode(told.der).decode()}:"
    tls = ServerTls(settings)
    with RememberingLab(tls=tls, proxies=listed) as lab:
        lab.gateway.certificates = ProxiedCertificates()
        lab.gateway.certificates.follow(tls.authorities)
        answered(lab.port, context, "127.0.0.1", "api.test", "X-Forwarded-For: 192.0.2.7", field)
        answered(lab.port, context, "127.0.0.1", "api.test", "X-Forwarded-For: 192.0.2.7")
        assert [one and one.subject for one in lab.pipeline.certificates] == ["CN=client.test", None]
        assert [b"client-cert" in seen.names for seen in lab.upstream.seen] == [False, False]
        refused = answered(lab.port, context, "127.0.0.1", "api.test", "Client-Cert: :AAAA:")
        assert b"authenticate.certificate_untrusted" in refused
    with RememberingLab(tls=tls) as lab:
        lab.gateway.certificates = ProxiedCertificates()
        answered(lab.port, context, "127.0.0.1", "api.test", field)
        assert [one and one.subject for one in lab.pipeline.certificates] == ["CN=proxy.test"]
