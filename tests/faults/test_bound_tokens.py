"""A token bound to a key, from the local issuer to the API; and what a thief of it, or of a proof, can do."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from doorward.identity.clients import add_client
from doorward.jose import PrivateKey, generate_key, sign_proof
from doorward.store import open_store

if TYPE_CHECKING:
    from tests.faults.conftest import Running, Start

POLICY = "transport: {hosts: [127.0.0.1]}\nauthenticate: {proof: any}\n"


class Client:
    """Holds a key, remembers the last nonce it was given, tries again once when it is asked for one (RFC 9449)."""

    def __init__(self, running: Running) -> None:
        self.running, self.key = running, generate_key("ES256")
        self.nonces: dict[str, str] = {}
        self.count = 0
        store = open_store(f"sqlite:///{running.state / 'store.db'}")
        _, self.secret = add_client(store, "batch", now=time.time(), roles=("admin",))
        store.close()

    def proof(self, method: str, url: str, to: str, token: str = "", key: PrivateKey | None = None) -> str:
        self.count += 1
        claims: dict[str, Any] = {"jti": f"j-{self.count}", "htm": method, "htu": url, "iat": int(time.time())}
        if token:
            claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        if to in self.nonces:
            claims["nonce"] = self.nonces[to]
        return sign_proof(key or self.key, claims)

    def send(
        self, to: str, method: str, path: str, headers: dict[str, str], body: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        connection = self.running.connect(to)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            self.nonces[to] = answer.headers.get("dpop-nonce") or self.nonces.get(to, "")
            if not self.nonces[to]:
                del self.nonces[to]
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def fetch_token(self) -> str:
        pair = base64.b64encode(f"batch:{self.secret}".encode()).decode()
        headers = {"authorization": f"Basic {pair}", "content-type": "application/x-www-form-urlencoded"}
        # the address of the policy, not the one this test happens to reach it by
        url = "https://127.0.0.1:8444/oauth/token"
        for _ in range(2):
            proved = headers | {"dpop": self.proof("POST", url, "issuer")}
            status, answer = self.send("issuer", "POST", "/oauth/token", proved, "grant_type=client_credentials")
            if answer.get("error") != "use_dpop_nonce":
                break
        assert (status, answer["token_type"]) == (200, "DPoP"), answer
        return str(answer["access_token"])

    def ask(self, token: str, proof: str | None = None, scheme: str = "DPoP") -> tuple[int, str]:
        headers = {"authorization": f"{scheme} {token}"} | ({"dpop": proof} if proof else {})
        status, answer = self.send("gateway", "GET", "/items/1", headers)
        return status, str(answer.get("type", "")).removeprefix("urn:doorward:denial:authenticate.")

    def proof_for(self, token: str, key: PrivateKey | None = None) -> str:
        origin = urlsplit(self.running.ready["gateway"])
        return self.proof("GET", f"https://{origin.netloc}/items/1", "gateway", token, key)


def test_a_bound_token_serves_its_holder_and_nobody_who_stole_it_or_a_proof(start: Start) -> None:
    with start(POLICY) as running:
        client = Client(running)
        token = client.fetch_token()
        status, code = client.ask(token, client.proof_for(token))
        assert (status, code) in {(200, ""), (401, "proof_nonce")}, "a gateway that just started asks for a nonce"
        used = client.proof_for(token)
        assert client.ask(token, used) == (200, "")
        assert client.ask(token, used) == (401, "proof_replayed")
        assert client.ask(token) == (401, "proof_missing")
        assert client.ask(token, scheme="Bearer") == (401, "proof_missing")
        assert client.ask(token, client.proof_for(token, generate_key("ES256"))) == (401, "proof_invalid")
        assert client.ask(token, client.proof_for(token)) == (200, "")
        before = running.position
        os.kill(running.pid_of("worker-0"), signal.SIGKILL)
        running.wait_until_serves("worker-0", after=before)
        # what the worker before it saw is not forgiven: a nonce is asked for, or, right after it gave one, patience
        refusals = {(401, "proof_nonce"), (503, "unavailable")}
        assert client.ask(token, used) in refusals
        while (answer := client.ask(token, client.proof_for(token))) != (200, ""):
            assert answer in refusals


def test_with_several_workers_a_proof_passes_once_whichever_of_them_is_asked(start: Start) -> None:
    with start("workers: 2\ntransport: {hosts: [127.0.0.1]}\n") as running:
        client = Client(running)
        token = client.fetch_token()
        client.ask(token, client.proof_for(token))
        used = client.proof_for(token)
        # each over a connection of its own: the kernel hands them to both workers
        answers = [client.ask(token, used) for _ in range(12)]
        assert answers.count((200, "")) == 1, answers
        assert answers.count((401, "proof_replayed")) == 11, answers
        assert client.ask(token, client.proof_for(token)) == (200, "")
