"""Header names that more than one part must agree on. A leaf; all in lower case."""

from typing import Final

HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    }
)
"""Fields that end at this hop and are never forwarded in either direction (RFC 9110 section 7.6.1)."""

FORWARDING: Final = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-uri",
        b"x-forwarded-method",
        b"x-forwarded-server",
        b"x-forwarded-scheme",
        b"x-forwarded-ssl",
        b"x-forwarded-user",
        b"x-forwarded-email",
        b"x-forwarded-groups",
        b"x-forwarded-preferred-username",
        b"x-forwarded-access-token",
        b"x-forwarded-client-cert",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-original-url",
        b"x-original-uri",
        b"x-original-method",
        b"x-original-host",
        b"x-rewrite-url",
        b"x-host",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"client-ip",
        b"via",
    }
)
"""What only a proxy in front may say about where a request came from. A client's are removed (hostile input H4)."""

METHOD_OVERRIDE: Final = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})
"""Ask some frameworks to run another method than the one decided on; never forwarded (hostile input H10)."""

IDENTITY_HEADER: Final = b"doorward-caller"
"""The signed statement about the caller that Doorward gives the upstream; a client's own is removed (H7)."""

IDENTITY: Final = frozenset(
    {IDENTITY_HEADER, b"doorward-request-id", b"remote-user", b"x-remote-user", b"x-authenticated-user"}
)
"""Names under which upstreams are told who is calling: ours and the customary ones (H7)."""

CERTIFICATES: Final = frozenset(
    {
        b"client-cert",
        b"client-cert-chain",
        b"cert-user",
        b"x-arr-clientcert",
        b"x-certificate",
        b"x-client-dn",
        b"x-client-verify",
        b"x-client-serial",
        b"x-client-subject-dn",
        b"x-client-issuer-dn",
        b"x-pki-user-dn",
        b"x-tls-client-cert",
        b"x-mtls-client-cert",
    }
)
"""Names under which upstreams are told of a client's certificate (RFC 9440 and the customary ones; ID-50). Only who
ended the client's TLS can know it: Doorward, or a listed proxy, whose word Doorward takes for itself."""
CERTIFICATE_PREFIXES: Final = (b"x-ssl-", b"ssl-client-", b"x-client-cert", b"x-amzn-mtls-", b"x-tls-client-")
"""Families of such names that grow with every proxy."""

RANGE_PARTS: Final = 16
"""Most parts of a document that a Range may name and be forwarded (hostile input H11; RFC 9110 section 14.2)."""

NEVER_FORWARDED: Final = HOP_BY_HOP | FORWARDING | METHOD_OVERRIDE | IDENTITY | CERTIFICATES | {b"expect"}
"""Request fields that never reach the upstream as the client sent them."""


def named_by_connection(values: list[bytes]) -> frozenset[bytes]:
    """Lower-case names that `Connection` declares to be hop by hop (RFC 9110 section 7.6.1).

    >>> sorted(named_by_connection([b"close, X-User", b"x-real-ip"]))
    [b'close', b'x-real-ip', b'x-user']
    """
    return frozenset(part.strip(b" \t").lower() for value in values for part in value.split(b","))
