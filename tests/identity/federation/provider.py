"""Another OpenID provider over TLS on loopback, honest until a test says otherwise."""

import base64
import hashlib
import http.server
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

import trustme
from tests.loopback import server_tls, serving

from doorward.jose import generate_key, public_jwks, sign_jwt
from doorward.outbound import OutboundClient

AUTHORITY = trustme.CA()
CLIENT, SECRET = "doorward", "s e%c:ret"


def outbound() -> OutboundClient:
    """The client of an operator whose provider runs on loopback."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    AUTHORITY.configure_trust(tls)
    return OutboundClient(allowed_networks=(ip_network("127.0.0.0/8"),), tls=tls)


class OtherProvider:
    """One provider and what it answers; a test changes the attributes."""

    def __init__(self, port: int, clock: Callable[[], float]) -> None:
        self.issuer, self.clock = f"https://127.0.0.1:{port}", clock
        self.key = generate_key("ES256")
        self.keys = [self.key]
        self.metadata: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "authorization_response_iss_parameter_supported": True,
        }
        self.codes: dict[str, dict[str, Any]] = {}
        self.changed: dict[str, Any] = {}
        """Claims of ID tokens that differ; None leaves one out."""
        self.typ, self.signs_with = "JWT", self.key
        self.takes_secret = "in the field"
        """Or "in the form", or "not at all": a public client."""
        self.asked: list[str] = []

    def login(self, location: str, subject: str = "ext-1", **claims: Any) -> dict[str, str]:
        """What comes back to the client after somebody signed in; the redirect that led here is checked as a request."""
        parts = urlsplit(location)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.issuer}/authorize"
        asked = {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=True).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked | {"claims": {"sub": subject, **claims}}
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def redeemed(self, form: dict[str, str], authorization: str | None) -> dict[str, Any] | None:
        """The answer of the token endpoint; None for a request that is not in order."""
        asked = self.codes.pop(form.get("code", ""), None)
        field = f"Basic {base64.b64encode(f'{CLIENT}:s+e%25c%3Aret'.encode()).decode()}"
        proofs: dict[str, tuple[str | None, str | None, str | None]] = {
            "in the field": (field, None, None),
            "in the form": (None, CLIENT, SECRET),
            "not at all": (None, CLIENT, None),
        }
        if (authorization, form.get("client_id"), form.get("client_secret")) != proofs[self.takes_secret]:
            return None
        if asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return None
        made = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if made != asked["code_challenge"]:
            return None
        now = self.clock()
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
        claims |= asked["claims"] | self.changed
        kept = {name: value for name, value in claims.items() if value is not None}
        return {"access_token": "a", "token_type": "Bearer", "id_token": sign_jwt(self.signs_with, kept, self.typ)}


@contextmanager
def running(clock: Callable[[], float]) -> Iterator[OtherProvider]:
    """A provider that listens."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            other.asked.append(self.path)
            found = {"/.well-known/openid-configuration": other.metadata, "/jwks": public_jwks(other.keys)}
            self._answer(found.get(self.path))

        def do_POST(self) -> None:
            other.asked.append(self.path)
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: unquote_plus(value) for name, _, value in (pair.partition("=") for pair in body.split("&"))}
            self._answer(other.redeemed(form, self.headers["authorization"]))

        def _answer(self, found: object) -> None:
            data = json.dumps(found).encode()
            self.send_response(400 if found is None else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with serving(Handler, server_tls(AUTHORITY)) as port:
        other = OtherProvider(port, clock)
        yield other
