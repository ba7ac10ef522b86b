"""A client as FAPI 2.0 wants it: it signs assertions, pushes its requests, and has a key that its tokens are bound to."""

import base64
import hashlib
import itertools
import json
from dataclasses import replace
from typing import Any

import httpx
from tests.conformance.ground import Ground, went_on
from tests.identity.lab import CALLBACK, CHALLENGE, VERIFIER, Visitor

from doorward.identity.assertions import ASSERTION_TYPE
from doorward.identity.clients import add_client
from doorward.identity.profiles import profile_of
from doorward.jose import PrivateKey, generate_key, public_jwks, sign_jwt, sign_proof

SIGNING = {"bank": generate_key("ES256"), "shop": generate_key("ES256")}
PROVING = {"bank": generate_key("ES256"), "shop": generate_key("ES256")}
START_S = 60
"""By when the provider is old enough to know which proofs it has seen."""


class Bank:
    """The client of that name at the ground, which keeps to the profile `fapi2` from then on."""

    def __init__(self, ground: Ground, name: str = "bank") -> None:
        self.ground, self.name, self._count = ground, name, itertools.count()
        ground.settings = replace(ground.settings, profile=profile_of(["fapi2"]))
        ground.app = ground.made_app()
        ground.now += START_S
        jwks = json.dumps(public_jwks([SIGNING[name]])).encode()
        add_client(
            ground.store,
            name,
            now=ground.now,
            scopes=["orders:read", "offline_access"],
            redirect_uris=[CALLBACK],
            jwks=jwks,
            pushes_only=True,
        )

    def assertion(self, key: PrivateKey | None = None, **changed: Any) -> dict[str, str]:
        """The fields by which it proves itself."""
        jti = f"{self.name}-{next(self._count)}"
        given = {"aud": self.ground.issuer, "now": self.ground.now, "jti": jti, **changed}
        return client_assertion(key or SIGNING[self.name], self.name, **given)

    def proof(
        self, path: str, method: str = "POST", key: PrivateKey | None = None, header: Any = None, **changed: Any
    ) -> str:
        """A proof for a request to one of the provider's endpoints."""
        claims: dict[str, Any] = {
            "jti": f"p-{self.name}-{next(self._count)}",
            "htm": method,
            "htu": self.ground.issuer + path,
        }
        claims |= {"iat": self.ground.now, **changed}
        given = {name: value for name, value in claims.items() if value is not None}
        return sign_proof(key or PROVING[self.name], given, header=header)

    def push(self, proof: str | None = None, proves: dict[str, str] | None = None, **changed: Any) -> httpx.Response:
        """A pushed request. What is None in `changed` is left out."""
        asked = {
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid orders:read offline_access",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "state": "s-1",
            "nonce": "n-1",
            **changed,
        }
        fields = {name: value for name, value in asked.items() if value is not None}
        fields |= self.assertion() if proves is None else proves
        return self.ground.post("/oauth/par", headers={"dpop": proof} if proof else None, **fields)

    def brought(self, visitor: Visitor, pushed: httpx.Response, **beside: str) -> httpx.Response:
        """What the browser gets with the name of a pushed request; `beside` stands beside it in the URL."""
        assert pushed.status_code == 201, pushed.text
        named = {"client_id": self.name, "request_uri": pushed.json()["request_uri"], **beside}
        answer = visitor.get("/oauth/authorize", **named)
        return visitor.send("/auth/consent", answer="allow") if "Allow access?" in answer.text else answer

    def code(self, pushed: httpx.Response | None = None) -> str:
        answer = self.brought(self.ground.person(), pushed or self.push())
        return went_on(answer)["code"]

    def trade(
        self, code: str, proof: str | None = "", proves: dict[str, str] | None = None, **changed: Any
    ) -> httpx.Response:
        """The code at the token endpoint, with a good proof unless another or None is handed in."""
        given = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        fields = {name: value for name, value in {**given, **changed}.items() if value is not None}
        fields |= self.assertion() if proves is None else proves
        shown = self.proof("/oauth/token") if proof == "" else proof
        return self.ground.post("/oauth/token", headers={"dpop": shown} if shown else None, **fields)

    def tokens(self, **pushed: Any) -> dict[str, Any]:
        answer = self.trade(self.code(self.push(**pushed)))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def resource(
        self, token: str, scheme: str = "DPoP", proofs: list[str] | None = None, **changed: Any
    ) -> httpx.Response:
        """The protected resource: userinfo, with a good proof unless others are handed in."""
        given = proofs if proofs is not None else [self.resource_proof(token, **changed)]
        headers = [("authorization", f"{scheme} {token}"), *(("dpop", proof) for proof in given)]
        return self.ground.ask("GET", "/oauth/userinfo", headers=httpx.Headers(headers))

    def resource_proof(self, token: str, key: PrivateKey | None = None, header: Any = None, **changed: Any) -> str:
        ath = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")
        return self.proof("/oauth/userinfo", "GET", key, header, **{"ath": ath, **changed})


def client_assertion(key: PrivateKey, name: str, *, now: float, **changed: Any) -> dict[str, str]:
    """The fields of a client that proves itself by a key. What is None in `changed` is left out."""
    claims = {"iss": name, "sub": name, "iat": now, "exp": now + 60, "jti": "j-1", **changed}
    text = sign_jwt(key, {name: value for name, value in claims.items() if value is not None}, "JWT")
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}
