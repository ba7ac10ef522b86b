"""Which credentials an operation demands: OpenAPI `security`, alternatives of schemes that must all be met."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal, TypeAlias

from doorward.controls.authenticate.api_key import ApiKeyMechanism
from doorward.controls.authenticate.basic import BasicMechanism
from doorward.controls.authenticate.challenge import missing, refusal
from doorward.controls.authenticate.client_certificate import ClientCertificateMechanism
from doorward.controls.authenticate.credentials import Credentials
from doorward.controls.authenticate.hmac_signature import HmacSignatureMechanism
from doorward.controls.authenticate.jwt import BearerMechanism
from doorward.controls.authenticate.message_signature import MessageSignatureMechanism
from doorward.controls.authenticate.policy import AuthenticatePolicy
from doorward.controls.authenticate.stale import when_fresh
from doorward.denial import Denied
from doorward.errors import PolicyError
from doorward.exchange import Caller, Check, Exchange
from doorward.operation import Operation, SecurityRequirement, SecurityScheme

Mechanism: TypeAlias = Callable[[Exchange], Caller | None]
Place: TypeAlias = tuple[
    Literal["bearer", "query", "header", "cookie", "signature", "hmac", "certificate", "basic"], str
]
"""Where a credential travels: two schemes at one place are one credential. Of `hmac` the name is the scheme's."""

_BEARER: Final[Place] = ("bearer", "")
_SIGNATURE: Final[Place] = ("signature", "")
_CERTIFICATE: Final[Place] = ("certificate", "")
_BASIC: Final[Place] = ("basic", "")
_SELF_TELLING: Final = (
    BearerMechanism,
    MessageSignatureMechanism,
    HmacSignatureMechanism,
    ClientCertificateMechanism,
    BasicMechanism,
)
"""Those that say themselves what is missing."""
_BEARER_KINDS: Final = frozenset({"oauth2", "openIdConnect"})
_DPOP: Final = "dpop"


@dataclass(frozen=True, slots=True)
class _Alternative:
    places: tuple[int, ...]
    """Indices of the mechanisms that must all find a caller; the first one's counts unless the policy says so."""
    demands: tuple[frozenset[str], ...]
    """The scopes that each of them must have been granted, in the same order."""
    scopes: frozenset[str]
    """All of them."""


def takes_tokens(operation: Operation) -> bool:
    """Whether a caller may prove who they are by a token, which may be bound to a key."""
    demanded = [requirement for requirement in operation.security if requirement]
    return not demanded or any(_place(scheme) == _BEARER for requirement in demanded for scheme in requirement)


def demands_proof(operation: Operation, policy: AuthenticatePolicy) -> bool:
    """Whether a token that is bound to nothing is never enough for this operation."""
    return takes_tokens(operation) and _as_described(operation, policy).proof != "if_bound"


def compile_check(
    operation: Operation, policy: AuthenticatePolicy, credentials: Credentials, *, asks_for_proofs: bool = True
) -> Check:
    """The check that finds out who calls `operation`; sets `exchange.caller` and `exchange.scopes_demanded`.

    The alternatives of `security` are tried in order. A credential that is present and wrong is a denial, never a
    fall-through to the next alternative. An operation that asks for nothing, or makes it optional, still needs a
    bearer token or an API key: only the policy makes an operation public, and then nothing is compiled for it.
    Without `asks_for_proofs` it is the check of a request that was admitted before: proofs were used up then.
    Errors: PolicyError when no alternative can be met by the mechanisms there are.
    """
    policy = _as_described(operation, policy)
    places, alternatives = _alternatives(operation, policy)
    if policy.proof in {"any", "dpop"} and _BEARER in places:
        _require_known_names(operation, policy)
    mechanisms = _mechanisms(places, policy, credentials, asks_for_proofs=asks_for_proofs)
    if len(mechanisms) == 1:
        refuse = _refusal_of_none(mechanisms, policy.realm)
        check = _one(mechanisms[0], tuple(alternative.scopes for alternative in alternatives), refuse)
    else:
        check = _several(mechanisms, alternatives, policy)
    return when_fresh(check, policy, credentials)


def compile_announcement_check(operation: Operation, policy: AuthenticatePolicy, credentials: Credentials) -> Check:
    """The check of the head, where the body is part of a proof: nobody's body is read who shows no credential for it.

    Nor that of one whose credential is wrong already. Who calls is found out by `compile_check`, with the body; proofs
    of possession are asked for then.
    """
    policy = _as_described(operation, policy)
    places, alternatives = _alternatives(operation, policy)
    mechanisms = _mechanisms(places, policy, credentials, asks_for_proofs=False)
    looks = [each.announces if isinstance(each, HmacSignatureMechanism) else each for each in mechanisms]
    refuse = _refusal_of_none(mechanisms, policy.realm)

    def check(exchange: Exchange) -> None:
        found = [bool(look(exchange)) for look in looks]
        if not any(all(found[index] for index in alternative.places) for alternative in alternatives):
            raise refuse("no alternative's credentials are announced")

    return check


def takes_secrets(operation: Operation) -> bool:
    """Whether a client may show its secret itself (HTTP Basic)."""
    return any(_place(scheme) == _BASIC for requirement in operation.security for scheme in requirement)


def takes_signatures(operation: Operation) -> bool:
    """Whether a caller may prove who they are by signing the request: then the whole body is read, to check it."""
    return any(scheme.signature for requirement in operation.security for scheme in requirement)


def proves_by_body(operation: Operation) -> bool:
    """Whether the body is part of a proof: then who calls is known only when it is there."""
    return any(scheme.signature == "hmac" for requirement in operation.security for scheme in requirement)


def _as_described(operation: Operation, policy: AuthenticatePolicy) -> AuthenticatePolicy:
    """The policy, with proofs demanded where the description takes tokens by the scheme DPoP only."""
    schemes = {scheme for one in operation.security for scheme in one if _place(scheme) == _BEARER}
    if policy.proof in {"dpop", "certificate"} or not schemes or any(each.http_scheme != _DPOP for each in schemes):
        return policy
    return policy.model_copy(update={"proof": "dpop"})


def _require_known_names(operation: Operation, policy: AuthenticatePolicy) -> None:
    if not policy.proof_origins and not policy.hosts:
        raise PolicyError(
            f"{operation.id} demands proofs, and nobody can tell whether one was made for this API",
            key="transport.hosts",
            hint="write the names clients use: transport: {hosts: [api.example.com]}, or authenticate.proof_origins",
        )


def _refusal_of_none(mechanisms: tuple[Mechanism, ...], realm: str) -> Callable[[str], Denied]:
    """What makes the refusal of a request without any credential."""
    if len(mechanisms) == 1 and isinstance(mechanisms[0], _SELF_TELLING):
        return mechanisms[0].missing
    by_token = next((each for each in mechanisms if isinstance(each, BearerMechanism)), None)
    by_secret = next((each for each in mechanisms if isinstance(each, BasicMechanism)), None)
    by_others = partial(missing, realm=realm) if by_token is None else by_token.missing
    return by_others if by_secret is None else partial(_missing_of_both, by_others, by_secret)


def _missing_of_both(by_others: Callable[[str], Denied], by_secret: BasicMechanism, detail: str) -> Denied:
    """A challenge for each scheme of the Authorization field that would do."""
    found = by_others(detail)
    return Denied(found.code, detail, headers=(*found.headers, *by_secret.missing(detail).headers))


def _one(mechanism: Mechanism, scopes: tuple[frozenset[str], ...], refuse: Callable[[str], Denied]) -> Check:
    def check(exchange: Exchange) -> None:
        caller = mechanism(exchange)
        if caller is None:
            raise refuse("no credential")
        exchange.caller = caller
        exchange.scopes_demanded = scopes

    return check


def _several(
    mechanisms: tuple[Mechanism, ...], alternatives: tuple[_Alternative, ...], policy: AuthenticatePolicy
) -> Check:
    realm, combined = policy.realm, policy.combined_caller
    refuse = _refusal_of_none(mechanisms, realm)

    def check(exchange: Exchange) -> None:
        # all of them, so that a wrong credential is noticed even where another one would do
        callers = [mechanism(exchange) for mechanism in mechanisms]
        chosen: Caller | None = None
        met: list[_Alternative] = []
        for alternative in alternatives:
            presented = [caller for index in alternative.places if (caller := callers[index]) is not None]
            if len(presented) < len(alternative.places):
                continue
            caller = presented[0] if len(presented) == 1 else _counted(presented, combined, realm)
            if chosen is None:
                chosen = caller
            if caller is chosen:
                met.append(alternative)
        if chosen is None:
            raise refuse("no alternative of the description is met")
        exchange.caller, exchange.scopes_demanded = _scopes_held(chosen, met, callers)

    return check


def _scopes_held(
    chosen: Caller, met: list[_Alternative], callers: list[Caller | None]
) -> tuple[Caller, tuple[frozenset[str], ...]]:
    """The caller, and the scopes that each alternative still demands of them.

    A scope that the description demands of one credential must be granted by that one: another credential, whose caller
    is the one that counts, does not make up for it.
    """
    if all(len(alternative.places) == 1 for alternative in met):
        return chosen, tuple(alternative.scopes for alternative in met)
    lacking: set[str] = set()
    for alternative in met:
        if len(alternative.places) > 1:
            for index, demands in zip(alternative.places, alternative.demands, strict=True):
                found = callers[index]
                lacking |= demands - (frozenset() if found is None else found.scopes)
    demanded = []
    for alternative in met:
        if len(alternative.places) == 1:
            holds = alternative.scopes <= chosen.scopes
        else:
            holds = lacking.isdisjoint(alternative.scopes)
        demanded.append(frozenset() if holds else alternative.scopes)
    if lacking:
        chosen = replace(chosen, scopes=chosen.scopes - lacking)
    return chosen, tuple(demanded)


def _counted(
    callers: list[Caller], combined: Literal["same", "token", "api_key", "signature", "certificate"], realm: str
) -> Caller:
    if combined == "same":
        if any(caller.subject != callers[0].subject for caller in callers):
            raise refusal("authenticate.token_claims", "the credentials name different subjects", realm)
        return callers[0]
    for caller in callers:
        kind = caller.kind if caller.kind in {"api_key", "signature", "certificate"} else "token"
        if kind == combined:
            return caller
    return callers[0]


def _mechanisms(
    places: tuple[Place, ...], policy: AuthenticatePolicy, credentials: Credentials, *, asks_for_proofs: bool
) -> tuple[Mechanism, ...]:
    is_alone = len(places) == 1
    return tuple(
        _mechanism(place, policy, credentials, asks_for_proofs=asks_for_proofs, is_alone=is_alone) for place in places
    )


def _mechanism(
    place: Place, policy: AuthenticatePolicy, credentials: Credentials, *, asks_for_proofs: bool, is_alone: bool
) -> Mechanism:
    location, name = place
    if location == "bearer":
        return BearerMechanism(policy, credentials, asks_for_proofs=asks_for_proofs)
    if location == "signature":
        return MessageSignatureMechanism(policy, credentials)
    if location == "hmac":
        return HmacSignatureMechanism(name, policy, credentials)
    if location == "basic":
        return BasicMechanism(credentials, policy.realm)
    if location == "certificate":
        return ClientCertificateMechanism(policy, lambda: credentials.certificates, is_alone=is_alone)
    names = (name.lower(), *policy.more_api_key_headers) if location == "header" else (name,)
    return ApiKeyMechanism(location, tuple(dict.fromkeys(names)), credentials, policy.realm)


def _alternatives(
    operation: Operation, policy: AuthenticatePolicy
) -> tuple[tuple[Place, ...], tuple[_Alternative, ...]]:
    demanded = [requirement for requirement in operation.security if requirement]
    places: list[Place] = []
    if not demanded:
        places = [_BEARER, ("header", policy.api_key_header)]
        return tuple(places), (_for_anybody(0), _for_anybody(1))
    alternatives: list[_Alternative] = []
    for requirement in demanded:
        needed = _places(requirement)
        if needed is None:
            continue
        for place in needed:
            if place not in places:
                places.append(place)
        demands = tuple(_demanded_at(place, requirement) for place in needed)
        indices = tuple(places.index(place) for place in needed)
        alternatives.append(_Alternative(indices, demands, frozenset().union(*demands)))
    if not alternatives:
        names = ", ".join(sorted({scheme.name for requirement in demanded for scheme in requirement}))
        raise PolicyError(
            f"{operation.id} can only be called with {names}, which Doorward cannot check",
            key="authenticate",
            hint="use a bearer, basic, oauth2, openIdConnect, apiKey, mutualTLS or signature scheme, or `public`",
        )
    return tuple(places), tuple(alternatives)


def _for_anybody(index: int) -> _Alternative:
    return _Alternative((index,), (frozenset(),), frozenset())


def _demanded_at(place: Place, requirement: SecurityRequirement) -> frozenset[str]:
    """The scopes of all schemes whose credential travels there."""
    return frozenset(scope for scheme, scopes in requirement.items() if _place(scheme) == place for scope in scopes)


def _places(requirement: SecurityRequirement) -> list[Place] | None:
    """Where the credentials of one alternative travel, tokens first; None when one of them cannot be checked."""
    places: list[Place] = []
    for scheme in requirement:
        place = _place(scheme)
        if place is None:
            return None
        if place not in places:
            places.append(place)
    if _BEARER in places and _BASIC in places:
        # both travel in the Authorization field, which comes once
        return None
    return sorted(places, key=lambda place: place != _BEARER)


def _place(scheme: SecurityScheme) -> Place | None:
    if scheme.signature:
        return _SIGNATURE if scheme.signature == "rfc9421" else ("hmac", scheme.name)
    if scheme.kind in _BEARER_KINDS or (scheme.kind == "http" and scheme.http_scheme in {"bearer", _DPOP}):
        return _BEARER
    if scheme.kind == "http" and scheme.http_scheme == "basic":
        return _BASIC
    if scheme.kind == "mutualTLS":
        return _CERTIFICATE
    if scheme.kind == "apiKey" and scheme.location:
        return (scheme.location, scheme.parameter)
    return None
