"""The client's half of encrypted bodies, against a gateway that is played."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from doorward.client import BodyEncrypter, CombinedAuth, EncryptedTransport, EncryptionRefused, ProofAuth
from doorward.jose import (
    EncryptionKey,
    decrypt,
    encode_segment,
    encrypt,
    generate_decryption_key,
    generate_key,
    split_jwe,
    split_proof,
    verify_proof,
)

NOW = 1_800_000_000.0
GATEWAY = generate_decryption_key("ECDH-ES+A256KW")
RSA = generate_decryption_key("RSA-OAEP-256", rsa_bits=2048)
OWN = generate_decryption_key("ECDH-ES+A256KW")
KEYS = {"keys": [RSA.public.jwk(), GATEWAY.public.jwk()]}


def answer(seen: dict[str, Any], key: EncryptionKey = OWN.public, **changes: Any) -> bytes:
    members = {
        "iat": int(NOW),
        "direction": "answer",
        "in_reply_to": seen["jti"],
        "status": 200,
        "cty": "application/json",
    }
    kept = {name: value for name, value in (members | changes).items() if value is not None}
    return encrypt(b'{"ok":true}', key, typ=kept.pop("typ", "doorward+jwe"), members=kept).encode()


def client(respond: Callable[[httpx.Request, dict[str, Any]], httpx.Response], **more: Any) -> httpx.Client:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.content:
            opened = decrypt(split_jwe(request.content), GATEWAY)
            return respond(request, {**opened.header, "content": opened.content})
        return respond(request, {"jti": request.headers["doorward-message-id"]})

    encrypter = BodyEncrypter(gateway=GATEWAY.public, own=OWN, clock=lambda: NOW)
    transport = EncryptedTransport(None, encrypter, transport=httpx.MockTransport(handle), **more)
    return httpx.Client(base_url="https://api.example", transport=transport)


def sealed(body: bytes, status: int = 200) -> httpx.Response:
    return httpx.Response(status, content=body, headers={"content-type": "application/jose", "x-kept": "1"})


def test_a_request_says_what_the_gateway_wants_to_know() -> None:
    seen: dict[str, Any] = {}

    def respond(request: httpx.Request, header: dict[str, Any]) -> httpx.Response:
        seen.update(header, media_type=request.headers["content-type"], length=request.headers["content-length"])
        assert request.headers["content-length"] == str(len(request.content))
        return sealed(answer(header))

    with client(respond) as api:
        got = api.post("/orders", json={"note": "hi"})
    assert got.json() == {"ok": True}
    assert got.headers["x-kept"] == "1"
    assert (seen["typ"], seen["direction"], seen["cty"]) == ("doorward+jwe", "request", "application/json")
    assert (seen["iat"], seen["reply_kid"], seen["kid"]) == (int(NOW), OWN.id, GATEWAY.id)
    assert seen["content"] == b'{"note":"hi"}'
    assert seen["media_type"] == "application/jose"


def test_every_request_has_an_id_of_its_own() -> None:
    ids: list[str] = []

    def respond(_request: httpx.Request, header: dict[str, Any]) -> httpx.Response:
        ids.append(header["jti"])
        return sealed(answer(header))

    with client(respond) as api:
        api.post("/orders", json={})
        api.post("/orders", json={})
        api.get("/orders")
    assert len(set(ids)) == 3


BAD: dict[str, Callable[[dict[str, Any]], httpx.Response]] = {
    "to another request": lambda header: sealed(answer(header, in_reply_to="another-request-1")),
    "to no request": lambda header: sealed(answer(header, in_reply_to=None)),
    "with another status": lambda header: sealed(answer(header, status=201)),
    "with its status changed": lambda header: sealed(answer(header), status=403),
    "a request sent back": lambda header: sealed(answer(header, direction="request")),
    "of another type": lambda header: sealed(answer(header, typ="JWT")),
    "to another key": lambda header: sealed(answer(header, generate_decryption_key("ECDH-ES+A256KW").public)),
    "changed": lambda header: sealed(answer(header)[:-4] + b"AAAA"),
    "no message": lambda _: sealed(b"{}"),
    "ten thousand dots": lambda _: sealed(b"." * 10_000),
    "in clear": lambda _: httpx.Response(200, json={"ok": True}),
}


@pytest.mark.parametrize("name", BAD)
def test_no_other_answer_is_taken(name: str) -> None:
    with client(lambda _, header: BAD[name](header)) as api, pytest.raises(EncryptionRefused):
        api.post("/orders", json={})


def test_a_refusal_in_clear_and_an_answer_without_a_body_are_handed_on() -> None:
    with client(lambda _request, _header: httpx.Response(401, json={"type": "x"})) as api:
        assert api.post("/orders", json={}).json() == {"type": "x"}
    with client(lambda _request, _header: httpx.Response(204)) as api:
        assert api.post("/orders", json={}).status_code == 204


def test_a_proof_is_made_again_with_the_nonce_that_is_demanded_and_the_body_is_the_same() -> None:
    key = generate_key("ES256")
    proofs: list[dict[str, Any]] = []
    bodies: list[bytes] = []

    class Counting(httpx.Auth):
        requires_request_body = True

        def auth_flow(self, request: httpx.Request) -> Any:
            request.headers["x-covers"] = request.headers["dpop"][-8:]
            yield request

    def respond(request: httpx.Request, header: dict[str, Any]) -> httpx.Response:
        proofs.append(dict(verify_proof(split_proof(request.headers["dpop"].encode()))))
        bodies.append(request.content)
        assert request.headers["x-covers"] == request.headers["dpop"][-8:]
        assert request.headers["authorization"] == "DPoP a.b.c"
        if len(proofs) == 1:
            challenge = {"www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": "n-1"}
            return httpx.Response(401, headers=challenge)
        return sealed(answer(header))

    auth = CombinedAuth(ProofAuth(lambda: "a.b.c", key.jwk(), clock=lambda: NOW), Counting())
    with client(respond, auth=auth) as api:
        assert api.post("/orders?a=1", json={}).status_code == 200
        api.post("/orders", json={})
    assert [proof.get("nonce") for proof in proofs] == [None, "n-1", "n-1"]
    assert {proof["htu"] for proof in proofs} == {"https://api.example/orders"}
    assert len({proof["jti"] for proof in proofs}) == 3
    assert bodies[0] == bodies[1] != bodies[2]


def test_a_gateway_that_demands_nonces_for_ever_is_asked_twice() -> None:
    asked: list[int] = []

    def respond(_request: httpx.Request, _header: dict[str, Any]) -> httpx.Response:
        asked.append(1)
        headers = {"www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": f"n-{len(asked)}"}
        return httpx.Response(401, headers=headers)

    with client(respond, auth=ProofAuth("a.b.c", generate_key("ES256"))) as api:
        assert api.post("/orders", json={}).status_code == 401
    assert len(asked) == 2


def test_the_key_that_costs_less_is_used_and_a_shared_secret_needs_none() -> None:
    assert BodyEncrypter.of(KEYS, OWN.jwk()).gateway.id == GATEWAY.id
    shared = {"kty": "oct", "alg": "dir", "kid": "s-1", "k": encode_segment(bytes(32)).decode()}
    encrypter = BodyEncrypter.of(None, shared)
    assert (encrypter.gateway.id, encrypter.own.id) == ("s-1", "s-1")
    pem = OWN.material.as_pem(private=True)  # type: ignore[union-attr]
    assert BodyEncrypter.of(KEYS, pem, key_id="mine").own.id == "mine"


@pytest.mark.parametrize(
    ("keys", "own"),
    [
        (None, OWN.jwk()),
        ({"keys": []}, OWN.jwk()),
        (KEYS, OWN.public.jwk()),
        (KEYS, b"no pem"),
        ({"keys": [{}]}, OWN.jwk()),
    ],
)
def test_what_is_no_key_is_refused(keys: Any, own: Any) -> None:
    with pytest.raises(ValueError, match="key"):
        BodyEncrypter.of(keys, own)


def test_no_key_shows() -> None:
    assert OWN.jwk()["d"] not in repr(BodyEncrypter.of(KEYS, OWN.jwk()))
