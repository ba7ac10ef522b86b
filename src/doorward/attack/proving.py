"""Makes requests with tokens bound to a key, and the proofs of possession that come with them (DPoP, RFC 9449)."""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from doorward.attack.case import Ask, Proving
from doorward.jose import PrivateKey, generate_key, sign_proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Prover:
    """A client with a key of its own."""

    token: Callable[[Mapping[str, object]], str | None]
    """Makes the reader's token with these claims beside its own; None when nobody here can."""
    nonce: Callable[[float], bytes]
    """What the gateway would give out at that moment: with it a proof is good right after a start too."""
    origin: str = ""
    """Under which the API is known; empty: `https` and the host that is asked."""
    clock: Callable[[], float] = time.time
    _key: PrivateKey = field(default_factory=lambda: generate_key("ES256"), repr=False)
    _thief: PrivateKey = field(default_factory=lambda: generate_key("ES256"), repr=False)

    def proved(self, ask: Ask, proving: Proving) -> Ask | None:
        """The request with a token and proofs like that; None when no such token can be made."""
        confirmation = {"cnf": {"jkt": self._key.public.thumbprint}} if proving.is_bound else {}
        token = self.token(confirmation)
        return None if token is None else replace(ask, who="anonymous", finish=partial(self._finish, proving, token))

    def _finish(self, proving: Proving, token: str, ask: Ask, authority: str) -> Ask:
        sent = replace(ask, finish=None).with_header("Authorization", f"{proving.scheme} {token}")
        for _ in range(proving.count):
            sent = sent.with_header("DPoP", self._proof(proving, token, ask, self.origin or f"https://{authority}"))
        return sent

    def _proof(self, proving: Proving, token: str, ask: Ask, origin: str) -> str:
        now = self.clock()
        claims = {
            "jti": secrets.token_urlsafe(12),
            "htm": ask.method,
            "htu": origin + ask.target.partition("?")[0],
            "iat": int(now),
            "ath": base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode(),
            "nonce": self.nonce(now).decode("ascii"),
            **proving.claims,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return sign_proof(self._thief if proving.by_thief else self._key, kept, header=proving.header)
