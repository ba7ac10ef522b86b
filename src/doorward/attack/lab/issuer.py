"""The laboratory's issuer of opaque tokens: tells over TLS whether each is active (RFC 7662), and of one it lies."""

import base64
import ssl
from email.message import Message
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

import orjson

from doorward.attack.loopback import LoopbackService, Told

ISSUER: Final = "https://opaque.example/"
AUDIENCE: Final = "lab"
CLIENT_ID: Final = "gateway"
SECRET: Final = "laboratory"  # noqa: S105 - of a server that lives for a minute on loopback
PREFIX: Final = "op_"
GOOD: Final = "op_2YotnFZFEjr1zCsicMWpAA"
FLATTERED: Final = "op_mF_9B5f41JqMflatteredA"
"""A token that is called active in a way that is none."""


class LabIssuer(LoopbackService):
    """The issuer as a server."""

    def __init__(self, tls: ssl.SSLContext, roles: tuple[str, ...]) -> None:
        """`roles`: of who comes with the good token."""
        super().__init__(tls)
        good = {"active": True, "sub": "attack-opaque", "aud": AUDIENCE, "scope": "", "roles": roles}
        self.answers: dict[str, object] = {GOOD: good, FLATTERED: {**good, "active": "true"}}
        """What is said of each token; of any other, that it is not active."""
        self.asked: list[str] = []
        """The tokens asked about, in order."""

    @property
    def endpoint(self) -> str:
        """Where it is asked."""
        return f"{self.origin}/introspect"

    def tell(self, path: str, fields: Message, body: bytes) -> Told:  # noqa: ARG002 - it has one path
        """What it answers to one question (RFC 7662 section 2.1)."""
        token = parse_qs(body.decode("latin-1")).get("token", [""])[0]
        status, answer = self._judge(fields.get("authorization", ""), token)
        return Told(status, "application/json", orjson.dumps(answer))

    def _judge(self, authorization: str, token: str) -> tuple[HTTPStatus, object]:
        expected = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode("ascii")
        if authorization != f"Basic {expected}":
            return HTTPStatus.UNAUTHORIZED, {"error": "invalid_client"}
        self.asked.append(token)
        return HTTPStatus.OK, self.answers.get(token, {"active": False})
