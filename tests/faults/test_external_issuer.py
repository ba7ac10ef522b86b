from __future__ import annotations

import contextlib
import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import trustme
from tests.waiting import until

from doorward.jose import PrivateKey, generate_key, public_jwks, sign_jwt

if TYPE_CHECKING:
    from tests.faults.conftest import Start


@contextlib.contextmanager
def serving_keys(key: PrivateKey, authority: trustme.CA, asked: list[str] | None = None) -> Iterator[str]:
    """An issuer that tells where its keys are, and what they are; `asked` gets the paths it is asked for."""
    jwks = json.dumps(public_jwks([key])).encode()
    paths: list[str] = [] if asked is None else asked

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            base = f"https://localhost:{server.server_address[1]}"
            metadata = json.dumps({"issuer": base, "jwks_uri": f"{base}/jwks"}).encode()
            document = metadata if "well-known" in self.path else jwks
            self.send_response(200)
            self.send_header("content-length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}/jwks"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def token(key: PrivateKey, issuer: str = "https://login.example/") -> str:
    now = int(time.time())
    claims = {"iss": issuer, "aud": "items", "sub": "carol", "iat": now, "exp": now + 300}
    return sign_jwt(key, claims | {"roles": ["reader"], "jti": "t1", "client_id": "app"}, "at+jwt")


def issuers(url: str) -> str:
    return f"issuers: [{{issuer: https://login.example/, audience: items, jwks_url: {url}}}]\n"


def test_a_caller_of_an_external_issuer_is_let_in_by_its_published_key(start: Start, tmp_path: Path) -> None:
    key, authority = generate_key("ES256"), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trust = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
    with serving_keys(key, authority) as url:
        # Both families: `localhost` may have an address of each, and all of them must be allowed.
        policy = issuers(url) + "insecure_issuer_networks: [127.0.0.0/8, '::1/128']\n"
        with start(policy, **trust) as running:
            running.wait_for(lambda event: event["event"] == "published" and event["number"] > 1)
            until(lambda: running.ask(token=token(key))[0] != 503, "no worker learns the keys")
            assert running.ask(token=token(key))[0] == 200
            assert running.ask(token=token(generate_key("ES256")))[0] == 401


def test_keys_behind_an_address_that_is_not_public_are_not_fetched_unless_allowed(start: Start) -> None:
    key = generate_key("ES256")
    with start(issuers("https://localhost:1/jwks")) as running:
        position = running.wait_for(lambda event: event["event"].startswith("keys of an issuer not fetched"))
        assert "not public" in running.events[position - 1]["reason"]
        status, body = running.ask(token=token(key))
        assert (status, body["type"]) == (503, "urn:doorward:denial:authenticate.unavailable")
        assert running.ask()[0] == 200, "callers who do not need that issuer are served"


def test_an_issuer_is_found_by_its_name_and_no_number_of_unknown_keys_makes_anybody_ask_it_again(
    start: Start, tmp_path: Path
) -> None:
    key, authority = generate_key("ES256"), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    asked: list[str] = []
    with serving_keys(key, authority, asked) as url:
        issuer = url.removesuffix("/jwks")
        policy = (
            f"issuers: [local, {{issuer: '{issuer}', audience: items}}]\n"
            "insecure_issuer_networks: [127.0.0.0/8, '::1/128']\n"
        )
        with start(policy, SSL_CERT_FILE=str(tmp_path / "ca.pem")) as running:
            running.wait_for(lambda event: event["event"] == "published" and event["number"] > 1)
            until(lambda: running.ask(token=token(key, issuer))[0] != 503, "no worker learns the keys")
            assert running.ask(token=token(key, issuer))[0] == 200
            assert running.ask()[0] == 200, "the local issuer is believed beside it"
            for _ in range(50):
                status, body = running.ask(token=token(generate_key("ES256"), issuer))
                assert (status, body["type"]) == (401, "urn:doorward:denial:authenticate.token_key")
    assert asked == ["/.well-known/openid-configuration", "/jwks"]
