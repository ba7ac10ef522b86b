"""The examples of docs/clients.md, run as they stand against a real gateway."""

import asyncio
import base64
import contextlib
import json
import re
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.warming import make_warm_state

from doorward.answer_key import answer_key_for
from doorward.attack.gateway_process import GatewayProcess
from doorward.attack.lab.upstream import LabUpstream
from doorward.client import (
    CombinedAuth,
    EncryptedTransport,
    EncryptionRefused,
    ProofAuth,
    SignatureAuth,
    SignatureRefused,
)
from doorward.identity.encryption_keys import add_encryption_key
from doorward.identity.signature_keys import Grant, add_public_key, add_shared_secret
from doorward.jose import generate_decryption_key, generate_key, load_private_keys, sign_jwt
from doorward.sealing import sealer_for
from doorward.signatures.keys import generate_ed25519
from doorward.store import open_store

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
POLICY = re.search(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

NOTE: dict[str, Any] = {
    "description": "a note",
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"id": {"type": "integer"}, "title": {"type": "string"}}}
        }
    },
}


def _taking(member: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object", "required": [member], "properties": {member: {"type": kind}}}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


API: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "transfers", "version": "1"},
    "components": {
        "securitySchemes": {
            "signed": {"type": "http", "scheme": "signature", "x-doorward": {"signature": "rfc9421"}},
            "proved": {"type": "http", "scheme": "DPoP"},
            "hook": {"type": "apiKey", "in": "header", "name": "X-Signature", "x-doorward": {"signature": "hmac"}},
        }
    },
    "paths": {
        "/transfers": {
            "get": {
                "security": [{"signed": []}],
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer"}}],
                "responses": {"200": NOTE},
            },
            "post": {
                "security": [{"signed": []}],
                "requestBody": _taking("amount", "integer"),
                "responses": {"200": NOTE},
            },
        },
        "/payments": {
            "get": {"security": [{"signed": []}], "x-doorward": {"body": "jwe"}, "responses": {"200": NOTE}},
            "post": {
                "security": [{"signed": []}],
                "x-doorward": {"body": "jwe", "sign_answers": True},
                "requestBody": _taking("amount", "integer"),
                "responses": {"200": NOTE},
            },
        },
        "/proved/payments": {
            "post": {
                "security": [{"proved": [], "signed": []}],
                "x-doorward": {"body": "jwe"},
                "requestBody": _taking("amount", "integer"),
                "responses": {"200": NOTE},
            },
        },
        "/hooks/partner": {
            "post": {"security": [{"hook": []}], "requestBody": _taking("event", "string"), "responses": {"200": NOTE}}
        },
    },
}


OWN = generate_decryption_key("ECDH-ES+A256KW")
PUBLIC_PEM = OWN.material.as_pem(private=False)  # type: ignore[union-attr]
PRIVATE_PEM = OWN.material.as_pem(private=True)  # type: ignore[union-attr]
PROVING = generate_key("ES256")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, GatewayProcess]]:
    """A gateway as the page's reader would have it, and beside it the files that the examples read."""
    directory = tmp_path_factory.mktemp("site")
    state = directory / ".doorward"
    make_warm_state(state)
    (directory / "openapi.yaml").write_text(json.dumps(API))
    assert POLICY is not None
    with LabUpstream() as upstream:
        policy = {
            "api": "openapi.yaml",
            "upstream": f"http://127.0.0.1:{upstream.port}",
            "listen": "127.0.0.1:0",
            "tls": {"certificate": ".doorward/tls/server.pem", "key": ".doorward/tls/server.key"},
            "issuer": {"listen": "127.0.0.1:0"},
            "roles": {"clerk": ["*"]},
            "authenticate": {
                "message_signature": {"clock_skew_s": 0},
                "hmac_signatures": [{"scheme": "hook", "clock_skew_s": 0}],
                "encrypted_body": {"clock_skew_s": 0},
                "combined_caller": "signature",
            },
            "transport": {"hosts": ["127.0.0.1"]},
            **yaml.safe_load(POLICY[1]),
        }
        (directory / "doorward.yaml").write_text(json.dumps(policy))
        private, public = generate_ed25519()
        (directory / "partner.pem").write_bytes(private)
        grant = Grant(roles=["clerk"], lifetime_s=3600)
        with contextlib.closing(open_store(f"sqlite:///{state / 'store.db'}")) as store:
            add_public_key(store, "partner", public, grant, now=time.time(), key_id="partner-2026")
            _, secret = add_shared_secret(
                store, sealer_for(state / "keys"), "hook", grant, now=time.time(), purpose="hmac", key_id="hook-2026"
            )
            add_encryption_key(store, "partner", PUBLIC_PEM, now=time.time(), key_id="partner-enc")
        (directory / "answers-to-me.pem").write_bytes(PRIVATE_PEM)
        (directory / "hook.secret").write_text(base64.b64encode(secret).decode())
        (directory / "gateway.pub").write_text(answer_key_for(state / "keys").public)
        with GatewayProcess(directory / "doorward.yaml") as process:
            _wait_until_signatures_are_taken(directory, process)
            yield directory, process


def _tls(process: GatewayProcess) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(process.ca_file))


def _wait_until_signatures_are_taken(directory: Path, process: GatewayProcess) -> None:
    auth = SignatureAuth("partner-2026", (directory / "partner.pem").read_bytes())
    with httpx.Client(base_url=process.url, auth=auth, verify=_tls(process)) as client:
        while client.get("/transfers").status_code == 503:
            pass


def test_the_examples_of_the_page_run(site: tuple[Path, GatewayProcess], monkeypatch: pytest.MonkeyPatch) -> None:
    directory, process = site
    monkeypatch.chdir(directory)
    monkeypatch.setenv("SSL_CERT_FILE", str(process.ca_file))
    names: dict[str, Any] = {"token": "a.b.c", "key": PROVING}
    for example in EXAMPLES:
        placed = example.replace("https://api.example", process.url).replace(
            "https://login.example", process.issuer_url
        )
        exec(placed, names)
    assert [names[name].status_code for name in ("answer", "signed", "hooked", "sealed")] == [200] * 4
    assert names["sealed"].json() == names["answer"].json()
    assert "signature-input" in names["signed"].headers
    assert "signature-input" not in names["hooked"].headers
    with httpx.Client() as client:
        assert client.get(names["request"].url, headers=names["fields"]).status_code == 200


def test_a_refusal_is_signed_too(site: tuple[Path, GatewayProcess]) -> None:
    directory, process = site
    key, gateway = (directory / "partner.pem").read_bytes(), (directory / "gateway.pub").read_text()
    auth = SignatureAuth("partner-2026", key, answers_from=gateway)
    stranger = SignatureAuth("stranger", key, answers_from=gateway)
    with httpx.Client(base_url=process.url, verify=_tls(process)) as client:
        assert client.post("/transfers", json={"amount": "five"}, auth=auth).status_code == 400
        assert client.post("/transfers", json={"amount": 5}, auth=stranger).status_code == 401


def test_an_operation_whose_answers_are_not_signed_is_not_believed(site: tuple[Path, GatewayProcess]) -> None:
    directory, process = site
    key, gateway = (directory / "partner.pem").read_bytes(), (directory / "gateway.pub").read_text()
    auth = SignatureAuth("partner-2026", key, answers_from=gateway)
    client = httpx.Client(base_url=process.url, auth=auth, verify=_tls(process))
    with client, pytest.raises(SignatureRefused):
        client.get("/transfers")


def test_the_asynchronous_client_signs_with_the_same_auth(site: tuple[Path, GatewayProcess]) -> None:
    directory, process = site
    key, gateway = (directory / "partner.pem").read_bytes(), (directory / "gateway.pub").read_text()
    auth = SignatureAuth("partner-2026", key, answers_from=gateway)

    async def ask() -> int:
        async with httpx.AsyncClient(base_url=process.url, auth=auth, verify=_tls(process)) as client:
            return (await client.post("/transfers", json={"amount": 5})).status_code

    assert asyncio.run(ask()) == 200


def _sealing(site: tuple[Path, GatewayProcess], **more: Any) -> EncryptedTransport:
    directory, process = site
    keys = httpx.get(f"{process.issuer_url}/.well-known/doorward-encryption-keys", verify=_tls(process)).json()
    auth = SignatureAuth("partner-2026", (directory / "partner.pem").read_bytes())
    sender = httpx.HTTPTransport(verify=_tls(process))
    return EncryptedTransport(keys, OWN.jwk(), **{"key_id": "partner-enc", "auth": auth, "transport": sender, **more})


def test_bodies_are_encrypted_both_ways(site: tuple[Path, GatewayProcess]) -> None:
    _, process = site
    with httpx.Client(base_url=process.url, transport=_sealing(site)) as client:
        posted, got = client.post("/payments", json={"amount": 5}), client.get("/payments")
        refused = client.post("/payments", json={"amount": "five"})
        assert [each.headers["content-type"] for each in (posted, got)] == ["application/json"] * 2
        assert (posted.status_code, got.status_code, posted.json()) == (200, 200, got.json())
        assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")
        assert refused.json()["type"] == "urn:doorward:denial:validate.schema"


def test_a_refusal_from_before_the_message_was_opened_is_in_clear(site: tuple[Path, GatewayProcess]) -> None:
    directory, process = site
    stranger = SignatureAuth("stranger", (directory / "partner.pem").read_bytes())
    with httpx.Client(base_url=process.url, transport=_sealing(site, auth=stranger)) as client:
        assert client.post("/payments", json={"amount": 5}).status_code == 401


def test_an_answer_in_clear_is_not_believed(site: tuple[Path, GatewayProcess]) -> None:
    _, process = site
    client = httpx.Client(base_url=process.url, transport=_sealing(site))
    with client, pytest.raises(EncryptionRefused, match="in clear"):
        client.get("/transfers")


def test_token_signature_and_encryption_go_together(site: tuple[Path, GatewayProcess]) -> None:
    """The nonce is demanded first: then proof, signature and nothing else are made anew."""
    directory, process = site
    issuer = load_private_keys(directory / ".doorward" / "keys" / "issuer.json")[0]
    now = int(time.time())
    claims = {
        "iss": "https://127.0.0.1:8444",
        "aud": "urn:doorward:api",
        "sub": "alice",
        "client_id": "tests",
        "roles": ["clerk"],
        "iat": now,
        "exp": now + 600,
        "jti": "1",
        "cnf": {"jkt": PROVING.public.thumbprint},
    }
    key = (directory / "partner.pem").read_bytes()
    auth = CombinedAuth(ProofAuth(sign_jwt(issuer, claims, "at+jwt"), PROVING), SignatureAuth("partner-2026", key))
    with httpx.Client(base_url=process.url, transport=_sealing(site, auth=auth)) as client:
        answer = client.post("/proved/payments", json={"amount": 5})
        assert answer.status_code == 200, answer.text
        alone = _sealing(site, auth=SignatureAuth("partner-2026", key))
    with httpx.Client(base_url=process.url, transport=alone) as client:
        assert client.post("/proved/payments", json={"amount": 5}).status_code == 401


def test_the_asynchronous_client_takes_the_same_transport(site: tuple[Path, GatewayProcess]) -> None:
    _, process = site

    async def ask() -> httpx.Response:
        transport = _sealing(site, transport=httpx.AsyncHTTPTransport(verify=_tls(process)))
        async with httpx.AsyncClient(base_url=process.url, transport=transport) as client:
            return await client.post("/payments", json={"amount": 5})

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
