"""What the simulator puts into a store is no longer good when it has ended."""

import json
import time
from pathlib import Path

from doorward.attack.operator import StateCredentials
from doorward.attack.roles import cast_for
from doorward.cli.init import make_state
from doorward.identity.api_keys import list_api_keys
from doorward.identity.clients import list_clients
from doorward.identity.encryption_keys import list_encryption_keys
from doorward.identity.signature_keys import list_signature_keys
from doorward.policy.loading import load_policy
from doorward.policy.openapi import load_description
from doorward.store import open_store

API = {
    "openapi": "3.1.0",
    "info": {"title": "notes", "version": "1"},
    "components": {"securitySchemes": {"secret": {"type": "http", "scheme": "basic"}}},
    "security": [{"secret": []}],
    "paths": {"/notes": {"get": {"responses": {"200": {"description": "ok"}}}}},
}
POLICY = """
api: openapi.json
upstream: http://127.0.0.1:9
tls: {certificate: .doorward/tls/server.pem, key: .doorward/tls/server.key}
roles: {reader: [GET *]}
"""


def test_what_was_made_for_a_run_is_taken_back_after_it_and_nothing_else_is(tmp_path: Path) -> None:
    make_state(tmp_path / ".doorward")
    (tmp_path / "openapi.json").write_text(json.dumps(API))
    (tmp_path / "doorward.yaml").write_text(POLICY)
    policy = load_policy(tmp_path / "doorward.yaml")
    description = load_description(policy.api)
    cast = cast_for(description, policy)
    another, credentials = StateCredentials(policy), StateCredentials(policy)
    another.api_keys(cast)
    credentials.api_keys(cast)
    credentials.signers(cast)
    credentials.sealer()
    assert credentials.client(cast, description) is not None
    store = open_store(f"sqlite:///{policy.state / 'store.db'}")

    def good() -> tuple[int, int, int, int]:
        now = time.time()
        return (
            sum(key.is_good(now) for key in list_api_keys(store)),
            sum(key.revoked_at is None for key in list_signature_keys(store)),
            sum(key.revoked_at is None for key in list_encryption_keys(store)),
            sum(client.disabled_at is None for client in list_clients(store)),
        )

    assert good() == (4, 2, 1, 1)
    credentials.withdraw()
    assert good() == (2, 0, 0, 0)
    credentials.withdraw()
    store.close()
