"""A passkey in software: what an authenticator and a browser together answer, and every way they could lie."""

import base64
import hashlib
import json
import secrets
import struct
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Authenticator:
    """One credential. Change its members to make it lie."""

    def __init__(self, origin: str = "https://issuer.example", rp_id: str = "issuer.example") -> None:
        self.origin, self.rp_id = origin, rp_id
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = secrets.token_bytes(32)
        self.user_handle: str | None = None
        self.count, self.verifies_user, self.is_present = 0, True, True
        self.client_data: dict[str, Any] = {}
        """What the browser says beside, or instead."""

    def create(self, options: dict[str, Any]) -> str:
        self.user_handle = options["user"]["id"]
        numbers = self.key.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})
        attested = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id + cose
        data = self._data(0x40) + attested
        response = {
            "clientDataJSON": b64(self._client_data("webauthn.create", options)),
            "attestationObject": b64(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            "transports": ["internal", "hybrid", "telepathy"],
        }
        return self._credential(response)

    def get(self, options: dict[str, Any]) -> str:
        self.count += 1
        data, client_data = self._data(), self._client_data("webauthn.get", options)
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": b64(client_data),
            "authenticatorData": b64(data),
            "signature": b64(signature),
            "userHandle": self.user_handle,
        }
        return self._credential(response)

    def _data(self, flags: int = 0) -> bytes:
        flags |= (0x01 if self.is_present else 0) | (0x04 if self.verifies_user else 0)
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _client_data(self, kind: str, options: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps({**said, **self.client_data}).encode()

    def _credential(self, response: dict[str, Any]) -> str:
        name = b64(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
