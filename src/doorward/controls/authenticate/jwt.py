"""Callers by token (RFC 6750, 9449): the issuer by its exact `iss`, its key by `kid`, signature, claims, binding."""

from typing import Final

from doorward.controls.authenticate.binding import UNBOUND, require_certificate, require_demanded
from doorward.controls.authenticate.challenge import Challenges, unavailable
from doorward.controls.authenticate.credentials import Credentials
from doorward.controls.authenticate.dpop import ProofJudge
from doorward.controls.authenticate.introspection import OpaqueTokens, TokenInactive
from doorward.controls.authenticate.policy import AuthenticatePolicy, IssuerPolicy
from doorward.controls.authenticate.resource_metadata import metadata_url
from doorward.controls.authenticate.token_caller import AcceptedToken, accept
from doorward.denial import Denied
from doorward.exchange import Caller, Exchange
from doorward.jose import Expected, JoseError, split_unverified, verify_jwt

_DPOP: Final = b"dpop "


class BearerMechanism:
    """Finds and proves the token of a request, and that its bearer holds what it is bound to."""

    __slots__ = (
        "_cache",
        "_cache_count",
        "_challenges",
        "_credentials",
        "_demand",
        "_issuers",
        "_judge",
        "_opaque",
        "_token_bytes",
    )

    def __init__(self, policy: AuthenticatePolicy, credentials: Credentials, *, asks_for_proofs: bool = True) -> None:
        """Without `asks_for_proofs` a token is looked at again for a request whose proof was used already."""
        self._credentials, self._demand = credentials, policy.proof
        self._cache = credentials.cache_for(policy)
        self._cache_count, self._token_bytes = policy.token_cache_count, policy.token_bytes
        resource = policy.resource_url
        place = None if resource is None else metadata_url(resource)
        self._challenges = Challenges(policy.realm, policy.proof, credentials.fresh_nonce, place)
        self._judge = ProofJudge(policy, credentials, self._challenges) if asks_for_proofs else None
        self._issuers = {issuer.issuer: (issuer, _expected(issuer)) for issuer in policy.issuers if issuer.signs}
        self._opaque = credentials.opaque_tokens(policy)

    def missing(self, detail: str) -> Denied:
        """The denial of a request without a token."""
        return self._challenges.missing(detail)

    def __call__(self, exchange: Exchange) -> Caller | None:
        """Who presents the token; None when there is none.

        Errors: Denied `authenticate.token_*`, `.proof_*`, `.certificate_*`, `.unavailable`; Pending, while an issuer is
        asked about an opaque token.
        """
        value = exchange.request.headers.get(b"authorization")
        if value is None:
            return None
        # by the whole field, so that a known token is not even cut out of it
        accepted = self._cache.get(value)
        if accepted is None:
            token = _token_in(value)
            if token is None:
                return None
            opaque = self._opaque
            if opaque is not None and (issuer := opaque.issuer_of(token)) is not None:
                accepted = self._look_up(opaque, token, issuer, exchange.now)
            else:
                accepted = self._verify(token, exchange.now)
                self._remember(value, accepted)
        else:
            self._cache.move_to_end(value)
        if exchange.now >= accepted.void_at:
            self._cache.pop(value, None)
            raise self._challenges.token("token_time", "expired since it was first seen")
        revoked = self._credentials.revoked
        if revoked and not accepted.revocation_ids.isdisjoint(revoked):
            raise self._challenges.token("token_revoked", "token, caller, client or key is revoked")
        standing = self._credentials.standing
        if (
            standing
            and (now_is := standing.get(accepted.caller.key)) is not None
            and not now_is.covers(accepted.caller)
        ):
            raise self._challenges.token("token_revoked", "the caller's roles or claims are other ones now")
        if accepted.binding is not UNBOUND or self._demand != "if_bound" or value[:1] in b"dD":
            self._require_possession(exchange, value, accepted)
        return accepted.caller

    def _require_possession(self, exchange: Exchange, field: bytes, accepted: AcceptedToken) -> None:
        binding, by_dpop = accepted.binding, field[:5].lower() == _DPOP
        require_demanded(binding, self._demand, self._challenges)
        if by_dpop and not binding.key:
            raise self._challenges.token("token_unbound", "the token is bound to no key, and came by the scheme DPoP")
        if binding.certificate:
            require_certificate(binding, exchange.source.certificate, self._challenges)
        if binding.key and self._judge is not None:
            if not by_dpop:
                # RFC 9449 section 7.2: a bound token is never taken for a bearer token
                raise self._challenges.proof("proof_missing", "a token bound to a key came as Bearer", exchange.now)
            self._judge(exchange, _token_in(field) or b"", binding.key)

    def _verify(self, raw: bytes, now: float) -> AcceptedToken:
        try:
            return self._prove(raw, now)
        except JoseError as error:
            raise self._challenges.token(f"token_{error.reason}", error.problem) from error

    def _look_up(self, opaque: OpaqueTokens, token: bytes, issuer: IssuerPolicy, now: float) -> AcceptedToken:
        """What the issuer says of a token that says nothing itself. It is remembered there, for less long."""
        if len(token) > self._token_bytes:
            raise self._challenges.token("token_size", f"longer than {self._token_bytes} bytes")
        try:
            return opaque.look(token, issuer, now)
        except TokenInactive as inactive:
            # under another name than below: compiled, one name has one type
            raise self._challenges.token("token_inactive", str(inactive)) from inactive
        except JoseError as error:
            raise self._challenges.token(f"token_{error.reason}", error.problem) from error

    def _prove(self, raw: bytes, now: float) -> AcceptedToken:
        token = split_unverified(raw, max_bytes=self._token_bytes)
        known = self._issuers.get(token.issuer)
        if known is None:
            raise JoseError("claims", "iss is no issuer of this API")
        policy, expected = known
        keys = self._credentials.issuers.get(policy.issuer)
        if not keys:
            raise unavailable(f"no key of {policy.issuer} is at hand")
        key = keys.get(token.jws.key_id)
        if key is None:
            raise JoseError("key", f"no key {token.jws.key_id[:64]!r} of {policy.issuer}")
        if key.algorithm not in policy.algorithms:
            raise JoseError("algorithm", f"{key.algorithm} is not allowed for {policy.issuer}")
        return accept(verify_jwt(token, key, expected, now=now), policy, key.id)

    def _remember(self, field: bytes, accepted: AcceptedToken) -> None:
        if self._cache_count:
            self._cache[field] = accepted
            while len(self._cache) > self._cache_count:
                self._cache.popitem(last=False)


def _token_in(field: bytes) -> bytes | None:
    """The token in an Authorization field, by either scheme; None for other schemes."""
    if field[:7].lower() == b"bearer ":
        return field[7:].strip(b" ")
    if field[:5].lower() == _DPOP:
        return field[5:].strip(b" ")
    return None


def _expected(issuer: IssuerPolicy) -> Expected:
    types = frozenset(name.lower().removeprefix("application/") for name in issuer.token_types)
    return Expected(
        issuer=issuer.issuer, audience=issuer.audience, types=types, clock_skew_s=float(issuer.clock_skew_s)
    )
