"""Credentials of the simulated callers: minted with the local issuer's key when it is at hand, else given."""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from doorward.attack.case import Who
from doorward.jose import PrivateKey, encode_segment, generate_key

LIFETIME_S: Final = 3600
"""How long a minted token is good: longer than any run."""


class TokenSource(Protocol):
    """Makes the tokens that attacks and twins present."""

    def token(self, who: Who, *, scopes: bool = True) -> str | None:
        """A valid token of that caller, with every scope the API knows or with none."""

    def forge(self, header: Mapping[str, object], claims: Mapping[str, object], *, valid_signature: bool) -> str | None:
        """The reader's token with members changed (None removes one); None when the key is needed but not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MintedTokens:
    """Tokens signed with the local issuer's own key, as a client of this machine's operator could hold them."""

    key: PrivateKey
    issuer: str
    audience: str
    roles: Mapping[Who, str | None]
    """Which role each caller has."""
    scopes: tuple[str, ...] = ()
    claims: Mapping[str, object] = field(default_factory=dict)
    """What the owner rules look at."""
    _stranger: PrivateKey = field(default_factory=lambda: generate_key("ES256"), repr=False)

    def token(self, who: Who, *, scopes: bool = True) -> str | None:
        """A valid token of that caller; None for callers that have none."""
        return None if who in {"anonymous", "api_key"} else self._signed({}, self._claims(who, scopes=scopes), self.key)

    def forge(self, header: Mapping[str, object], claims: Mapping[str, object], *, valid_signature: bool) -> str | None:
        """The reader's token with members changed; signed by a stranger's key unless `valid_signature`."""
        changed = _without_none({**self._claims("reader", scopes=True), **claims})
        return self._signed(header, changed, self.key if valid_signature else self._stranger)

    def _claims(self, who: Who, *, scopes: bool) -> dict[str, object]:
        now = int(time.time())
        role = self.roles.get(who)
        return {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": f"attack-{who}",
            "iat": now,
            "exp": now + LIFETIME_S,
            "jti": f"attack-{who}-{now}",
            "client_id": "doorward-attack",
            "roles": [role] if role else [],
            "scope": " ".join(self.scopes) if scopes else "",
            **self.claims,
        }

    def _signed(self, header: Mapping[str, object], claims: Mapping[str, object], key: PrivateKey) -> str:
        usual = {"alg": self.key.algorithm, "typ": "at+jwt", "kid": self.key.id}
        signed = b".".join(
            encode_segment(orjson.dumps(part)) for part in (_without_none({**usual, **header}), dict(claims))
        )
        return (signed + b"." + encode_segment(key.sign(signed))).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTokens:
    """Tokens an operator handed over, for a target whose issuer's key is not here."""

    tokens: Mapping[Who, str] = field(repr=False)

    def token(self, who: Who, *, scopes: bool = True) -> str | None:
        """The token given for that caller. Nobody can say what scopes it has, so there is none without them."""
        return self.tokens.get(who) if scopes else None

    def forge(self, header: Mapping[str, object], claims: Mapping[str, object], *, valid_signature: bool) -> str | None:
        """The reader's token altered, with the signature it had; None where a valid signature is asked for."""
        given = self.tokens.get("reader", "")
        if valid_signature or given.count(".") != 2:
            return None
        parts = given.split(".")
        try:
            changed = [
                encode_segment(orjson.dumps(_without_none({**_decoded(part), **change})))
                for part, change in zip(parts, (header, claims), strict=False)
            ]
        except (ValueError, TypeError):
            return None  # an opaque token: there is nothing in it that could be changed
        return (b".".join(changed) + b"." + parts[2].encode()).decode()


def _decoded(part: str) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return document


def _without_none(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}
