"""Encrypted bodies through `doorward run` with several workers: once is once, keys are exchanged, revoked is revoked."""

import contextlib
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.waiting import until
from tests.warming import warm

from doorward.attack.gateway_process import GatewayProcess
from doorward.attack.lab.upstream import LabUpstream
from doorward.cli.init import make_state
from doorward.client import BodyEncrypter, EncryptedTransport, SealedBody
from doorward.encryption_key import add_encryption_key as exchange_key
from doorward.encryption_key import remove_encryption_key
from doorward.identity.api_keys import add_api_key
from doorward.identity.encryption_keys import (
    add_encryption_key,
    add_shared_encryption_secret,
    revoke_encryption_key,
)
from doorward.jose import encode_segment, generate_decryption_key
from doorward.sealing import sealer_for
from doorward.store import Store, open_store

NOTE: dict[str, Any] = {"type": "object", "properties": {"id": {"type": "integer"}, "title": {"type": "string"}}}
API: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "notes", "version": "1"},
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}},
    "security": [{"key": []}],
    "paths": {
        "/notes": {
            "post": {
                "x-doorward": {"body": "jwe"},
                "requestBody": {"required": True, "content": {"application/json": {"schema": NOTE}}},
                "responses": {"200": {"description": "a note", "content": {"application/json": {"schema": NOTE}}}},
            }
        }
    },
}


class Site:
    """A gateway with two workers, and a partner with a key pair and a shared secret."""

    def __init__(self, directory: Path, upstream: LabUpstream) -> None:
        self.state = directory / ".doorward"
        make_state(self.state)
        warm(self.state)
        (directory / "openapi.yaml").write_text(json.dumps(API))
        policy: dict[str, Any] = {
            "api": "openapi.yaml",
            "upstream": f"http://127.0.0.1:{upstream.port}",
            "listen": "127.0.0.1:0",
            "tls": {"certificate": ".doorward/tls/server.pem", "key": ".doorward/tls/server.key"},
            "issuer": {"listen": "127.0.0.1:0"},
            "workers": 2,
            "roles": {"writer": ["POST /notes"]},
            "limits": {"per_address": None, "per_caller": None},
            "authenticate": {"encrypted_body": {"clock_skew_s": 0}},
        }
        (directory / "doorward.yaml").write_text(json.dumps(policy))
        self.store: Store = open_store(f"sqlite:///{self.state / 'store.db'}")
        now = time.time()
        self.own, self.other = (generate_decryption_key("ECDH-ES+A256KW") for _ in range(2))
        _, self.api_key = add_api_key(self.store, "partner", now=now, roles=["writer"], lifetime_s=3600)
        for key_id, key in (("partner-enc", self.own), ("partner-old", self.other)):
            public = json.dumps(key.public.jwk()).encode()
            add_encryption_key(self.store, "partner", public, now=now, key_id=key_id)
        _, self.secret = add_shared_encryption_secret(
            self.store, sealer_for(self.state / "keys"), "partner", now=now, key_id="partner-shared"
        )
        self.process = GatewayProcess(directory / "doorward.yaml")

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.process.ca_file))

    def client(self, **more: Any) -> httpx.Client:
        """A connection of its own for each: the kernel gives it to either worker."""
        return httpx.Client(
            base_url=self.process.url,
            headers={"X-Api-Key": self.api_key},
            **(more or {"verify": self.tls}),
        )

    def keys(self) -> dict[str, Any]:
        with httpx.Client(verify=self.tls) as client:
            answer = client.get(f"{self.process.issuer_url}/.well-known/doorward-encryption-keys")
        assert "max-age" in answer.headers["cache-control"]
        keys: dict[str, Any] = answer.json()
        return keys

    def transport(self, key: Any = None, key_id: str = "partner-enc", keys: Any = None) -> EncryptedTransport:
        sender = httpx.HTTPTransport(verify=self.tls)
        return EncryptedTransport(keys or self.keys(), key or self.own.jwk(), key_id=key_id, transport=sender)

    def post(self, **more: Any) -> httpx.Response:
        """The answer to one encrypted request, once nobody is unsure."""
        while True:
            with self.client(transport=self.transport(**more)) as client:
                answer = client.post("/notes", json={"title": "hi"})
            if answer.status_code != 503:
                return answer


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with LabUpstream() as upstream:
        made = Site(tmp_path_factory.mktemp("site"), upstream)
        with made.process, contextlib.closing(made.store):
            assert made.post().status_code == 200
            yield made


def sent(site: Site, sealed: SealedBody) -> int:
    with site.client() as client:
        return client.post("/notes", content=sealed.body, headers=dict(sealed.headers)).status_code


def test_a_message_is_taken_by_one_worker_once(site: Site) -> None:
    encrypter = BodyEncrypter.of(site.keys(), site.own.jwk(), key_id="partner-enc")
    sealed = encrypter.seal(b'{"title":"once"}', "application/json")
    assert sorted(sent(site, sealed) for _ in range(8)) == [200] + [400] * 7


def test_a_shared_secret_needs_no_key_of_the_gateway(site: Site) -> None:
    shared = {"kty": "oct", "alg": "dir", "k": encode_segment(site.secret).decode()}
    assert site.post(key=shared, key_id="partner-shared").json()["id"] is not None


def test_an_exchanged_key_opens_messages_until_it_is_removed(site: Site) -> None:
    before = site.keys()
    made = exchange_key(site.state / "keys", "ECDH-ES+A256KW", now=time.time(), overlap_s=3600.0)
    assert [key["kid"] for key in site.keys()["keys"]] == [made.id]
    until(lambda: site.post(keys=site.keys()).status_code == 200, "the new key is not taken up")
    assert site.post(keys=before).status_code == 200
    remove_encryption_key(site.state / "keys", before["keys"][0]["kid"])
    until(lambda: all(site.post(keys=before).status_code == 400 for _ in range(6)), "a removed key still opens")
    assert site.post(keys=site.keys()).status_code == 200


def test_a_revoked_key_gets_no_answers_at_any_worker(site: Site) -> None:
    assert site.post(key=site.other.jwk(), key_id="partner-old").status_code == 200
    revoke_encryption_key(site.store, "partner-old", now=time.time())
    until(
        lambda: all(site.post(key=site.other.jwk(), key_id="partner-old").status_code == 400 for _ in range(6)),
        "a revoked key is still taken",
    )
    assert site.post().status_code == 200


def test_the_private_keys_are_nowhere_but_in_their_file(site: Site) -> None:
    private = [entry["key"]["d"] for entry in json.loads((site.state / "keys" / "encryption.json").read_text())]
    for path in site.state.rglob("*"):
        if path.is_file() and path.name != "encryption.json":
            data = path.read_bytes()
            assert not any(each.encode() in data for each in private), path
            assert site.secret not in data, path
            assert encode_segment(site.secret) not in data, path
    assert (site.state / "keys" / "encryption.json").stat().st_mode & 0o077 == 0
