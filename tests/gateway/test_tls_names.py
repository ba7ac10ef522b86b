"""Several certificates on one port: which one is shown, for which hosts, and how they are renewed."""

import contextlib
import ssl
import threading
from pathlib import Path

import pytest
from tests.gateway.certificates import Authority
from tests.gateway.lab import Lab, StubPipeline, request, running
from tests.gateway.tls_client import answered, connected, everything, trusting

from doorward.controls import transport
from doorward.controls.forward import ForwardPolicy
from doorward.controls.transport import TransportPolicy
from doorward.errors import PolicyError
from doorward.gateway.server_tls import ServerTls
from doorward.policy.tls import CertificateSettings, TlsSettings

HOSTS = ("api.test", "shop.test", "a.wild.test", "127.0.0.1")


class AllHosts(StubPipeline):
    """Takes requests for every host of these tests."""

    def __init__(self, policy: ForwardPolicy) -> None:
        super().__init__(policy)
        self._check = transport.compile_check(TransportPolicy(hosts=HOSTS))


class NamesLab(Lab):
    pipeline_type = AllHosts


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("names"))


@pytest.fixture(scope="module")
def settings(authority: Authority) -> TlsSettings:
    default = authority.issue("127.0.0.1", "api.test", file="default.pem").file
    shop = authority.issue("shop.test", "www.shop.test", file="shop.pem").file
    wild = authority.issue("*.wild.test", file="wild.pem").file
    exact = authority.issue("special.wild.test", file="special.pem").file
    return TlsSettings(
        certificate=default,
        key=default,
        certificates=tuple(CertificateSettings(certificate=one, key=one) for one in (shop, wild, exact)),
    )


def shown(port: int, context: ssl.SSLContext, name: str) -> set[str]:
    """DNS names of the certificate that a client is shown who asks for this name."""
    context.check_hostname = False
    with connected(port, context, name) as secure:
        certificate = secure.getpeercert()
    assert certificate is not None
    return {str(name[1]) for name in certificate["subjectAltName"] if name[0] == "DNS"}


@pytest.mark.parametrize("tls_1_2", [False, True], ids=["1.3", "1.2"])
@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("api.test", {"api.test"}),
        ("SHOP.test", {"shop.test", "www.shop.test"}),
        ("www.shop.test", {"shop.test", "www.shop.test"}),
        ("a.wild.test", {"*.wild.test"}),
        ("special.wild.test", {"special.wild.test"}),
        ("b.a.wild.test", {"api.test"}),
        ("wild.test", {"api.test"}),
        ("unknown.test", {"api.test"}),
        ("127.0.0.1", {"api.test"}),
    ],
)
def test_the_name_asked_for_chooses_the_certificate(
    authority: Authority, settings: TlsSettings, name: str, names: set[str], tls_1_2: bool
) -> None:
    with running(tls=ServerTls(settings)) as lab:
        assert shown(lab.port, trusting(authority, tls_1_2=tls_1_2), name) == names


def test_what_is_spoken_is_agreed_on_whichever_certificate_is_shown(
    authority: Authority, settings: TlsSettings
) -> None:
    context = trusting(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with running(tls=ServerTls(settings)) as lab:
        for name in ("api.test", "shop.test"):
            with connected(lab.port, context, name) as secure:
                assert secure.selected_alpn_protocol() == "h2"
    with running(tls=ServerTls(settings, http2=False)) as lab, connected(lab.port, context, "shop.test") as secure:
        assert secure.selected_alpn_protocol() == "http/1.1"


def test_an_unknown_name_may_be_refused(authority: Authority, settings: TlsSettings) -> None:
    strict = settings.model_copy(update={"unknown_names": "refuse"})
    with running(tls=ServerTls(strict)) as lab:
        with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
            shown(lab.port, trusting(authority), "unknown.test")
        assert shown(lab.port, trusting(authority), "shop.test") == {"shop.test", "www.shop.test"}
        assert answered(lab.port, trusting(authority)).endswith(b'{"ok":true}')


def test_unknown_names_are_refused_with_one_certificate_too(authority: Authority) -> None:
    file = authority.issue("api.test", "*.api.test").file
    with running(tls=ServerTls(TlsSettings(certificate=file, key=file, unknown_names="refuse"))) as lab:
        for name in ("api.test", "eu.api.test"):
            assert answered(lab.port, trusting(authority), name).endswith(b'{"ok":true}')
        with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
            shown(lab.port, trusting(authority), "unknown.test")


@pytest.mark.parametrize(
    ("name", "host", "is_served"),
    [
        ("shop.test", "shop.test", True),
        ("shop.test", "SHOP.test:443", True),
        ("api.test", "shop.test", False),
        ("127.0.0.1", "shop.test", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("api.test", "127.0.0.1", True),
        ("a.wild.test", "a.wild.test", True),
        ("a.wild.test", "shop.test", False),
    ],
)
def test_a_host_that_the_shown_certificate_does_not_name_is_misdirected(
    authority: Authority, settings: TlsSettings, name: str, host: str, is_served: bool
) -> None:
    with NamesLab(tls=ServerTls(settings)) as lab:
        answer = answered(lab.port, trusting(authority), name, host)
        assert answer.startswith(b"HTTP/1.1 200" if is_served else b"HTTP/1.1 421"), answer
        outcome = lab.audit.wait_for_outcomes(1)[0]
        assert outcome.code == ("" if is_served else "transport.tls_sni")
        assert len(lab.upstream.seen) == is_served


def test_with_one_certificate_the_host_is_for_transport_hosts_alone(
    authority: Authority, settings: TlsSettings
) -> None:
    with NamesLab(tls=ServerTls(TlsSettings(certificate=settings.certificate, key=settings.key))) as lab:
        assert answered(lab.port, trusting(authority), "api.test", "shop.test").startswith(b"HTTP/1.1 200")


def test_a_listed_proxy_may_ask_for_any_host(authority: Authority, settings: TlsSettings) -> None:
    listed = TransportPolicy(trusted_proxies=("127.0.0.0/8",)).proxies()
    with NamesLab(tls=ServerTls(settings), proxies=listed) as lab:
        assert answered(lab.port, trusting(authority), "api.test", "shop.test").startswith(b"HTTP/1.1 200")


def test_certificates_are_renewed_without_a_failed_handshake(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = [authority.issue(name, "127.0.0.1", file=f"{name}.pem").file for name in ("api.test", "shop.test")]
    settings = TlsSettings(
        certificate=files[0], key=files[0], certificates=(CertificateSettings(certificate=files[1], key=files[1]),)
    )
    tls = ServerTls(settings)
    failures: list[str] = []
    serials: set[object] = set()
    stopping = threading.Event()

    def keep_connecting(port: int) -> None:
        context = trusting(authority)
        while not stopping.is_set():
            try:
                with connected(port, context, "shop.test") as secure:
                    certificate = secure.getpeercert()
                    serials.add(certificate and certificate["serialNumber"])
            except OSError as error:
                failures.append(repr(error))

    with running(tls=tls) as lab:
        client = threading.Thread(target=keep_connecting, args=(lab.port,))
        client.start()
        try:
            for round_ in range(4):
                lab.wait_until(lambda: len(serials) > round_)  # noqa: B023 - looked at within the round
                authority.issue("shop.test", file="shop.test.pem")
                tls.follow(settings)
            lab.wait_until(lambda: len(serials) > 4)
        finally:
            stopping.set()
            client.join()
    assert not failures


def test_a_bad_certificate_among_several_changes_nothing(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    first, second = (authority.issue(name, file=f"{name}.pem").file for name in ("api.test", "shop.test"))
    settings = TlsSettings(
        certificate=first, key=first, certificates=(CertificateSettings(certificate=second, key=second),)
    )
    tls = ServerTls(settings)
    with running(tls=tls) as lab:
        authority.issue("api.test", "new.test", file="api.test.pem")
        second.write_text("no certificate")
        tls.follow(settings)
        assert shown(lab.port, trusting(authority), "api.test") == {"api.test"}
        assert shown(lab.port, trusting(authority), "shop.test") == {"shop.test"}
        authority.issue("shop.test", file="shop.test.pem")
        tls.follow(settings)
        assert shown(lab.port, trusting(authority), "api.test") == {"api.test", "new.test"}


def test_settings_replaced_on_reload_hold_for_the_next_handshake(authority: Authority, settings: TlsSettings) -> None:
    tls = ServerTls(settings)
    with running(tls=tls) as lab:
        assert answered(lab.port, trusting(authority, tls_1_2=True))
        tls.follow(settings.model_copy(update={"profile": "modern"}))
        assert not answered(lab.port, trusting(authority, tls_1_2=True))
        assert answered(lab.port, trusting(authority))


def test_a_certificate_nobody_can_ask_for_is_the_operators_mistake(authority: Authority, settings: TlsSettings) -> None:
    for file in (authority.issue().file, authority.issue("127.0.0.1").file):
        more = CertificateSettings(certificate=file, key=file)
        with pytest.raises(PolicyError, match="has no DNS name"):
            ServerTls(settings.model_copy(update={"certificates": (more,)}))
        named = more.model_copy(update={"names": ("named.test",)})
        ServerTls(settings.model_copy(update={"certificates": (named,)}))


def test_one_name_in_two_certificates_needs_a_word_from_the_operator(authority: Authority) -> None:
    one, two = (authority.issue("same.test", file=f"same-{number}.pem").file for number in (1, 2))
    both = tuple(CertificateSettings(certificate=file, key=file) for file in (one, two))
    with pytest.raises(PolicyError, match=r"same\.test is claimed by"):
        ServerTls(TlsSettings(certificate=one, key=one, certificates=both))
    said = (both[0], both[1].model_copy(update={"names": ("other.test",)}))
    ServerTls(TlsSettings(certificate=one, key=one, certificates=said))


def test_no_session_of_tls_1_2_is_resumed_not_even_by_its_id(authority: Authority, settings: TlsSettings) -> None:
    context = trusting(authority, tls_1_2=True)
    with running(tls=ServerTls(settings)) as lab:
        with connected(lab.port, context, "api.test") as secure:
            secure.sendall(request("GET", "/items", "Connection: close"))
            everything(secure)
            session = secure.session
            # Closed properly: OpenSSL forgets a session that was broken off, and would prove nothing here.
            with contextlib.suppress(OSError):
                secure.unwrap()
        assert session is not None
        for name in ("api.test", "shop.test"):
            with connected(lab.port, context, name, session) as secure:
                assert not secure.session_reused
                certificate = secure.getpeercert()
                assert certificate is not None
                assert ("DNS", name) in certificate["subjectAltName"]


def test_contexts_without_a_session_are_used_again(authority: Authority, settings: TlsSettings) -> None:
    tls = ServerTls(settings)
    first = tls.take()
    tls.give_back(first, "TLSv1.3")
    assert tls.take() is first
    tls.give_back(first, "TLSv1.2")
    assert tls.take() is not first
    tls.give_back(first, None)
    assert tls.take() is not first
    tls.follow(settings.model_copy(update={"profile": "modern"}))
    tls.give_back(first, "TLSv1.3")
    assert tls.take() is not first
