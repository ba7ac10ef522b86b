"""Proofs of possession at the provider's endpoints (RFC 9449): the key that a token is, or is to be, bound to."""

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
    require_token,
    target_of,
    usable,
)
from doorward.identity.oauth_errors import OAuthError
from doorward.jose import ALGORITHMS, Algorithm, JoseError, split_proof, verify_proof

AGE_S: Final = 60.0
"""How old a proof without a nonce may be, in seconds."""


class ProofMemory:
    """What all endpoints know of proofs together. There is one control process, so its memory is all."""

    __slots__ = ("algorithms", "nonces", "seen")

    def __init__(self, *, born_at: float, algorithms: tuple[Algorithm, ...] = ALGORITHMS) -> None:
        """`born_at` in Unix seconds: of what came before, nothing is known. `algorithms`: of proofs."""
        self.algorithms = algorithms
        self.nonces = Nonces(secrets.token_bytes(32))
        self.seen = ReplaySet(born_at=born_at)


class TokenProofs:
    """Judges the proofs that come with requests to one endpoint."""

    __slots__ = ("_memory", "_targets")

    def __init__(self, endpoints: tuple[str, ...], memory: ProofMemory) -> None:
        """`endpoints` are its URLs as the metadata tell them, never one from a request."""
        parts = [urlsplit(each) for each in endpoints]
        self._targets = {(normal_origin(each.scheme, each.netloc), normal_path(each.path)) for each in parts}
        self._memory = memory

    def bound_key(self, proofs: list[str], now: float, *, method: str = "POST", token: str | None = None) -> str | None:
        """Thumbprint of the key that made the proof; None when none came, and nothing is bound to a key.

        `token`: the access token that comes with it, whose hash the proof must have (`ath`).
        Errors: OAuthError `invalid_dpop_proof`, `use_dpop_nonce` (with a nonce).
        """
        if not proofs:
            return None
        try:
            if len(proofs) > 1:
                raise JoseError("header", "more than one proof")  # noqa: TRY301 - one place tells the client
            return self._judged(proofs[0].encode("latin-1"), now, method, token)
        except NonceNeeded as error:
            raise self._refused("use_dpop_nonce", str(error), now) from error
        except JoseError as error:
            raise self._refused("invalid_dpop_proof", f"the proof was not accepted: {error.reason}", now) from error

    def _judged(self, raw: bytes, now: float, method: str, token: str | None) -> str:
        proof = split_proof(raw, max_bytes=PROOF_BYTES)
        if proof.algorithm not in self._memory.algorithms:
            raise JoseError("algorithm", f"{proof.algorithm} is not used here")
        claims = verify_proof(proof)
        require_method(claims, method)
        if target_of(claims) not in self._targets:
            raise JoseError("claims", "htu is another endpoint")
        if token is not None:
            require_token(claims, token.encode())
        name = name_of(claims, proof.thumbprint)
        when = usable(claims, self._memory.nonces, now=now, age_s=AGE_S)
        sight = self._memory.seen.claim(name, usable_from=when.since, until=when.until, now=now)
        if sight == "seen":
            raise JoseError("claims", "the proof was used before")
        if sight == "unknown":
            raise NonceNeeded("nobody can tell whether the proof was used before")
        return proof.thumbprint

    def _refused(self, code: str, description: str, now: float) -> OAuthError:
        return OAuthError(code, description, headers=(("dpop-nonce", self._memory.nonces.fresh(now).decode("ascii")),))
