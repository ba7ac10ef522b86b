"""`python -m bench.signatures`: what it costs to admit a signed request, and to sign an answer.

In this process, CPU time, the best of some rounds; `PYTHONPATH=.compiled` measures the compiled build. Absolute times
mean nothing on another machine; the difference to an API key does.
"""

import base64
import gc
import hashlib
import hmac
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bench.telling import Say, tell
from doorward.answer_key import new_answer_key
from doorward.client import MessageSigner, SentRequest
from doorward.controls.authenticate import AnswerSigner, Credentials, OwnReplays, credentials_data
from doorward.controls.authenticate.key_format import hash_api_key, make_api_key
from doorward.controls.forward import IdentitySigner
from doorward.controls.limits import Counters
from doorward.exchange import Exchange, Headers, Request, Response, Source
from doorward.gateway.worker import GC_ALLOCATIONS
from doorward.jose import generate_key
from doorward.pipeline import Pipeline, compile_pipeline
from doorward.policy.document import Policy
from doorward.policy.openapi import description_from_document
from doorward.signatures import SigningKey, private_key_from_pem, shared_secret
from doorward.signatures.keys import generate_ed25519, public_pem

NOW = 1_800_000_000.0
REQUESTS = 2_000
ROUNDS = 5
BODY = orjson.dumps({"text": "x" * 380})
SECRET = b"s" * 32
API_KEY_ID, API_KEY = make_api_key(b"12345678", b"s" * 32)
Row = tuple[str, str, float, float]

_JSON: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
_OPERATION: dict[str, Any] = {"responses": {"200": {"description": "ok"}}}
DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "signatures", "version": "1"},
    "components": {
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            "signed": {"type": "http", "scheme": "signature", "x-doorward": {"signature": "rfc9421"}},
            "slack": {"type": "apiKey", "in": "header", "name": "x", "x-doorward": {"signature": "hmac"}},
        }
    },
    "paths": {
        f"/{scheme}": {
            "get": {"security": [{scheme: []}], **_OPERATION},
            "post": {"security": [{scheme: []}], "requestBody": {"content": _JSON}, **_OPERATION},
        }
        for scheme in ("key", "signed", "slack")
    },
}


def private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """The key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


PRIVATE = {
    "ed25519": generate_ed25519()[0],
    "ecdsa-p256-sha256": private_pem(ec.generate_private_key(ec.SECP256R1())),
    "rsa-pss-sha512": private_pem(rsa.generate_private_key(65537, 2048)),
}


def record(key_id: str, **changes: Any) -> dict[str, Any]:
    """A key of the store, as the snapshot has it."""
    common = {"id": key_id, "subject": "partner", "roles": ["clerk"], "scopes": [], "claims": {}, "networks": []}
    return {**common, "expires_at": 4e9, "revoked": False, **changes}


def credentials() -> Credentials:
    """An API key, and a signature key of each kind. Nothing is sealed here."""
    sealed = {"public": "", "sealed": base64.b64encode(SECRET).decode(), "algorithm": "hmac-sha256"}
    signers = [
        record(name, algorithm=name, public=public_pem(pem), sealed="", purpose="rfc9421")
        for name, pem in PRIVATE.items()
    ]
    signers.append(record("hmac-sha256", purpose="rfc9421", **sealed))
    signers.append(record("slack", purpose="hmac", **sealed))
    keys = [record(API_KEY_ID, hash=hash_api_key(API_KEY.encode()).hex())]
    data = credentials_data(issuers={}, api_keys=keys, signature_keys=signers)
    return Credentials.from_data(data, unseal=lambda _name, text: base64.b64decode(text))


def pipeline_of(known: Credentials) -> Pipeline:
    """Everything on that does not depend on the API."""
    written = {"api": "openapi.yaml", "upstream": "http://127.0.0.1:9", "insecure_plain_http": True}
    policy = Policy.model_validate_json(
        orjson.dumps(
            {
                **written,
                "roles": {"clerk": ["*"]},
                "limits": {"per_address": None, "per_caller": None},
                "authenticate": {"hmac_signatures": [{"scheme": "slack", "form": "slack", "caller": "partner"}]},
            }
        )
    )
    return compile_pipeline(
        policy,
        description_from_document(DESCRIPTION),
        version="v1",
        credentials=known,
        signer=IdentitySigner(generate_key("ES256")),
        counters=Counters(),
        record_key=b"k" * 32,
    )


def exchange_of(method: str, path: str, fields: dict[str, str]) -> Exchange:
    """The exchange of a request as the gateway reads it."""
    body = BODY if method == "POST" else b""
    common = [("host", "api.example"), ("accept", "*/*"), ("user-agent", "bench")]
    if body:
        common += [("content-type", "application/json"), ("content-length", str(len(body)))]
    headers = Headers([(name.lower().encode(), value.encode()) for name, value in (*common, *fields.items())])
    target = path.encode()
    request = Request(method, target, target, b"", headers, has_body=bool(body), body=body)
    return Exchange(id="0" * 32, now=NOW, ticks=1.0, source=Source(address="192.0.2.1"), request=request)


def keyed(method: str, _number: int) -> Exchange:
    """A request with an API key."""
    return exchange_of(method, "/key", {"x-api-key": API_KEY})


def signed(method: str, key_id: str, key: SigningKey, _number: int = 0) -> Exchange:
    """A request signed by RFC 9421, unlike all others."""
    signer = MessageSigner(key_id=key_id, key=key, clock=lambda: NOW)
    body = BODY if method == "POST" else b""
    return exchange_of(
        method, "/signed", signer.sign(SentRequest(method=method, url="https://api.example/signed", body=body))
    )


def hooked(number: int) -> Exchange:
    """A webhook in Slack's form, unlike the 60 others of its moment."""
    made_at = int(NOW) - number % 60
    mac = hmac.new(SECRET, b"v0:%d:%s" % (made_at, BODY), hashlib.sha256).hexdigest()
    return exchange_of("POST", "/slack", {"x-slack-request-timestamp": str(made_at), "x-slack-signature": f"v0={mac}"})


def admitted_us(pipeline: Pipeline, known: Credentials, make: Callable[[int], Exchange], count: int) -> float:
    """CPU microseconds to admit one request, head and body."""
    best = float("inf")
    for _ in range(ROUNDS):
        known.replays = OwnReplays(born_at=NOW - 1_000)
        exchanges = [make(number) for number in range(count)]
        gc.collect()
        began = time.process_time()
        for exchange in exchanges:
            pipeline.admit_body(exchange, pipeline.admit_head(exchange))
        best = min(best, time.process_time() - began)
    return best / count * 1e6


def answered_us() -> float:
    """CPU microseconds to sign one answer to a signed request."""
    key = new_answer_key()
    signer = AnswerSigner(key.id, key.key)
    exchange = signed("GET", "ed25519", private_key_from_pem(PRIVATE["ed25519"]))
    best = float("inf")
    for _ in range(ROUNDS):
        answers = [Response(200, [(b"content-type", b"application/json")], BODY) for _ in range(REQUESTS)]
        began = time.process_time()
        for answer in answers:
            signer.sign(exchange, answer)
        best = min(best, time.process_time() - began)
    return best / REQUESTS * 1e6


def measure(say: Callable[[str], None]) -> list[Row]:
    """Rows of how, method, microseconds a request, and how many more than with an API key."""
    gc.set_threshold(GC_ALLOCATIONS, 10, 10)
    known = credentials()
    pipeline = pipeline_of(known)
    rows: list[Row] = []
    with_key = {method: admitted_us(pipeline, known, partial(keyed, method), REQUESTS) for method in ("GET", "POST")}
    rows += [("API key", method, us, 0.0) for method, us in with_key.items()]
    keys = {name: private_key_from_pem(pem) for name, pem in PRIVATE.items()}
    keys["hmac-sha256"] = shared_secret(SECRET)[0]
    for name, key in keys.items():
        for method in ("GET", "POST"):
            say(f"{name} {method}")
            us = admitted_us(pipeline, known, partial(signed, method, name, key), REQUESTS)
            rows.append((f"RFC 9421, {name}", method, us, us - with_key[method]))
    us = admitted_us(pipeline, known, hooked, 60)
    rows.append(("webhook, HMAC-SHA256", "POST", us, us - with_key["POST"]))
    us = answered_us()
    rows.append(("answer signed, ed25519", "GET", us, us))
    return rows


def main() -> int:
    """The program."""
    heads = ("proof", "method", "us a request", "us more than an API key")
    return tell("signatures", __doc__, heads, 2, _rows)


def _rows(say: Say) -> list[tuple[str, ...]]:
    return [(how, method, f"{us:.1f}", f"{more:.1f}") for how, method, us, more in measure(say)]


if __name__ == "__main__":
    sys.exit(main())
