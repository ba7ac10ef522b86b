"""Refusals of authentication with the challenge a client needs (RFC 9110 section 11.6.1, RFC 6750 section 3)."""

from doorward.denial import Denied


def refusal(code: str, detail: str, realm: str) -> Denied:
    """The denial of a credential that was presented: `error="invalid_token"`, the same text for every reason."""
    return Denied(
        code, detail, headers=((b"www-authenticate", f'Bearer realm="{realm}", error="invalid_token"'.encode()),)
    )


def missing(detail: str, realm: str) -> Denied:
    """The denial of a request without the credential: a challenge without an error (RFC 6750 section 3.1)."""
    return Denied("authenticate.missing", detail, headers=(_challenge(f'Bearer realm="{realm}"'),))


def signature_refusal(reason: str, detail: str, realm: str, accepted: bytes) -> Denied:
    """The denial of a signature, or of its absence (`missing`).

    `accepted` is what would be accepted, as Accept-Signature (RFC 9421 section 5); empty where there is no such field
    for it.
    """
    error = "" if reason == "missing" else ', error="invalid_signature"'
    headers = [_challenge(f'Signature realm="{realm}"{error}')]
    if accepted:
        headers.append((b"accept-signature", accepted))
    return Denied(f"authenticate.signature_{reason}", detail, headers=tuple(headers))


def unavailable(detail: str) -> Denied:
    """The refusal when nobody can tell: 503, never a pass."""
    return Denied("authenticate.unavailable", detail, headers=((b"retry-after", b"5"),))


def _challenge(text: str) -> tuple[bytes, bytes]:
    return (b"www-authenticate", text.encode("ascii"))
