"""Who is calling, told to the upstream: a short-lived signed token, made once for many requests."""

from collections import OrderedDict
from typing import Final

import orjson

from doorward.controls.forward.policy import ForwardPolicy
from doorward.exchange import Caller
from doorward.jose import PrivateKey, sign_jwt

ISSUER: Final = "doorward"
_CALLERS: Final = 8_192
"""Tokens kept: about 8 MiB. Beyond it the one not used for longest is signed anew when it is asked for."""


class IdentitySigner:
    """Signs the caller-identity token.

    Each token serves its caller for half its life, so that the other half
    is left for the way to the upstream and for clocks that differ.
    """

    __slots__ = ("_audience", "_claims", "_key", "_life_s", "_tokens")

    def __init__(self, key: PrivateKey, policy: ForwardPolicy | None = None) -> None:
        policy = policy or ForwardPolicy()
        self._key = key
        self._audience, self._life_s = policy.identity_audience, policy.identity_token_s
        self._claims = tuple(policy.identity_claims)
        self._tokens: OrderedDict[object, tuple[float, bytes]] = OrderedDict()

    def token(self, caller: Caller, now: float) -> bytes:
        """The compact JWT that says who is calling. `now` in Unix seconds."""
        # All that the token says is in the key: a caller whose roles change gets a new one at once.
        key: object = (caller.issuer, caller.subject, caller.kind, caller.roles, caller.scopes)
        if self._claims:
            key = (key, orjson.dumps([caller.claims.get(name) for name in self._claims], default=str))
        kept = self._tokens.get(key)
        if kept is not None and now < kept[0] and now < caller.expires_at:
            self._tokens.move_to_end(key)
            return kept[1]
        token = self._sign(caller, now)
        self._tokens[key] = (min(now + self._life_s / 2, caller.expires_at), token)
        self._tokens.move_to_end(key)
        if len(self._tokens) > _CALLERS:
            self._tokens.popitem(last=False)
        return token

    def _sign(self, caller: Caller, now: float) -> bytes:
        claims: dict[str, object] = {name: caller.claims[name] for name in self._claims if name in caller.claims}
        # Ours last: no claim of a token can pass for what Doorward itself vouches for.
        claims |= {
            "iss": ISSUER,
            "aud": self._audience,
            "sub": caller.subject,
            "sub_iss": caller.issuer,
            "kind": caller.kind,
            "roles": sorted(caller.roles),
            "scope": " ".join(sorted(caller.scopes)),
            "iat": int(now),
            "exp": int(min(now + self._life_s, caller.expires_at)),
        }
        return sign_jwt(self._key, claims, "doorward-caller+jwt").encode("ascii")
