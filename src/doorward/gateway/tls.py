"""TLS contexts: the one the gateway answers with, and the one it meets the upstream with."""

import ssl
from pathlib import Path
from typing import Final

from doorward.controls.forward import ForwardPolicy
from doorward.errors import PolicyError

HANDSHAKE_S: Final = 5.0
"""Time a client has for its handshake, in seconds (hostile inputs D1, D3)."""

HTTP_2: Final = "h2"
"""Its name in the handshake (RFC 9113 section 3.2)."""

# TLS 1.2 with forward secrecy and AEAD only; TLS 1.3 suites are all of that kind. Mozilla's "intermediate" set.
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK:!SHA1"


def server_context(certificate: Path, key: Path, *, http2: bool = True) -> ssl.SSLContext:
    """The context of the gateway's listener: TLS 1.2 and 1.3, no renegotiation, no tickets.

    Errors: PolicyError when certificate or key cannot be used.
    Source: RFC 9325; hostile inputs T1, T5, T8.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= (
        ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_TICKET
    )
    # A resumed session skips the certificate: with tickets off, what was decided in a handshake holds for that one.
    context.num_tickets = 0
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols([HTTP_2, "http/1.1"] if http2 else ["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise PolicyError(
            f"certificate {certificate} and key {key} cannot be used: {error.strerror or error}",
            key="tls",
            hint="a PEM chain with the leaf first, and its unencrypted private key",
        ) from error
    return context


def upstream_context(policy: ForwardPolicy) -> ssl.SSLContext:
    """The context for an `https` upstream: verified against its name. Errors: PolicyError for a bad CA file."""
    try:
        context = ssl.create_default_context(cafile=policy.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise PolicyError(
            f"{policy.ca_file} cannot be used as CA file: {error.strerror or error}", key="forward.ca_file"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if policy.certificate is not None:
        try:
            context.load_cert_chain(policy.certificate, policy.key)
        except (OSError, ssl.SSLError) as error:
            raise PolicyError(
                f"{policy.certificate} cannot be shown to the upstream: {error.strerror or error}",
                key="forward.certificate",
                hint="a PEM chain with the leaf first; its unencrypted private key there or in forward.key",
            ) from error
    if policy.insecure_unverified_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def renew_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Have new handshakes use what the files hold now; connections that stand keep theirs.

    Errors: PolicyError, and then the context goes on with the certificate it had.
    """
    server_context(certificate, key)  # tried on the side first: a failed load would leave the live context half changed
    context.load_cert_chain(certificate, key)
