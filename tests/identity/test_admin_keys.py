"""The admin API's certificates, keys that answers are encrypted to, and addresses of clients."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from tests.identity.ca.authorities import CONSTRAINTS, request_for
from tests.identity.lab import NOW, SECRET
from tests.identity.test_admin import Admin

from doorward.identity.ca import make_authority
from doorward.identity.clients import add_client, get_client
from doorward.jose import generate_decryption_key
from doorward.store import Store

OWN = generate_decryption_key("ECDH-ES+A256KW")
PEM = OWN.material.as_pem(private=False).decode()  # type: ignore[union-attr]
OTHER = "https://login.example/"


@pytest.fixture
def admin(store: Store, tmp_path: Path) -> Admin:
    (tmp_path / "keys").mkdir(mode=0o700)
    return Admin(store, tmp_path / "keys").entered("alice")


def wanted(**more: Any) -> dict[str, Any]:
    return {"name": "partner", "roles": ["reader"], "request": request_for(subject="partner").decode(), **more}


@pytest.fixture
def authority(admin: Admin) -> None:
    make_authority(admin.store, SECRET, CONSTRAINTS, lambda _key: None, now=NOW)


@pytest.mark.usefixtures("authority")
def test_a_certificate_is_signed_for_a_key_that_stays_where_it_was_made(admin: Admin) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    answer = admin.ask("POST", "/certificates", wanted(request=request_for(subject="partner", key=key).decode()))
    assert answer.status_code == 201
    made = answer.json()
    assert "PRIVATE" not in made["pem"]
    leaf, issuing = x509.load_pem_x509_certificates(made["pem"].encode())
    assert leaf.public_key() == key.public_key()
    leaf.verify_directly_issued_by(issuing)
    assert (made["record"]["name"], made["record"]["roles"], made["record"]["kind"]) == (
        "partner",
        ["reader"],
        "client",
    )
    lists = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert next(point.full_name[0].value for point in lists if point.full_name).startswith("https://issuer.example/ca/")
    (event,) = admin.events("certificate.issued")
    assert (event.actor, event.detail["serial"]) == ("admin:alice", made["record"]["serial"])


@pytest.mark.usefixtures("authority")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"roles": ["raeder"]}, 400),
        ({"request": "no request"}, 400),
        ({"request": request_for(subject="somebody").decode()}, 400),
        ({"claims": {"sub": "alice"}}, 400),
        ({"lifetime_s": 31 * 86_400}, 400),
        ({"names": ["api.example.internal"]}, 400),
        ({"kind": "server", "roles": [], "names": ["api.example.com"], "request": request_for().decode()}, 400),
        ({"kind": "authority"}, 400),
        ({"key": "-----BEGIN PRIVATE KEY-----"}, 400),
        ({"kind": "server", "roles": [], "names": ["api.example.internal"], "request": request_for().decode()}, 201),
    ],
)
def test_the_rules_of_the_authority_hold_here_too(admin: Admin, body: dict[str, Any], status: int) -> None:
    assert admin.ask("POST", "/certificates", wanted(**body)).status_code == status
    assert len(admin.events("certificate.issued")) == (status == 201)


def test_without_an_authority_nothing_is_signed(admin: Admin) -> None:
    assert admin.ask("POST", "/certificates", wanted()).status_code == 400


@pytest.mark.usefixtures("authority")
def test_certificates_are_read_renewed_and_revoked_with_all_that_came_of_them(admin: Admin) -> None:
    serial = admin.ask("POST", "/certificates", wanted()).json()["record"]["serial"]
    first = admin.ask("GET", f"/certificates/{serial}")
    assert admin.ask("GET", "/certificates/none").status_code == 404
    renewal = {"request": request_for(subject="partner").decode()}
    assert admin.ask("POST", "/certificates/none/renew", renewal).status_code == 404
    after = admin.ask("POST", f"/certificates/{serial}/renew", renewal).json()["record"]
    assert (after["roles"], after["serial"] != serial) == (["reader"], True)
    assert admin.ask("POST", f"/certificates/{serial}/renew", {"request": request_for().decode()}).status_code == 400
    assert admin.ask("GET", f"/certificates/{serial}").headers["etag"] != first.headers["etag"]
    page = admin.ask("GET", "/certificates?limit=1").json()
    rest = admin.ask("GET", f"/certificates?limit=1&after={page['next']}").json()
    assert {page["items"][0]["serial"], rest["items"][0]["serial"]} == {serial, after["serial"]}
    assert admin.ask("POST", "/certificates/none/revoke", {}).status_code == 404
    assert admin.ask("POST", f"/certificates/{serial}/revoke", {"reason": "whim"}).status_code == 400
    revoked = admin.ask("POST", f"/certificates/{serial}/revoke", {"reason": "keyCompromise"}).json()
    assert {each["serial"]: each["reason"] for each in revoked} == dict.fromkeys(
        (serial, after["serial"]), "keyCompromise"
    )
    assert {event.actor for event in admin.events("certificate.revoked")} == {"admin:alice"}


@pytest.mark.usefixtures("authority")
def test_of_many_renewals_at_once_one_is_made(admin: Admin) -> None:
    serial = admin.ask("POST", "/certificates", wanted()).json()["record"]["serial"]
    bodies = [{"request": request_for(subject="partner").decode()} for _ in range(6)]

    def renew(body: dict[str, str]) -> int:
        return admin.ask("POST", f"/certificates/{serial}/renew", body).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(renew, bodies)) == [201, *[400] * 5]


@pytest.mark.parametrize("given", [{"public_key": PEM}, {"jwk": OWN.public.jwk()}], ids=["pem", "jwk"])
def test_a_callers_public_key_is_added_read_and_revoked(admin: Admin, given: dict[str, Any]) -> None:
    answer = admin.ask("POST", "/encryption-keys", {"name": "partner", "id": "partner-1", "issuer": OTHER, **given})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["secret"], made["record"]["algorithm"], made["record"]["issuer"]) == ("", "ECDH-ES+A256KW", OTHER)
    before = admin.ask("GET", "/encryption-keys/partner-1")
    assert before.json() == made["record"]
    assert admin.ask("GET", "/encryption-keys").json()["items"] == [made["record"]]
    (revoked,) = admin.ask("POST", "/encryption-keys/partner/revoke").json()
    assert revoked["revoked_at"] == NOW
    assert admin.ask("GET", "/encryption-keys/partner-1").headers["etag"] != before.headers["etag"]
    told = [(row.kind, row.subject, row.actor, row.detail["key"]) for row in admin.events("encryption_key.")]
    assert told == [(f"encryption_key.{what}", "partner", "admin:alice", "partner-1") for what in ("added", "revoked")]


def test_a_shared_secret_is_made_here_and_shown_once(admin: Admin) -> None:
    made = admin.ask("POST", "/encryption-keys", {"name": "partner"}).json()
    assert made["record"]["algorithm"] == "dir"
    assert len(made["secret"]) == 44
    kept = admin.ask("GET", "/encryption-keys").text + json.dumps([row.detail for row in admin.events("")])
    assert made["secret"] not in kept


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"public_key": PEM, "jwk": OWN.public.jwk()}, 400),
        ({"public_key": OWN.material.as_pem(private=True).decode()}, 400),  # type: ignore[union-attr]
        ({"jwk": {"kty": "oct", "k": "c2VjcmV0", "alg": "dir"}}, 400),
        ({"public_key": "no key"}, 400),
        ({"name": "a b"}, 400),
        ({"lifetime_s": 0}, 400),
        ({"id": "taken"}, 409),
    ],
)
def test_what_is_no_public_key_of_a_caller_is_refused(admin: Admin, body: dict[str, Any], status: int) -> None:
    admin.ask("POST", "/encryption-keys", {"name": "partner", "id": "taken"})
    assert admin.ask("POST", "/encryption-keys", {"name": "partner", **body}).status_code == status
    assert len(admin.events("encryption_key.")) == 1
    assert admin.ask("GET", "/encryption-keys/none").status_code == 404
    assert admin.ask("POST", "/encryption-keys/none/revoke").status_code == 404


ADDRESSES: dict[str, Any] = {
    "post_logout_redirect_uris": ["https://app.example/bye"],
    "backchannel_logout_uri": "https://app.example/ended",
    "uses_devices": True,
    "exchange_audiences": ["inventory", "orders"],
}


def test_what_a_client_may_beside_tokens_is_set_and_taken_away_again(admin: Admin) -> None:
    added = admin.ask("POST", "/clients", {"name": "web", **ADDRESSES}).json()["client"]
    assert {name: added[name] for name in ADDRESSES} == ADDRESSES
    tag = admin.ask("GET", "/clients/web").headers["etag"]
    nothing = {
        "post_logout_redirect_uris": [],
        "backchannel_logout_uri": "",
        "uses_devices": False,
        "exchange_audiences": [],
    }
    changed = admin.ask("PATCH", "/clients/web", nothing, headers={"if-match": tag})
    assert {name: changed.json()[name] for name in ADDRESSES} == nothing
    assert admin.ask("PATCH", "/clients/web", ADDRESSES, headers={"if-match": tag}).status_code == 412
    back = admin.ask("PATCH", "/clients/web", ADDRESSES, headers={"if-match": changed.headers["etag"]}).json()
    assert {name: back[name] for name in ADDRESSES} == ADDRESSES
    assert admin.events("client.changed")[0].detail["exchange_audiences"] == [["inventory", "orders"], []]


@pytest.mark.parametrize(
    ("client", "change"),
    [
        ("web", {"post_logout_redirect_uris": ["http://app.example/bye"]}),
        ("web", {"post_logout_redirect_uris": ["https://*.example/bye"]}),
        ("web", {"backchannel_logout_uri": "http://app.example/ended"}),
        ("web", {"backchannel_logout_uri": "https://app.example/ended#x"}),
        ("web", {"exchange_audiences": [""]}),
        ("tv", {"uses_devices": False}),
        ("tv", {"exchange_audiences": ["orders"]}),
        ("dyn-1", {"exchange_audiences": ["orders"]}),
    ],
)
def test_what_could_not_be_added_so_is_not_changed_so(admin: Admin, client: str, change: dict[str, Any]) -> None:
    add_client(admin.store, "web", now=NOW)
    add_client(admin.store, "tv", now=NOW, is_public=True, uses_devices=True)
    add_client(admin.store, "dyn-1", now=NOW, registration_hash="a" * 64, redirect_uris=["https://app.example/cb"])
    before = get_client(admin.store, client)
    answer = admin.ask("PATCH", f"/clients/{client}", change, headers={"if-match": "*"})
    assert answer.status_code == 400
    assert get_client(admin.store, client) == before
    assert admin.events("client.changed") == []


def test_a_public_client_for_devices_may_become_one_of_browsers_in_one_step(admin: Admin) -> None:
    add_client(admin.store, "tv", now=NOW, is_public=True, uses_devices=True)
    change = {"uses_devices": False, "redirect_uris": ["https://tv.example/cb"]}
    assert admin.ask("PATCH", "/clients/tv", change, headers={"if-match": "*"}).status_code == 200
