"""Refusals of authentication with the challenge a client needs (RFC 9110 section 11.6.1, RFC 6750 section 3)."""

from collections.abc import Callable, Mapping
from typing import Final

from doorward.controls.authenticate.policy import ProofDemand
from doorward.denial import Denied
from doorward.jose import ALGORITHM_NAMES

_INVALID_PROOF: Final = "invalid_dpop_proof"
_ERRORS: Final = ("", "invalid_token", "use_dpop_nonce", _INVALID_PROOF)
_SCHEMES: Final[Mapping[ProofDemand, tuple[str, ...]]] = {
    "if_bound": ("Bearer",),
    "any": ("DPoP", "Bearer"),
    "dpop": ("DPoP",),
    "certificate": ("Bearer",),
}
"""A token that is bound to a certificate comes as Bearer (RFC 8705 section 3)."""


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


def certificate_refusal(reason: str, detail: str, realm: str) -> Denied:
    """The denial of a client's certificate, or of its absence (`missing`).

    No scheme is registered for it: the challenge only says that a certificate is meant.
    """
    error = "" if reason == "missing" else ', error="invalid_certificate"'
    return Denied(
        f"authenticate.certificate_{reason}", detail, headers=(_challenge(f'Certificate realm="{realm}"{error}'),)
    )


def unavailable(detail: str) -> Denied:
    """The refusal when nobody can tell: 503, never a pass."""
    return Denied("authenticate.unavailable", detail, headers=((b"retry-after", b"5"),))


class Challenges:
    """The refusals of bearer and bound tokens where proofs may be asked for: each names what would be accepted."""

    __slots__ = ("_challenge", "_nonce", "_schemes")

    def __init__(
        self,
        realm: str,
        demand: ProofDemand,
        fresh_nonce: Callable[[float], bytes],
        resource_metadata: str | None = None,
    ) -> None:
        """`resource_metadata`: where a client finds out who vouches for callers (RFC 9728 section 5.1)."""
        self._nonce, self._schemes = fresh_nonce, _SCHEMES[demand]
        self._challenge = {
            (scheme, error): _challenge(_written(scheme, realm, error, resource_metadata))
            for scheme in ("Bearer", "DPoP")
            for error in _ERRORS
        }

    def missing(self, detail: str) -> Denied:
        """The denial of a request without a credential."""
        return Denied(
            "authenticate.missing", detail, headers=tuple(self._challenge[name, ""] for name in self._schemes)
        )

    def token(self, reason: str, detail: str) -> Denied:
        """The denial of a token that was presented."""
        headers = tuple(self._challenge[name, "invalid_token"] for name in self._schemes)
        return Denied(f"authenticate.{reason}", detail, headers=headers)

    def proof(self, reason: str, detail: str, now: float) -> Denied:
        """The denial of a proof, or of its absence, with a nonce that the next one may carry (RFC 9449 section 9)."""
        error = {"proof_nonce": "use_dpop_nonce", "proof_missing": "invalid_token"}.get(reason, _INVALID_PROOF)
        headers = (self._challenge["DPoP", error], (b"dpop-nonce", self._nonce(now)))
        return Denied(f"authenticate.{reason}", detail, headers=headers)

    def replayed(self, detail: str) -> Denied:
        """The denial of a proof that was used before. Made beforehand for each proof, so without a nonce."""
        return Denied("authenticate.proof_replayed", detail, headers=(self._challenge["DPoP", _INVALID_PROOF],))


def _written(scheme: str, realm: str, error: str, resource_metadata: str | None) -> str:
    parts = [f'realm="{realm}"']
    if error:
        parts.append(f'error="{error}"')
    if scheme == "DPoP":
        parts.append(f'algs="{" ".join(ALGORITHM_NAMES)}"')
    if resource_metadata is not None:
        parts.append(f'resource_metadata="{resource_metadata}"')
    return f"{scheme} {', '.join(parts)}"


def _challenge(text: str) -> tuple[bytes, bytes]:
    return (b"www-authenticate", text.encode("ascii"))
