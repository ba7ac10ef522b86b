"""An ACME server in this process that checks what a real one checks, and misbehaves where a test wants it to."""

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID

from doorward.outbound import OutboundAnswer, OutboundRefused

HOST = "https://acme.test"
DIRECTORY = f"{HOST}/directory"
ERROR = "urn:ietf:params:acme:error:"


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def thumbprint(jwk: Mapping[str, str]) -> str:
    canonical = json.dumps(
        {name: jwk[name] for name in ("crv", "kty", "x", "y")}, sort_keys=True, separators=(",", ":")
    )
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()


class Refused(Exception):
    def __init__(self, kind: str, status: int = 400, **headers: str) -> None:
        self.kind, self.status, self.headers = kind, status, headers


class FakeServer:
    """Proves a name by asking `web` for what stands at a path of it."""

    def __init__(self, web: Callable[[str, str], str], now: Callable[[], dt.datetime]) -> None:
        self.web, self.now = web, now
        self.life = dt.timedelta(days=90)
        self.nonces: set[str] = set()
        self.made_nonces = 0
        self.accounts: dict[str, Mapping[str, str]] = {}
        self.orders: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.rejects_nonces = 0
        self.is_away = False
        self.refuse_order: Refused | None = None
        self.window: dict[str, str] | None = None
        self.changes: dict[str, Any] = {}
        """Members of answers that differ, by path."""
        self.leaf_key: Any = None
        self.leaf_names: list[str] | None = None
        self.key = ec.generate_private_key(ec.SECP256R1())

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> OutboundAnswer:
        if self.is_away:
            raise OutboundRefused(f"{url} did not answer")
        path = url.removeprefix(HOST)
        self.asked.append(path)
        self.made_nonces += 1
        nonce = f"nonce-{self.made_nonces}"
        self.nonces.add(nonce)
        try:
            status, more, document = self.answer(method, path, url, content)
        except Refused as error:
            body = json.dumps({"type": ERROR + error.kind, "detail": f"it is {error.kind}"}).encode()
            extra = {name.replace("_", "-"): value for name, value in error.headers.items()}
            return OutboundAnswer(error.status, {"replay-nonce": nonce, **extra}, body)
        if isinstance(document, dict):
            document = document | self.changes.get(path, {})
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        return OutboundAnswer(status, {"replay-nonce": nonce, **more}, raw)

    def answer(self, method: str, path: str, url: str, content: bytes | None) -> tuple[int, dict[str, str], Any]:
        if method == "GET" and path.rstrip("/") == "/directory":
            directory = {name: f"{HOST}/{name}" for name in ("newNonce", "newAccount", "newOrder")}
            return 200, {}, directory | ({"renewalInfo": f"{HOST}/renewalInfo"} if self.window else {})
        if (method, path) == ("HEAD", "/newNonce"):
            return 200, {}, b""
        if method == "GET" and path.startswith("/renewalInfo/"):
            return 200, {}, {"suggestedWindow": self.window}
        assert method == "POST"
        assert content is not None
        kid, payload = self.verified(path, url, content)
        if path == "/newAccount":
            assert payload["termsOfServiceAgreed"] is True
            return 201, {"location": f"{HOST}/account/{kid}"}, {"status": "valid"}
        if path == "/newOrder":
            if self.refuse_order is not None:
                raise self.refuse_order
            names = [one["value"] for one in payload["identifiers"]]
            order = {"names": names, "proved": set(), "kid": kid, "pem": b"", "replaces": payload.get("replaces")}
            self.orders.append(order)
            last = len(self.orders) - 1
            return 201, {"location": f"{HOST}/order/{last}"}, self.shown(last)
        kind, number, *rest = path.strip("/").split("/")
        return self.about(kind, int(number), rest, payload)

    def about(self, kind: str, number: int, rest: list[str], payload: Any) -> tuple[int, dict[str, str], Any]:
        order = self.orders[number]
        if kind == "authorization":
            name = order["names"][int(rest[0])]
            token = self.token(number, name)
            place = f"{HOST}/challenge/{number}/{rest[0]}"
            challenge = {"type": "http-01", "url": place, "token": token, **order.get("error", {})}
            status = "valid" if name in order["proved"] else order.get("status", "pending")
            return 200, {}, {"status": status, "identifier": name, "challenges": [{"type": "dns-01"}, challenge]}
        if kind == "challenge":
            name = order["names"][int(rest[0])]
            token = self.token(number, name)
            wanted = f"{token}.{thumbprint(self.accounts[order['kid']])}"
            if self.web(name, f"/.well-known/acme-challenge/{token}") == wanted:
                order["proved"].add(name)
            else:
                reason = {"type": ERROR + "unauthorized", "detail": "the answer was another one"}
                order |= {"status": "invalid", "error": {"error": reason}}
            return 200, {}, {"status": "processing"}
        if kind == "finalize":
            if order["proved"] != set(order["names"]):
                raise Refused("orderNotReady", 403)
            order["pem"] = self.signed(x509.load_der_x509_csr(decoded(payload["csr"])), order["names"])
            return 200, {}, self.shown(number)
        if kind == "order":
            return 200, {}, self.shown(number)
        assert kind == "certificate"
        return 200, {}, order["pem"]

    def shown(self, number: int) -> dict[str, Any]:
        order = self.orders[number]
        is_proved = order["proved"] == set(order["names"])
        status = "valid" if order["pem"] else "ready" if is_proved else "pending"
        return {
            "status": status,
            "authorizations": [f"{HOST}/authorization/{number}/{one}" for one in range(len(order["names"]))],
            "finalize": f"{HOST}/finalize/{number}",
            "certificate": f"{HOST}/certificate/{number}",
        }

    def token(self, number: int, name: str) -> str:
        return hashlib.sha256(f"{number} {name}".encode()).hexdigest()[:32]

    def verified(self, path: str, url: str, content: bytes) -> tuple[str, Any]:
        """Account and payload of a request, once its signature, nonce and address were checked (RFC 8555 section 6)."""
        message = json.loads(content)
        protected = json.loads(decoded(message["protected"]))
        assert protected["url"] == url
        if self.rejects_nonces:
            self.rejects_nonces -= 1
            raise Refused("badNonce")
        if protected["nonce"] not in self.nonces:
            raise Refused("badNonce")
        self.nonces.remove(protected["nonce"])
        assert ("jwk" in protected) == (path == "/newAccount") != ("kid" in protected)
        jwk = (
            protected["jwk"] if "jwk" in protected else self.accounts[protected["kid"].removeprefix(f"{HOST}/account/")]
        )
        assert "d" not in jwk
        assert (protected["alg"], jwk["crv"]) == ("ES256", "P-256")
        x, y = (int.from_bytes(decoded(jwk[name])) for name in ("x", "y"))
        raw = decoded(message["signature"])
        assert len(raw) == 64
        signature = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
        signed = f"{message['protected']}.{message['payload']}".encode()
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        kid = thumbprint(jwk)
        self.accounts[kid] = jwk
        return kid, json.loads(decoded(message["payload"]) or b"null")

    def signed(self, request: x509.CertificateSigningRequest, names: list[str]) -> bytes:
        assert request.is_signature_valid
        asked = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert asked.get_values_for_type(x509.DNSName) == names
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake ACME authority")])
        called = x509.SubjectAlternativeName([x509.DNSName(name) for name in self.leaf_names or names])
        leaf = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(issuer)
            .public_key(self.leaf_key or request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now())
            .not_valid_after(self.now() + self.life)
            .add_extension(called, critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return b"a text that is nobody's business\n" + leaf.public_bytes(serialization.Encoding.PEM)
