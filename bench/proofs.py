"""`python -m bench.proofs`: what a proof of possession (DPoP) adds to admitting a request, by kind of key.

In this process, CPU time, the best of some rounds; `PYTHONPATH=.compiled` measures the compiled build. Each proof is
used once, as it must be, and its token is remembered, as it is after its first use. Absolute times mean nothing on
another machine; the factors do.
"""

import base64
import gc
import hashlib
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson

from bench.telling import Say, tell
from doorward.controls.authenticate import Credentials, OwnReplays, credentials_data
from doorward.controls.forward import IdentitySigner
from doorward.controls.limits import Counters
from doorward.denial import Denied
from doorward.exchange import Exchange, Headers, Request, Source
from doorward.jose import ALGORITHMS, PrivateKey, generate_key, sign_jwt, sign_proof
from doorward.pipeline import Pipeline, compile_pipeline
from doorward.policy.document import Policy
from doorward.policy.openapi import description_from_document

NOW = 1_800_000_000.0
REQUESTS = 2_000
ROUNDS = 5
ISSUER = "https://127.0.0.1:8444"
RSA_BITS = 2048
Row = tuple[str, float]

_DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "proofs", "version": "1"},
    "paths": {"/things": {"get": {"responses": {"200": {"description": "all"}}}}},
}


def compiled(issuer: PrivateKey) -> tuple[Pipeline, Credentials]:
    """A pipeline of one operation, and its credentials."""
    written = {"api": "openapi.yaml", "upstream": "http://127.0.0.1:9", "insecure_plain_http": True}
    settings = {
        "transport": {"hosts": ["localhost"]},
        "roles": {"clerk": ["GET *"]},
        "limits": {"per_address": "99999999/second", "per_caller": "99999999/second"},
    }
    credentials = Credentials.from_data(credentials_data(issuers={ISSUER: [issuer.public.jwk()]}))
    pipeline = compile_pipeline(
        Policy.model_validate_json(orjson.dumps({**written, **settings})),
        description_from_document(_DOCUMENT),
        version="v1",
        credentials=credentials,
        signer=IdentitySigner(generate_key("ES256")),
        counters=Counters(),
        record_key=b"k" * 32,
    )
    return pipeline, credentials


def token_of(issuer: PrivateKey, bound_to: PrivateKey | None) -> str:
    """A token as the local issuer makes it."""
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": "urn:doorward:api",
        "sub": "bench",
        "roles": ["clerk"],
        "iat": int(NOW),
        "exp": int(NOW) + 600,
    }
    if bound_to is not None:
        claims["cnf"] = {"jkt": bound_to.public.thumbprint}
    return sign_jwt(issuer, claims, "at+jwt")


def proofs_of(key: PrivateKey, signer: PrivateKey, token: str, start: int) -> list[bytes]:
    """So many proofs, each with a `jti` of its own."""
    ath = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
    claims = {"htm": "GET", "htu": "http://localhost/things", "iat": int(NOW), "ath": ath}
    public = {name: value for name, value in key.public.jwk().items() if name not in {"kid", "alg", "use"}}
    return [
        sign_proof(signer, {**claims, "jti": f"proof-{start + number}"}, header={"jwk": public}).encode()
        for number in range(REQUESTS)
    ]


def exchange_of(fields: list[tuple[bytes, bytes]], number: int) -> Exchange:
    """One request."""
    request = Request("GET", b"/things", b"/things", b"", Headers([(b"host", b"localhost"), *fields]), scheme="http")
    source = Source(address="192.0.2.1")
    return Exchange(id="0" * 32, now=NOW, ticks=1.0 + number * 1e-5, source=source, request=request)


def admitted_us(issuer: PrivateKey, key: PrivateKey | None, *, by_thief: bool = False) -> float:
    """CPU microseconds to admit one request, or to refuse a thief's; without a key, of a bearer token."""
    pipeline, credentials = compiled(issuer)
    token = token_of(issuer, key)
    scheme = b"Bearer " if key is None else b"DPoP "
    thief = generate_key("ES256")
    best = float("inf")
    for turn in range(ROUNDS):
        credentials.replays = OwnReplays(born_at=NOW - 3600)
        proofs: list[bytes] = []
        if key is not None:
            proofs = proofs_of(thief if by_thief else key, thief if by_thief else key, token, turn * REQUESTS)
        fields = [
            [(b"authorization", scheme + token.encode()), *([(b"dpop", proofs[number])] if proofs else [])]
            for number in range(REQUESTS)
        ]
        exchanges = [exchange_of(each, number) for number, each in enumerate(fields)]
        best = min(best, _pass(pipeline, exchanges, is_refused=by_thief))
    return best / REQUESTS * 1e6


def _pass(pipeline: Pipeline, exchanges: list[Exchange], *, is_refused: bool) -> float:
    gc.collect()
    admitted = 0
    began = time.process_time()
    for exchange in exchanges:
        try:
            pipeline.admit_body(exchange, pipeline.admit_head(exchange))
            admitted += 1
        except Denied:
            pass
    took_s = time.process_time() - began
    if admitted != (0 if is_refused else len(exchanges)):
        raise RuntimeError(f"{admitted} of {len(exchanges)} requests were admitted")
    return took_s


def measure(say: Callable[[str], None]) -> list[Row]:
    """Rows of what comes with a request, and microseconds to judge it."""
    issuer = generate_key("ES256")
    say("a bearer token")
    rows = [("a bearer token, remembered", admitted_us(issuer, None))]
    for algorithm in ALGORITHMS:
        say(f"proofs by {algorithm}")
        key = generate_key(algorithm, rsa_bits=RSA_BITS)
        rows.append((f"a bound token and its proof, {algorithm}", admitted_us(issuer, key)))
    say("proofs of a thief")
    rows.append(
        ("a stolen token and a thief's proof, refused", admitted_us(issuer, generate_key("ES256"), by_thief=True))
    )
    return rows


def main() -> int:
    """The program."""
    heads = ("what comes with a request", "us to judge it", "us more than a bearer token", "at most a second")
    return tell("proofs", __doc__, heads, 1, _rows)


def _rows(say: Say) -> list[tuple[str, ...]]:
    rows = measure(say)
    first = rows[0][1]
    return [(what, f"{us:.1f}", f"{us - first:.0f}", f"{1e6 / us:,.0f}") for what, us in rows]


if __name__ == "__main__":
    sys.exit(main())
