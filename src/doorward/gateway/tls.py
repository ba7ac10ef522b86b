"""TLS contexts: the one the gateway answers with, and the one it meets the upstream with."""

import ssl
from pathlib import Path
from typing import Final, Literal, TypeVar

from doorward.controls.forward import ForwardPolicy
from doorward.errors import PolicyError

HANDSHAKE_S: Final = 5.0
"""Time a client has for its handshake, in seconds (hostile inputs D1, D3)."""

HTTP_2: Final = "h2"
"""Its name in the handshake (RFC 9113 section 3.2)."""

CIPHERS: Final = ":".join(
    f"ECDHE-{proof}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for proof in ("ECDSA", "RSA")
)
"""Suites of TLS 1.2: forward secrecy and AEAD only (Mozilla's "intermediate" without finite-field Diffie-Hellman);
those of TLS 1.3 are all of that kind. Level 2 adds: no key below 112 bits of strength, no signature by SHA-1."""

Profile = Literal["modern", "intermediate"]
"""TLS 1.3 only, or 1.2 too."""
ContextT = TypeVar("ContextT", bound=ssl.SSLContext)


def server_context(
    certificate: Path, key: Path, *, http2: bool = True, profile: Profile = "intermediate"
) -> ssl.SSLContext:
    """A context that shows this certificate: no renegotiation, no compression, no tickets, no early data.

    Errors: PolicyError when certificate or key cannot be used.
    Source: RFC 9325; hostile inputs T1, T5, T8.
    """
    return configured(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key, http2=http2, profile=profile)


def restrict(context: ssl.SSLContext, profile: Profile) -> None:
    """What OpenSSL takes from the context that a connection begins with, whatever certificate it comes to show."""
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if profile == "modern" else ssl.TLSVersion.TLSv1_2
    context.options |= (
        ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_TICKET
    )
    # Without tickets there is no resumption in TLS 1.3, and with it no early data (0-RTT).
    context.num_tickets = 0


def configured(context: ContextT, certificate: Path, key: Path, *, http2: bool, profile: Profile) -> ContextT:
    """The context, made ready to serve as `server_context` says. Errors: PolicyError."""
    restrict(context, profile)
    context.set_ciphers(f"{CIPHERS}:@SECLEVEL=2")
    # The one place where it is said what is spoken after the handshake (RFC 7301).
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
