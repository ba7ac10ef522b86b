"""Proofs of possession at the token endpoint (RFC 9449 section 5): the key that a token is to be bound to."""

import secrets
from typing import Final
from urllib.parse import urlsplit

from doorward.controls.authenticate import Nonces, ReplaySet
from doorward.controls.authenticate.proof_claims import (
    PROOF_BYTES,
    NonceNeeded,
    name_of,
    normal_origin,
    normal_path,
    require_method,
    target_of,
    usable,
)
from doorward.identity.oauth_errors import OAuthError
from doorward.jose import JoseError, split_proof, verify_proof

AGE_S: Final = 60.0
"""How old a proof without a nonce may be, in seconds."""


class TokenProofs:
    """Judges the proofs that come with requests for tokens. There is one control process, so its memory is all."""

    __slots__ = ("_nonces", "_seen", "_target")

    def __init__(self, endpoint: str, *, born_at: float) -> None:
        """`endpoint` is the URL as the metadata tell it, never one from a request; `born_at` in Unix seconds."""
        parts = urlsplit(endpoint)
        self._target = normal_origin(parts.scheme, parts.netloc), normal_path(parts.path)
        self._nonces = Nonces(secrets.token_bytes(32))
        self._seen = ReplaySet(born_at=born_at)

    def bound_key(self, proofs: list[str], now: float) -> str | None:
        """Thumbprint of the key that made the proof; None when none came, and the token is to be a bearer token.

        Errors: OAuthError `invalid_dpop_proof`, `use_dpop_nonce` (with a nonce).
        """
        if not proofs:
            return None
        try:
            if len(proofs) > 1:
                raise JoseError("header", "more than one proof")  # noqa: TRY301 - one place tells the client
            return self._judged(proofs[0].encode("latin-1"), now)
        except NonceNeeded as error:
            raise self._refused("use_dpop_nonce", str(error), now) from error
        except JoseError as error:
            raise self._refused("invalid_dpop_proof", f"the proof was not accepted: {error.reason}", now) from error

    def _judged(self, raw: bytes, now: float) -> str:
        proof = split_proof(raw, max_bytes=PROOF_BYTES)
        claims = verify_proof(proof)
        require_method(claims, "POST")
        if target_of(claims) != self._target:
            raise JoseError("claims", "htu is not the token endpoint")
        name = name_of(claims, proof.thumbprint)
        when = usable(claims, self._nonces, now=now, age_s=AGE_S)
        sight = self._seen.claim(name, usable_from=when.since, until=when.until, now=now)
        if sight == "seen":
            raise JoseError("claims", "the proof was used before")
        if sight == "unknown":
            raise NonceNeeded("nobody can tell whether the proof was used before")
        return proof.thumbprint

    def _refused(self, code: str, description: str, now: float) -> OAuthError:
        return OAuthError(code, description, headers=(("dpop-nonce", self._nonces.fresh(now).decode("ascii")),))
