"""Proofs of possession (DPoP, RFC 9449): each request signed anew by the key that the token is bound to.

A stolen token is of no use without the key, and a stolen proof is of no use for another request, at another time, or
a second time. What this file cannot say, whether a proof was used before, `replay` does.
"""

import hmac
from collections.abc import Mapping
from typing import Any

from doorward.controls.authenticate.challenge import Challenges
from doorward.controls.authenticate.credentials import Credentials
from doorward.controls.authenticate.nonces import LIFE_S
from doorward.controls.authenticate.policy import AuthenticatePolicy
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
from doorward.denial import Denied
from doorward.exchange import Exchange, SingleUse
from doorward.jose import JoseError, split_proof, verify_proof


class ProofJudge:
    """Judges the proof that comes with a bound token."""

    __slots__ = ("_age_s", "_challenges", "_credentials", "_demands_nonce", "_hosts", "_origins")

    def __init__(self, policy: AuthenticatePolicy, credentials: Credentials, challenges: Challenges) -> None:
        self._challenges, self._credentials = challenges, credentials
        self._origins = frozenset(policy.proof_origins)
        self._hosts = frozenset(host.encode() for host in policy.hosts)
        self._age_s = float(policy.proof_age_s)
        self._demands_nonce = policy.proof_nonce == "required"

    def __call__(self, exchange: Exchange, token: bytes, thumbprint: str) -> None:
        """Nothing, when a proof by that key fits request and token; it is noted in `exchange.single_use`.

        Errors: Denied `authenticate.proof_missing`, `.proof_invalid`, `.proof_nonce`.
        Source: RFC 9449 section 4.3.
        """
        proofs = exchange.request.headers.all(b"dpop")
        now = exchange.now
        if not proofs:
            raise self._challenges.proof("proof_missing", "the token is bound to a key and no proof came", now)
        try:
            if len(proofs) > 1:
                raise JoseError("header", "more than one proof")  # noqa: TRY301 - one place tells the client
            self._judge(exchange, proofs[0], token, thumbprint)
        except NonceNeeded as needed:
            raise self._ask_for_nonce(str(needed), exchange) from needed
        except JoseError as error:
            raise self._challenges.proof("proof_invalid", f"{error.reason}: {error.problem}", now) from error

    def _judge(self, exchange: Exchange, raw: bytes, token: bytes, thumbprint: str) -> None:
        proof = split_proof(raw, max_bytes=PROOF_BYTES)
        # before the signature: a thief's own key costs us nothing
        if not hmac.compare_digest(proof.thumbprint, thumbprint):
            raise JoseError("key", "made with another key than the token is bound to")
        claims = verify_proof(proof)
        require_method(claims, exchange.request.method)
        self._require_target(claims, exchange)
        require_token(claims, token)
        self._note(claims, thumbprint, exchange)

    def _note(self, claims: Mapping[str, Any], thumbprint: str, exchange: Exchange) -> None:
        now, credentials = exchange.now, self._credentials
        name = name_of(claims, thumbprint)
        when = usable(claims, credentials.nonces, now=now, age_s=self._age_s, demands_nonce=self._demands_nonce)
        if when.nonce_age_s > LIFE_S / 2:
            exchange.answer_headers.append((b"dpop-nonce", credentials.fresh_nonce(now)))
        exchange.single_use.append(
            SingleUse(
                proof=name,
                usable_from=when.since,
                until=when.until,
                holder=thumbprint,
                here="nonce" in claims,
                refusal=self._challenges.replayed("the proof was used before"),
                unknown=None
                if when.is_certain
                else self._ask_for_nonce("nobody can tell whether it was used before", exchange),
            )
        )

    def _ask_for_nonce(self, why: str, exchange: Exchange) -> Denied:
        return self._challenges.proof("proof_nonce", why, exchange.now)

    def _require_target(self, claims: Mapping[str, Any], exchange: Exchange) -> None:
        origin, path = target_of(claims)
        request = exchange.request
        if self._origins:
            is_ours = origin in self._origins
        else:
            is_ours = self._is_ours(request.headers.get(b"host") or b"", origin, request.scheme)
        if not is_ours:
            raise JoseError("claims", f"htu is of {origin[:200]!r}")
        if path != normal_path(request.path.decode("latin-1")):
            raise JoseError("claims", "htu is another path")

    def _is_ours(self, host: bytes, origin: str, scheme: str) -> bool:
        # A Host that the client chose freely proves nothing: a proof made for another site would fit it.
        host = host.lower()
        if host not in self._hosts and host.rpartition(b":")[0] not in self._hosts:
            return False
        return origin == normal_origin(scheme, host.decode("latin-1"))
