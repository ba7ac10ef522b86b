"""A client that speaks TLS as a test wants it to."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from tests.gateway.certificates import Authority
from tests.gateway.lab import PATIENCE_S, request


def trusting(authority: Authority, *, show: Path | None = None, tls_1_2: bool = False) -> ssl.SSLContext:
    """A client's context that trusts one authority, and shows a certificate if asked for one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    if show is not None:
        context.load_cert_chain(show)
    if tls_1_2:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextlib.contextmanager
def connected(
    port: int, context: ssl.SSLContext, name: str = "127.0.0.1", session: ssl.SSLSession | None = None
) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as raw,
        context.wrap_socket(raw, server_hostname=name, session=session) as secure,
    ):
        yield secure


def everything(connection: socket.socket) -> bytes:
    """What comes until the other side closes or breaks off."""
    data = b""
    with contextlib.suppress(OSError):
        while piece := connection.recv(65536):
            data += piece
    return data


def answered(
    port: int, context: ssl.SSLContext, name: str = "127.0.0.1", host: str = "api.test", *fields: str
) -> bytes:
    """The answer to one request; empty when the gateway would not have it, in the handshake or after it."""
    with contextlib.suppress(OSError), connected(port, context, name) as secure:
        secure.sendall(request("GET", "/items", "Connection: close", *fields, host=host))
        return everything(secure)
    return b""
