"""A program that registers itself at the ground (RFC 7591)."""

import json
from dataclasses import replace
from typing import Any

import httpx
from tests.conformance.ground import Ground
from tests.identity.lab import CALLBACK
from tests.identity.relying_party import trusting_client

from doorward.identity.provider import Registration
from doorward.identity.registration_tokens import make_token


class Registrant:
    """Holds an initial access token of a provider that lets programs register from then on."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        rules = Registration(scopes=("orders:read", "offline_access"))
        ground.settings = replace(ground.settings, registration=rules, outbound=trusting_client)
        ground.app = ground.made_app()
        self._token = make_token(ground.store, now=ground.now, lifetime_s=60, uses=1)[1]

    def register(self, **metadata: Any) -> httpx.Response:
        """At the endpoint that the metadata of the provider name."""
        path = self._ground.metadata()["registration_endpoint"].removeprefix(self._ground.issuer)
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        content = json.dumps({"redirect_uris": [CALLBACK], **metadata})
        return self._ground.ask("POST", path, headers=headers, content=content)

    def registered(self, **metadata: Any) -> dict[str, Any]:
        answer = self.register(**metadata)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())
