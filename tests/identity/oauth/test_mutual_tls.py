"""The listener that asks for certificates, at the level of TLS."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from doorward.gateway.issuer_mtls import MutualTls
from doorward.identity.client_certificates import ShownCertificate
from doorward.policy.tls import TlsSettings
from doorward.store import Store


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_second_connection_of_a_client_shows_its_certificate_too(
    store: Store, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """A TLS 1.2 session resumed by its id has no verified chain: its client would be nobody."""
    authority = trustme.CA()
    own, clients = authority.issue_cert("127.0.0.1"), authority.issue_cert("bank@clients.example")
    own.cert_chain_pems[0].write_to_path(tmp_path / "own.pem")
    own.private_key_pem.write_to_path(tmp_path / "own.key")
    (tmp_path / "own.key").chmod(0o600)
    authority.cert_pem.write_to_path(tmp_path / "clients.pem")
    settings = TlsSettings(
        certificate=tmp_path / "own.pem", key=tmp_path / "own.key", client_ca=tmp_path / "clients.pem"
    )
    mutual, shown = MutualTls(settings, store), list[ShownCertificate | None]()

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown.append(mutual.shown(writer.get_extra_info("ssl_object")))
        writer.write(b"x")
        writer.close()

    def connect_twice(port: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(context)
        clients.configure_cert(context)
        context.minimum_version = context.maximum_version = version
        session = None
        for _ in range(2):
            with (
                socket.create_connection(("127.0.0.1", port)) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as secure,
            ):
                assert secure.recv(1) == b"x"
                assert not secure.session_reused
                session = secure.session
                # closed properly: OpenSSL forgets a session that was broken off, and would prove nothing here
                secure.unwrap()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=mutual.context)
        async with server:
            await asyncio.to_thread(connect_twice, server.sockets[0].getsockname()[1])

    asyncio.run(run())
    assert len({found.thumbprint for found in shown if found is not None and found.vouched is not None}) == 1
    assert len(shown) == 2
    assert None not in shown
