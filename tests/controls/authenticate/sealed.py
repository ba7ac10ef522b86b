"""Partners that encrypt, and a gateway's pipeline with operations whose bodies are encrypted."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from tests.controls.authenticate.partner import NOW, SEALER

from doorward.client.encryption import BodyEncrypter, OpenedAnswer, SealedBody
from doorward.controls.authenticate import (
    Credentials,
    OwnKey,
    OwnReplays,
    Replays,
    credentials_data,
    sealed_encryption_name,
)
from doorward.controls.authenticate.key_format import hash_api_key, make_api_key
from doorward.controls.forward import IdentitySigner
from doorward.controls.limits import Counters
from doorward.denial import Denied
from doorward.exchange import Exchange, Headers, Request, Response, Source
from doorward.jose import DecryptionKey, EncryptionKey, encode_segment, encrypt, generate_decryption_key, generate_key
from doorward.pipeline import Pipeline, Plan, compile_pipeline
from doorward.policy.document import Policy
from doorward.policy.openapi import description_from_document
from doorward.problem import denial_response

ORDER = {"type": "object", "properties": {"note": {"type": "string"}}, "additionalProperties": False}
CONTENT = {"content": {"application/json": {"schema": ORDER}}}
ANSWERS = {"200": {"description": "ok", **CONTENT}, "204": {"description": "none"}}
SECRET = bytes(range(32))
OWN = generate_decryption_key("ECDH-ES+A256KW")
OLD = generate_decryption_key("ECDH-ES+A256KW")
RSA = generate_decryption_key("RSA-OAEP-256", rsa_bits=2048)


def document(extension: Mapping[str, Any] | None = None) -> dict[str, Any]:
    sealed = {"x-doorward": {"body": "jwe"} if extension is None else extension}
    return {
        "openapi": "3.1.0",
        "info": {"title": "orders", "version": "1"},
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}},
        "security": [{"key": []}],
        "paths": {
            "/orders": {
                "get": {**sealed, "responses": ANSWERS},
                "post": {**sealed, "requestBody": {"required": True, **CONTENT}, "responses": ANSWERS},
            },
        },
    }


def policy_of(**settings: Any) -> Policy:
    written = {"api": "openapi.yaml", "upstream": "http://127.0.0.1:9", "insecure_plain_http": True}
    roles = {"writer": ["GET /orders", "POST /orders"]}
    return Policy.model_validate_json(orjson.dumps({**written, "roles": roles, **settings}))


class Caller:
    """Somebody with an API key and a key for answers."""

    def __init__(self, name: str, number: int, own: DecryptionKey) -> None:
        self.name, self.own = name, own
        self.id, self.api_key = make_api_key(bytes([number] * 8), bytes([number] * 32))

    def api_record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "hash": hash_api_key(self.api_key.encode()).hex(),
            "subject": self.name,
            "roles": ["writer"],
            "scopes": [],
            "claims": {},
            "expires_at": NOW + 6000,
            "networks": [],
            "revoked": False,
        }

    def encryption_record(self, **changes: Any) -> dict[str, Any]:
        shared = self.own.algorithm == "dir"
        return {
            "id": self.own.id,
            "subject": self.name,
            "issuer": "",
            "public": {} if shared else self.own.public.jwk(),
            "sealed": SEALER.seal(sealed_encryption_name(self.own.id), SECRET) if shared else "",
            "expires_at": NOW + 6000,
            "revoked": False,
        } | changes


def shared_key(key_id: str = "shared") -> DecryptionKey:
    from doorward.jose import decryption_key_from_jwk

    return decryption_key_from_jwk(
        {"kty": "oct", "alg": "dir", "kid": key_id, "k": encode_segment(SECRET).decode("ascii")}
    )


class Gate:
    """A pipeline, its keys, and callers: alice and mallory with key pairs, bob with a shared secret."""

    def __init__(
        self,
        *,
        said: dict[str, Any] | None = None,
        replays: Replays | None = None,
        now: float = NOW,
        **settings: Any,
    ) -> None:
        self.now = now
        self.alice = Caller("alice", 1, generate_decryption_key("ECDH-ES+A256KW"))
        self.mallory = Caller("mallory", 2, generate_decryption_key("ECDH-ES+A256KW"))
        self.bob = Caller("bob", 3, shared_key())
        self.callers = (self.alice, self.mallory, self.bob)
        self.records = [each.encryption_record() for each in self.callers]
        self.credentials = Credentials(replays=replays or OwnReplays(born_at=now - 1000), unseal=SEALER.open)
        self.credentials.encryption.take_own([OwnKey(key=OWN), OwnKey(key=OLD, until=NOW + 100), OwnKey(key=RSA)])
        self.apply()
        self.pipeline = self.compiled(policy_of(**settings), said)

    def compiled(self, policy: Policy, said: dict[str, Any] | None = None) -> Pipeline:
        return compile_pipeline(
            policy,
            description_from_document(said or document()),
            version="v1",
            credentials=self.credentials,
            signer=IdentitySigner(generate_key("ES256"), policy.forward),
            counters=Counters(),
            record_key=b"k" * 32,
        )

    def apply(self) -> None:
        keys = [each.api_record() for each in self.callers]
        self.credentials.apply(credentials_data(issuers={}, api_keys=keys, encryption_keys=self.records))

    def encrypter(self, caller: Caller | None = None, to: EncryptionKey | None = None) -> BodyEncrypter:
        own = (caller or self.alice).own
        gateway = own.public if own.algorithm == "dir" else OWN.public
        return BodyEncrypter(gateway=to or gateway, own=own, clock=lambda: self.now)

    def message(self, content: bytes = b'{"note":"hi"}', to: EncryptionKey | None = None, **members: Any) -> bytes:
        """A message of alice's, with members that differ; None removes one."""
        usual = {
            "typ": "doorward+jwe",
            "iat": int(self.now),
            "direction": "request",
            "jti": "message-number-1",
            "reply_kid": self.alice.own.id,
            "cty": "application/json",
        }
        kept: dict[str, Any] = {name: value for name, value in (usual | members).items() if value is not None}
        return encrypt(content, to or OWN.public, typ=str(kept.pop("typ", "")), members=kept).encode()

    def exchange(
        self, body: bytes, *fields: tuple[str, str], caller: Caller | None = None, method: str = ""
    ) -> Exchange:
        lines = [("host", "api.example"), ("x-api-key", (caller or self.alice).api_key), *fields]
        headers = Headers([(name.lower().encode(), value.encode("latin-1")) for name, value in lines])
        method = method or ("POST" if body else "GET")
        request = Request(method, b"/orders", b"/orders", b"", headers, has_body=bool(body), body=body)
        return Exchange(id="0" * 32, now=self.now, ticks=0.0, source=Source(address="192.0.2.1"), request=request)

    def admit(self, exchange: Exchange) -> Plan:
        """The plan. Errors: Denied."""
        plan = self.pipeline.admit_head(exchange)
        self.pipeline.admit_body(exchange, plan)
        return plan

    def code(self, body: bytes, *, caller: Caller | None = None, media_type: str = "application/jose") -> str:
        """The code of the denial, or nothing."""
        return self.verdict(self.exchange(body, ("content-type", media_type), caller=caller))

    def verdict(self, exchange: Exchange) -> str:
        try:
            self.admit(exchange)
        except Denied as denied:
            return denied.code
        return ""

    def sent(self, sealed: SealedBody, *, caller: Caller | None = None) -> Exchange:
        return self.exchange(sealed.body, *sealed.headers.items(), caller=caller)

    def answered(self, exchange: Exchange, response: Response) -> Response:
        """What leaves."""
        exchange.response = response
        plan, _ = self.pipeline._router.find(exchange.request.method, b"/orders")
        try:
            plan.release.apply(exchange)
        except Denied as denied:
            exchange.response = denial_response(exchange, denied)
        assert exchange.response is not None
        self.pipeline.seal_answer(exchange, exchange.response)
        return exchange.response

    def opened(self, sealed: SealedBody, response: Response, caller: Caller | None = None) -> OpenedAnswer:
        return self.encrypter(caller).open(response.body or b"", status=response.status, message_id=sealed.message_id)


def json_answer(body: bytes = b'{"note":"there"}', *fields: tuple[bytes, bytes], status: int = 200) -> Response:
    return Response(status, [(b"content-type", b"application/json"), *fields], body)


def reheaded(message: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    """The message under another header."""
    import base64

    head, _, rest = message.partition(b".")
    header = orjson.loads(base64.urlsafe_b64decode(head + b"=="))
    return encode_segment(orjson.dumps(change(header))) + b"." + rest
