"""One issuer, one API key, and a gateway's view of them. The fixture `door` asks the compiled check."""

from typing import Any, Literal

import pytest

from doorward.controls.authenticate import (
    AuthenticatePolicy,
    Credentials,
    IssuerPolicy,
    OwnReplays,
    compile_check,
    credentials_data,
    once_check,
)
from doorward.controls.authenticate.key_format import hash_api_key, make_api_key
from doorward.denial import Denied
from doorward.exchange import Check, ClientCertificate, Exchange, Headers, Request, Source
from doorward.jose import PrivateKey, generate_key, sign_jwt
from doorward.operation import Operation, SecurityRequirement

KEY = generate_key("ES256")


class Door:
    """Policy, credentials and the demands of one operation, to be changed by a test before it asks."""

    NOW = 1_800_000_000.0
    ISSUER = "https://issuer.example"
    KEY = KEY
    KEY_ID, API_KEY = make_api_key(b"12345678", b"s" * 32)

    def __init__(self) -> None:
        self.policy = AuthenticatePolicy(issuers=(IssuerPolicy(issuer=self.ISSUER, audience="api"),))
        self.credentials = Credentials.from_data(self.data(), replays=OwnReplays(born_at=self.NOW - 10_000))
        self.security: tuple[SecurityRequirement, ...] = ()
        self._plans: list[Check] = []

    def ask(self, *headers: tuple[str, str], **more: Any) -> Exchange:
        """The exchange after the check; raises Denied."""
        asked = self.exchange(*headers, **more)
        operation = Operation(id="read", method="GET", path="/x", template="/x", security=self.security)
        check = compile_check(operation, self.policy, self.credentials)
        self._plans.append(check)
        check(asked)
        once_check(lambda: self.credentials.replays)(asked)
        assert asked.caller is not None
        return asked

    def denied(self, *headers: tuple[str, str], **more: Any) -> Denied:
        """The denial the check raises."""
        with pytest.raises(Denied) as refusal:
            self.ask(*headers, **more)
        return refusal.value

    def code(self, *headers: tuple[str, str], **more: Any) -> str:
        """The code of the denial the check raises."""
        return self.denied(*headers, **more).code

    def exchange(
        self,
        *headers: tuple[str, str],
        query: str = "",
        now: float = NOW,
        address: str = "192.0.2.1",
        method: str = "GET",
        path: str = "/x",
        host: str = "api.example",
        scheme: Literal["http", "https"] = "https",
        certificate: str = "",
    ) -> Exchange:
        """A request with those headers; `certificate` is the thumbprint of the client's."""
        fields = Headers([(b"host", host.encode())] + [(n.lower().encode(), v.encode()) for n, v in headers])
        request = Request(method, path.encode(), path.encode(), query.encode(), fields, scheme)
        shown = ClientCertificate(thumbprint=certificate, subject="CN=partner") if certificate else None
        source = Source(address=address, certificate=shown)
        return Exchange(id="0" * 32, now=now, ticks=0.0, source=source, request=request)

    def use_issuer(self, **changes: object) -> None:
        """The issuer's policy with settings changed."""
        issuer = self.policy.issuers[0].model_copy(update=changes)
        self.policy = self.policy.model_copy(update={"issuers": (issuer,)})

    def data(self, **changes: Any) -> dict[str, Any]:
        """The plain data of a snapshot."""
        parts: dict[str, Any] = {"issuers": {self.ISSUER: [self.KEY.public.jwk()]}, "api_keys": [self.key_record()]}
        return credentials_data(**(parts | changes))

    def key_record(self, **changes: object) -> dict[str, Any]:
        """The record of the API key."""
        return {
            "id": self.KEY_ID,
            "hash": hash_api_key(self.API_KEY.encode()).hex(),
            "subject": "partner",
            "roles": ["reader"],
            "scopes": ["orders:read"],
            "claims": {"account_id": "a-1"},
            "networks": [],
            "expires_at": self.NOW + 600,
            "revoked": False,
        } | changes

    def client_record(self, secret: str, **changes: object) -> dict[str, Any]:
        """The record of a client that may show that secret."""
        return {
            "name": "batch",
            "issuer": self.ISSUER,
            "hash": hash_api_key(secret.encode()).hex(),
            "roles": ["reader"],
            "scopes": ["orders:read"],
            "claims": {"account_id": "a-1"},
            "disabled": False,
        } | changes

    def token(self, key: PrivateKey = KEY, typ: str = "at+jwt", **changes: object) -> str:
        """Alice's token with claims changed; None removes one."""
        base = {"iss": self.ISSUER, "aud": "api", "sub": "alice", "exp": self.NOW + 600, "iat": self.NOW, "jti": "t-1"}
        claims = {name: value for name, value in (base | changes).items() if value is not None}
        return sign_jwt(key, claims, typ)

    def bearer(self, token: str | None = None, **changes: object) -> tuple[str, str]:
        """An Authorization header with that token, or alice's."""
        return ("Authorization", f"Bearer {token or self.token(**changes)}")  # type: ignore[arg-type]


@pytest.fixture
def door() -> Door:
    return Door()
