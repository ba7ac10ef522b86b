"""What a gateway's operator has and a stranger has not: its keys and its store, to make credentials with."""

import secrets
import time
from typing import Final

from doorward.attack.credentials import MintedTokens
from doorward.attack.roles import Cast
from doorward.controls.authenticate import LOCAL_AUDIENCE
from doorward.controls.authenticate.key_format import ID_BYTES, SECRET_BYTES, make_api_key
from doorward.identity.api_keys import add_api_key, revoke_api_key
from doorward.jose import load_private_keys
from doorward.policy.document import Policy
from doorward.store import open_store

KEY_NAME: Final = "doorward-attack"
_LIFETIME_S: Final = 3600.0


class StateCredentials:
    """Credentials made with the state directory of a policy. Errors: OSError, JoseError when its keys are not here."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._key = load_private_keys(policy.state / "keys" / "issuer.json")[0]

    def tokens(self, cast: Cast, scopes: tuple[str, ...]) -> MintedTokens:
        """Tokens signed with the local issuer's key."""
        return MintedTokens(
            key=self._key,
            issuer=self._policy.issuer.url,
            audience=LOCAL_AUDIENCE,
            roles=cast.roles,
            scopes=scopes,
            claims=cast.claims,
        )

    def api_keys(self, cast: Cast) -> dict[str, str]:
        """API keys by kind: valid, expired, revoked (all in the store, good for an hour at most), and one made up."""
        role, now = cast.roles.get("reader"), time.time()
        store = open_store(f"sqlite:///{self._policy.state / 'store.db'}")
        try:
            roles = (role,) if role else ()
            _, valid = add_api_key(store, KEY_NAME, now=now, roles=roles, claims=cast.claims, lifetime_s=_LIFETIME_S)
            _, expired = add_api_key(store, KEY_NAME, now=now - 2 * _LIFETIME_S, roles=roles, lifetime_s=_LIFETIME_S)
            kept, revoked = add_api_key(store, KEY_NAME, now=now, roles=roles, lifetime_s=_LIFETIME_S)
            revoke_api_key(store, kept.id, now=now)
        finally:
            store.close()
        _, unknown = make_api_key(secrets.token_bytes(ID_BYTES), secrets.token_bytes(SECRET_BYTES))
        return {"valid": valid, "expired": expired, "revoked": revoked, "unknown": unknown}
