"""Where the modules are played: the provider of `tests.identity.lab`, and the steps that most of them share."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from sqlalchemy import update
from tests.identity.lab import CALLBACK, KEY, VERIFIER, Lab, Visitor

from doorward.jose import split_unverified, verify_signature
from doorward.store import Store, users

ABOUT_ALICE = {
    "name": "Alice Ling",
    "email": "alice@example.com",
    "address": "1 Main Street",
    "phone_number": "+1 555 0100",
}


class Ground(Lab):
    """One provider. `web` authenticates by its secret, in the field Authorization unless a module says otherwise."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        with store.begin() as connection:
            connection.execute(update(users).where(users.c.name == "alice").values(claims=ABOUT_ALICE))

    def metadata(self) -> dict[str, Any]:
        return dict(self.ask("GET", "/.well-known/openid-configuration").json())

    def person(self) -> Visitor:
        return self.visitor().signed_in()

    def basic(self, client: str = "web") -> dict[str, str]:
        credentials = f"{client}:{self.secrets[client]}".encode()
        return {"authorization": f"Basic {base64.b64encode(credentials).decode()}"}

    def traded(self, code: str, client: str = "web", **fields: str) -> httpx.Response:
        """The code at the token endpoint, by `client_secret_basic`."""
        given = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return self.post("/oauth/token", headers=self.basic(client), **{**given, **fields})

    def whole(self, visitor: Visitor | None = None, **asked: Any) -> dict[str, Any]:
        """The tokens of a whole flow, its ID token checked and opened under `claims`."""
        answer = self.traded((visitor or self.person()).authorized(**asked))
        assert answer.status_code == 200, answer.text
        body = dict(answer.json())
        return body | {"claims": self.opened(body["id_token"])}

    def opened(self, id_token: str) -> Mapping[str, Any]:
        """The claims of an ID token, after the checks of OpenID Connect Core section 3.1.3.7."""
        token = split_unverified(id_token)
        claims = verify_signature(token, KEY.public)
        assert token.jws.key_id in {key["kid"] for key in self.ask("GET", "/oauth/jwks").json()["keys"]}
        assert claims["iss"] == self.metadata()["issuer"]
        assert claims["aud"] == "web"
        assert claims["exp"] > self.now >= claims["iat"]
        assert 0 < len(claims["sub"]) <= 255
        return claims

    def userinfo(self, token: str) -> dict[str, Any]:
        answer = self.ask("GET", "/oauth/userinfo", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def is_active(self, token: str) -> bool:
        return bool(self.post("/oauth/introspect", headers=self.basic(), token=token).json()["active"])


def landed(answer: httpx.Response) -> dict[str, str]:
    """The parameters with which the browser comes back to the client."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith(f"{CALLBACK}?"), answer.headers["location"]
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def stayed(answer: httpx.Response) -> None:
    """Nothing, for a page of the provider's own: an error that is shown, no redirect."""
    assert answer.status_code == 400, answer.text
    assert "location" not in answer.headers


def went_on(answer: httpx.Response) -> dict[str, str]:
    """As `landed`, for an answer that must be a code."""
    back = landed(answer)
    assert set(back) == {"code", "iss", "state"}, back
    return back
