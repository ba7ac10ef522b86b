"""A partner that signs, and the checks of an operation that takes nothing but signatures."""

from typing import Any, Literal

from doorward.attack.case import Ask, Signing
from doorward.attack.signing import RequestSigner, WebhookSigner
from doorward.controls.authenticate import (
    AuthenticatePolicy,
    Credentials,
    OwnReplays,
    compile_check,
    credentials_data,
    digest_check,
    once_check,
    sealed_name,
)
from doorward.denial import Denied
from doorward.exchange import Exchange, Headers, Request, Source
from doorward.operation import Operation, SecurityRequirement, SecurityScheme
from doorward.sealing import Sealer
from doorward.signatures import private_key_from_pem, shared_secret
from doorward.signatures.keys import generate_ed25519

NOW = 1_800_000_000.0
SECRET = b"s" * 32
SEALER = Sealer(bytes(range(32)))
PRIVATE, PUBLIC = generate_ed25519()
OTHER_PRIVATE, OTHER_PUBLIC = generate_ed25519()


def scheme(signature: Literal["rfc9421", "hmac"], name: str = "") -> SecurityScheme:
    return SecurityScheme(name=name or signature, kind="http", signature=signature)


class Partner:
    """Policy, keys and the operation's demands, to be changed by a test before it asks."""

    def __init__(self, signature: Literal["rfc9421", "hmac"] = "rfc9421") -> None:
        self.policy = AuthenticatePolicy()
        self.security: tuple[SecurityRequirement, ...] = ({scheme(signature): ()},)
        self.now = NOW
        self.records = [
            self.record("ed", algorithm="ed25519", public=PUBLIC),
            self.record("mac", algorithm="hmac-sha256", sealed=SEALER.seal(sealed_name("mac"), SECRET)),
            self.record(
                "hook", algorithm="hmac-sha256", purpose="hmac", sealed=SEALER.seal(sealed_name("hook"), SECRET)
            ),
        ]
        self.credentials = Credentials(replays=OwnReplays(born_at=NOW - 1000), unseal=SEALER.open)
        self.signer = RequestSigner(key_id="ed", key=private_key_from_pem(PRIVATE), clock=lambda: self.now)
        self.hook = WebhookSigner(key_id="hook", secret=SECRET, clock=lambda: self.now)

    def record(self, key_id: str, **changes: Any) -> dict[str, Any]:
        return {
            "id": key_id,
            "algorithm": "",
            "purpose": "rfc9421",
            "public": "",
            "sealed": "",
            "subject": "partner",
            "roles": ["writer"],
            "scopes": ["orders:write"],
            "claims": {"account_id": "a-1"},
            "networks": [],
            "expires_at": NOW + 600,
            "revoked": False,
        } | changes

    def with_mac(self) -> RequestSigner:
        return RequestSigner(key_id="mac", key=shared_secret(SECRET)[0], clock=lambda: self.now)

    def admit(
        self, ask: Ask, *, now: float | None = None, body_took_s: float = 0.0, address: str = "192.0.2.1"
    ) -> Exchange:
        """The exchange once head and body have agreed. Errors: Denied."""
        self.credentials.apply(credentials_data(issuers={}, signature_keys=self.records))
        sent = ask if ask.finish is None else ask.finish(ask, "api.example")
        exchange = exchange_of(sent, now=self.now if now is None else now, address=address)
        exchange.complete_at += body_took_s
        operation = Operation(id="write", method=sent.method, path="/x", template="/x", security=self.security)
        compile_check(operation, self.policy, self.credentials)(exchange)
        once_check(lambda: self.credentials.replays)(exchange)
        digest_check(self.policy)(exchange)
        return exchange

    def code(self, ask: Ask, **more: Any) -> str:
        """The code of the denial, or nothing."""
        try:
            self.admit(ask, **more)
        except Denied as denied:
            return denied.code.removeprefix("authenticate.")
        return ""

    def signed(self, signing: Signing | None = None, ask: Ask | None = None) -> Ask:
        return self.signer.signed(ask or Ask(method="GET", target="/x?a=1"), signing or Signing())

    def hooked(self, signing: Signing | None = None, ask: Ask | None = None) -> Ask:
        return self.hook.signed(ask or Ask(method="POST", target="/x?a=1", body=b'{"a":1}'), signing or Signing())


def exchange_of(ask: Ask, *, now: float = NOW, address: str = "192.0.2.1") -> Exchange:
    """The exchange of a request as a gateway would have read it."""
    fields = [("Host", "api.example"), *ask.headers]
    headers = Headers([(name.lower().encode(), value.encode("latin-1")) for name, value in fields])
    target = ask.target.encode("latin-1")
    path, _, query = target.partition(b"?")
    request = Request(ask.method, target, path, query, headers, has_body=bool(ask.body), body=ask.body)
    return Exchange(id="0" * 32, now=now, ticks=0.0, source=Source(address=address), request=request)
