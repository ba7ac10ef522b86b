"""Who a verified token is about: subject, kind, roles, scopes and claims, as the policy of its issuer reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from doorward.controls.authenticate.binding import Binding, binding_of
from doorward.controls.authenticate.policy import IssuerPolicy
from doorward.exchange import Caller, claim_at
from doorward.jose import JoseError

_OTHER_PURPOSES: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events", "htm"})
"""Claims of ID tokens, logout and security event tokens and proofs: what has one is no access token, whatever its
`typ` says (RFC 8725 section 3.12, RFC 9068 section 5)."""
_CLIENT_CLAIMS: Final = ("client_id", "azp")


@dataclass(frozen=True, slots=True)
class AcceptedToken:
    """A token that was verified once."""

    caller: Caller
    void_at: float
    """Unix seconds from which it is no longer accepted, clock skew included."""
    revocation_ids: frozenset[str]
    """Everything whose revocation ends it."""
    binding: Binding
    """What whoever comes with it must hold."""


def accept(claims: Mapping[str, Any], policy: IssuerPolicy, key_id: str) -> AcceptedToken:
    """The token whose claims these are; `sub` and `exp` were checked. `key_id`: what signed it; empty: nothing did.

    Errors: JoseError `claims` for a token of another purpose.
    """
    foreign = _OTHER_PURPOSES.intersection(claims)
    if foreign:
        raise JoseError("claims", f"not an access token: it has {min(foreign)}")
    subject: str = claims["sub"]
    client = next((claims[name] for name in _CLIENT_CLAIMS if name in claims), "")
    token_id = claims.get("jti", "")
    if not _plain(client) or not _plain(token_id):
        raise JoseError("claims", "jti or client is not a short printable text")
    caller = Caller(
        subject=subject,
        kind="client" if client == subject else "user",
        issuer=policy.issuer,
        roles=_roles(claims, policy),
        scopes=frozenset(_texts(claim_at(claims, policy.scopes_claim))),
        claims=claims if policy.claims is None else _mapped(claims, policy.claims),
        credential_id=token_id,
        expires_at=float(claims["exp"]),
    )
    return AcceptedToken(
        caller=caller,
        void_at=caller.expires_at + policy.clock_skew_s,
        revocation_ids=frozenset(
            revocation_id(kind, policy.issuer, name)
            for kind, name in (("token", token_id), ("subject", subject), ("client", client), ("key", key_id))
            if name
        ),
        binding=binding_of(claims),
    )


def revocation_id(kind: str, issuer: str, name: str) -> str:
    """One text for a thing that can be revoked; NUL cannot occur inside, so no two things share one."""
    return f"{kind}\0{issuer}\0{name}"


def _roles(claims: Mapping[str, Any], policy: IssuerPolicy) -> frozenset[str]:
    named = _texts(claim_at(claims, policy.roles_claim))
    known = policy.roles
    return frozenset(named if known is None else [known[name] for name in named if name in known])


def _mapped(claims: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The claims of the allow-list under our names; one that the token has not is absent, never null."""
    found = {ours: claim_at(claims, theirs) for ours, theirs in names.items()}
    return {ours: value for ours, value in found.items() if value is not None}


def _plain(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 255 and (value == "" or value.isprintable())


def _texts(value: object) -> list[str]:
    """The words of a space-separated text, or the texts of a list; nothing of anything else (fail closed)."""
    if isinstance(value, str):
        return [word for word in value.split(" ") if word]
    if isinstance(value, list):
        return [word for word in value if isinstance(word, str)]
    return []
