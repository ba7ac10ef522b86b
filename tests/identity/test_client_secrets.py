import json

from doorward.identity.client_secrets import published_clients
from doorward.identity.clients import add_client, disable_client
from doorward.identity.publishing import published_credentials
from doorward.jose import generate_key
from doorward.store import Store

NOW = 1_800_000_000.0
ISSUER = "https://issuer.example"


def test_only_clients_with_a_secret_are_published_and_never_the_secret(store: Store) -> None:
    _, secret = add_client(store, "batch", now=NOW, roles=["reader"], scopes=["a"], claims={"account_id": "a-1"})
    add_client(store, "spa", now=NOW, is_public=True, redirect_uris=["https://spa.example/cb"])
    add_client(store, "gone", now=NOW)
    disable_client(store, "gone", now=NOW)
    found = published_clients(store, ISSUER)
    assert [(each["name"], each["disabled"]) for each in found] == [("batch", False), ("gone", True)]
    assert found[0]["roles"] == ["reader"]
    assert secret not in json.dumps(found)


def test_they_are_in_the_snapshot_only_where_an_operation_needs_them(store: Store) -> None:
    add_client(store, "batch", now=NOW)
    key = generate_key("ES256")
    for asked in (True, False):
        data = published_credentials(store, [key], issuer=ISSUER, now=NOW, with_clients=asked)
        assert bool(data["clients"]) == asked
