"""A Doorward that really runs, for software that others wrote: provider over TLS, gateway, an API behind it."""

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import trustme
from tests.interop.person import Person
from tests.loopback import JsonAnswer, free_port, serving
from tests.warming import warm

from doorward.attack.gateway_process import GatewayProcess
from doorward.identity.clients import add_client
from doorward.identity.users import add_user
from doorward.jose import generate_key, public_jwks
from doorward.store import open_store

CALLBACK: Final = "https://app.example/callback"
BYE: Final = "https://app.example/bye"
BANK_KEY: Final = generate_key("ES256")
"""What the client `bank` signs its assertions with."""
PASSWORD: Final = "correct horse battery staple"
SCOPES: Final = ("orders:read", "orders:write", "offline_access")
PATIENCE_S: Final = 90.0
DESCRIPTION: Final = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1"},
    "paths": {
        "/orders": {
            "get": {
                "security": [{"provider": ["orders:read"]}],
                "responses": {
                    "200": {
                        "description": "",
                        "content": {
                            "application/json": {
                                "schema": {"type": "object", "properties": {"orders": {"type": "integer"}}}
                            }
                        },
                    }
                },
            }
        }
    },
    "components": {
        "securitySchemes": {
            "provider": {
                "type": "oauth2",
                "flows": {
                    "authorizationCode": {
                        "authorizationUrl": "https://issuer.example/oauth/authorize",
                        "tokenUrl": "https://issuer.example/oauth/token",
                        "scopes": {"orders:read": "", "orders:write": ""},
                    }
                },
            }
        }
    },
}


class World:
    """Where everything is, and the clients that are registered: `web` and `pushing` confidential, `spa` public,
    `batch` a program in its own name, `tv` a device without a browser, `orders` a service that calls `inventory`,
    `partner` a program that a foreign authority vouches for."""

    def __init__(self, directory: Path, gateway: GatewayProcess, issuer: str, secrets: dict[str, str]) -> None:
        self.authority = directory / ".doorward" / "tls" / "ca.pem"
        self.partner = directory / "partner.pem"
        """Its certificate and key."""
        self.issuer, self.api, self.secrets = issuer, f"{gateway.url}/orders", secrets
        self.store = f"sqlite:///{directory / '.doorward' / 'store.db'}"
        self.trust = ssl.create_default_context(cafile=str(self.authority))

    def person(self) -> Person:
        """Alice at a browser of her own, not yet signed in."""
        return Person(self.issuer, "alice", PASSWORD, self.trust)

    def given(self, client: str, **more: Any) -> dict[str, Any]:
        """What a client is told when it is set up."""
        return {
            "issuer": self.issuer,
            "id": client,
            "secret": self.secrets[client] or None,
            "callback": CALLBACK,
            "scope": "openid profile orders:read offline_access",
            "api": self.api,
            **more,
        }


@contextmanager
def running(directory: Path, *, issuer: str = "", federation: str = "") -> Iterator[World]:
    """The world, as long as it is needed. `federation`: of its policy, in YAML; then `issuer` says where it listens."""
    with serving(_Orders) as upstream:
        (directory / "openapi.json").write_text(json.dumps(DESCRIPTION))
        command = [
            sys.executable,
            "-m",
            "doorward",
            "init",
            "--openapi",
            "openapi.json",
            "--upstream",
            f"http://127.0.0.1:{upstream}",
        ]
        subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=PATIENCE_S)
        warm(directory / ".doorward")
        issuer, api = issuer or f"https://127.0.0.1:{free_port()}", f"https://127.0.0.1:{free_port()}"
        partners = trustme.CA()
        partners.cert_pem.write_to_path(directory / "partners.pem")
        partners.issue_cert("partner.example").private_key_and_cert_chain_pem.write_to_path(directory / "partner.pem")
        policy = directory / "doorward.yaml"
        text = policy.read_text().replace("127.0.0.1:8443", api.removeprefix("https://"))
        text = text.replace("tls: {", "tls: {client_ca: partners.pem, ")
        policy.write_text(
            f"{text}\nissuer:\n  listen: '{issuer.removeprefix('https://')}'\n  url: '{issuer}'\n"
            f"  mtls_listen: '127.0.0.1:{free_port()}'\n{federation}"
            f"authenticate: {{proof_origins: ['{api}']}}\n"
        )
        secrets = _callers(directory)
        with GatewayProcess(policy) as gateway:
            yield World(directory, gateway, issuer, secrets)


def _callers(directory: Path) -> dict[str, str]:
    store, now = open_store(f"sqlite:///{directory / '.doorward' / 'store.db'}"), time.time()
    add_user(store, "alice", now=now, password=PASSWORD, roles=["reader"])
    kinds: dict[str, dict[str, Any]] = {
        "web": {"redirect_uris": [CALLBACK]},
        "pushing": {"redirect_uris": [CALLBACK], "pushes_only": True},
        "spa": {"redirect_uris": [CALLBACK], "is_public": True},
        "batch": {"roles": ["reader"]},
        "bank": {"redirect_uris": [CALLBACK], "jwks": json.dumps(public_jwks([BANK_KEY])).encode()},
        "tv": {"is_public": True, "uses_devices": True},
        "orders": {"exchange_audiences": ["inventory"]},
        "partner": {"redirect_uris": [CALLBACK], "tls_name": "san_dns=partner.example", "roles": ["reader"]},
        "leaving": {"redirect_uris": [CALLBACK], "post_logout_redirect_uris": [BYE]},
    }
    secrets = {name: add_client(store, name, now=now, scopes=SCOPES, **kind)[1] for name, kind in kinds.items()}
    store.close()
    return secrets


class _Orders(JsonAnswer):
    body = b'{"orders": 3}'
