"""The issuer's listener that asks for certificates, with curl: ID-48 to ID-50 of the reference, end to end."""

import datetime as dt
import json
import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.loopback import free_port
from tests.processes.test_signing_in import DESCRIPTION, must, upstream
from tests.waiting import until
from tests.warming import warm

from doorward.attack.gateway_process import GatewayProcess

__all__ = ["upstream"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]


class Identity:
    """A certificate and its key in one file; without `signer` signed by itself."""

    def __init__(self, directory: Path, name: str, *, signer: "Identity | None" = None, dns: str = "") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        begin = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(self.subject if signer is None else signer.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + dt.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        )
        if dns:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
            client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
            builder = builder.add_extension(client, critical=False)
        made = builder.sign(self.key if signer is None else signer.key, hashes.SHA256())
        self.certificate = made.public_bytes(Encoding.PEM)
        self.path = directory / f"{name}.pem"
        private = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.path.write_bytes(self.certificate + private)


def curl(authority: Path, certificate: Path | None, url: str, *more: str) -> tuple[int, str]:
    """curl's own status, and the answer's status and body in one text."""
    shown = () if certificate is None else ("--cert", str(certificate))
    command = ("curl", "-sS", "--cacert", str(authority), *shown, "-w", "\n%{http_code}", *more, url)
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout


def test_certificates_prove_clients_and_bind_their_tokens(upstream: str, tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(DESCRIPTION))
    must(tmp_path, "init", "--openapi", "openapi.json", "--upstream", upstream)
    warm(tmp_path / ".doorward")
    main, second = free_port(), free_port()
    issuer, mtls = f"https://127.0.0.1:{main}", f"https://127.0.0.1:{second}"
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "clients.pem")
    policy = tmp_path / "doorward.yaml"
    text = policy.read_text().replace("listen: 127.0.0.1:8443", "listen: 127.0.0.1:0")
    text = text.replace("tls: {", "tls: {client_ca: clients.pem, ")
    addresses = f"listen: '127.0.0.1:{main}', url: '{issuer}', mtls_listen: '127.0.0.1:{second}'"
    policy.write_text(f"{text}\nissuer: {{{addresses}}}\n")
    bank = tmp_path / "bank.pem"
    issued = authority.issue_cert("bank.example")
    issued.private_key_and_cert_chain_pem.write_to_path(bank)
    own, other = Identity(tmp_path, "own"), Identity(tmp_path, "other")
    forged = Identity(tmp_path, "forged", signer=own, dns="bank.example")
    forged.path.write_bytes(forged.path.read_bytes() + own.certificate)
    must(tmp_path, "client", "add", "bank", "--tls-name", "san_dns=bank.example", "--role", "reader")
    must(tmp_path, "client", "add", "shop", "--certificate", str(own.path), "--role", "reader")
    ca = tmp_path / ".doorward" / "tls" / "ca.pem"
    with GatewayProcess(policy) as gateway:

        def token(client: str, certificate: Path | None, base: str = mtls) -> tuple[int, str]:
            form = ("-d", f"client_id={client}", "-d", "grant_type=client_credentials")
            return curl(ca, certificate, f"{base}/oauth/token", *form)

        def is_refused(answer: tuple[int, str]) -> bool:
            return answer[1].endswith("401") and "invalid_client" in answer[1]

        code, told = token("bank", bank)
        assert (code, told.endswith("200")) == (0, True), told
        bearer = f"authorization: Bearer {json.loads(told.rsplit(chr(10), 1)[0])['access_token']}"
        assert curl(ca, bank, f"{gateway.url}/things", "-H", bearer)[1].endswith("200")
        assert curl(ca, None, f"{gateway.url}/things", "-H", bearer)[1].endswith("401"), "bound to the certificate"
        assert token("shop", own.path)[1].endswith("200")
        assert is_refused(token("shop", bank))
        assert is_refused(token("bank", own.path))
        assert is_refused(token("bank", None))
        assert is_refused(token("bank", forged.path)), "what a client signs itself names nobody"
        assert is_refused(token("bank", bank, issuer)), "nobody is asked on the first listener"
        assert token("shop", other.path)[0] != 0, "a certificate of nobody ends the handshake"
        must(tmp_path, "client", "keys", "shop", "--certificate", str(other.path))
        until(lambda: token("shop", other.path)[1].endswith("200"), "the new certificate is not taken up")
        assert is_refused(token("shop", own.path)), "the old certificate proves nothing, though OpenSSL still knows it"
        for path in ("/auth/login", "/account", "/oauth/authorize", "/livez"):
            assert curl(ca, bank, f"{mtls}{path}")[1].endswith("404"), "no pages where browsers are asked"
        context = ssl.create_default_context(cafile=ca)
        with httpx.Client(verify=context) as browser:
            told_of = browser.get(f"{issuer}/.well-known/openid-configuration").json()
        assert told_of["mtls_endpoint_aliases"]["token_endpoint"] == f"{mtls}/oauth/token"
