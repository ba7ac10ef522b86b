"""Clients that register themselves (RFC 7591, 7592)."""

import json
from functools import partial
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from sqlalchemy import text
from tests.identity.lab import CALLBACK, ISSUER, VERIFIER, Lab
from tests.identity.oauth.test_refresh import at_once

from doorward.errors import PolicyError
from doorward.identity.clients import disable_client, find_client
from doorward.identity.events import events_of
from doorward.identity.oauth.client_metadata import METADATA_BYTES
from doorward.identity.provider import IdentitySettings, Registration
from doorward.identity.registration_tokens import list_tokens, make_token, revoke_token
from doorward.identity.tidying import tidy
from doorward.jose import generate_key
from doorward.policy.issuer import IssuerSettings, RegistrationSettings
from doorward.store import Store

PATH = "/oauth/register"
WEB = {"redirect_uris": [CALLBACK], "client_name": "A tool"}


@pytest.fixture
def lab(store: Store) -> Lab:
    found = Lab(store)
    rules = Registration(scopes=("orders:read", "offline_access"), clients_most=6)
    found.settings = IdentitySettings(issuer=found.issuer, registration=rules)
    found.app = found.made_app()
    return found


def token_of(lab: Lab, uses: int = 100, lifetime_s: float = 3_600.0) -> str:
    return make_token(lab.store, now=lab.now, lifetime_s=lifetime_s, uses=uses)[1]


def register(lab: Lab, token: str | None = None, body: Any = None, **metadata: Any) -> httpx.Response:
    shown = token_of(lab) if token is None else token
    content = json.dumps({**WEB, **metadata}) if body is None else body
    return send(lab, "POST", PATH, shown, content)


def send(lab: Lab, method: str, path: str, token: str, content: str | bytes | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    return lab.ask(method, path, headers=headers, content=content)


def manage(lab: Lab, method: str, made: dict[str, Any], **metadata: Any) -> httpx.Response:
    path = made["registration_client_uri"].removeprefix(ISSUER)
    content = json.dumps(metadata) if method == "PUT" else None
    return send(lab, method, path, made["registration_access_token"], content)


def registered(lab: Lab, **metadata: Any) -> dict[str, Any]:
    answer = register(lab, **metadata)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store"), answer.text
    return dict(answer.json())


def error(answer: httpx.Response) -> str:
    assert answer.headers["cache-control"] == "no-store"
    return f"{answer.status_code} {answer.json()['error']}"


def test_a_registered_client_signs_people_in(lab: Lab) -> None:
    made = registered(lab)
    assert made["client_id"].startswith("dyn-")
    assert made["registration_client_uri"] == f"{ISSUER}{PATH}/{made['client_id']}"
    assert (made["client_name"], made["client_secret_expires_at"]) == ("A tool", 0)
    assert made["scope"].split()[-2:] == ["offline_access", "orders:read"]
    lab.secrets[made["client_id"]] = made["client_secret"]
    visitor = lab.visitor().signed_in()
    page = visitor.ask_authorization(made["client_id"])
    assert "A tool" in page.text, "people are asked, whatever the client says of itself"
    assert lab.redeem(visitor.authorized(made["client_id"]), made["client_id"]).status_code == 200
    assert find_client(lab.store, made["client_id"]).is_trusted is False  # type: ignore[union-attr]


def test_a_public_one_has_no_secret_and_one_with_keys_neither(lab: Lab) -> None:
    made = registered(lab, token_endpoint_auth_method="none")
    assert "client_secret" not in made
    code = lab.visitor().signed_in().authorized(made["client_id"])
    fields = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    assert lab.post("/oauth/token", client_id=made["client_id"], **fields).status_code == 200
    keys = {"keys": [generate_key("ES256").public.jwk()]}
    made = registered(lab, token_endpoint_auth_method="private_key_jwt", jwks=keys)
    assert "client_secret" not in made
    assert made["jwks"]["keys"][0]["kty"] == "EC"


def test_a_registered_client_has_no_tokens_in_its_own_name(lab: Lab) -> None:
    made = registered(lab)
    form = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
    answer = lab.post("/oauth/token", grant_type="client_credentials", **form)
    assert answer.json()["error"] == "unauthorized_client"


def test_without_the_policys_word_there_is_no_such_endpoint(store: Store) -> None:
    lab = Lab(store)
    assert register(lab).status_code == 404
    assert "registration_endpoint" not in lab.ask("GET", "/.well-known/openid-configuration").json()


@pytest.mark.parametrize("profile", ["fapi2", "pci", "strict"])
def test_a_stricter_profile_keeps_it_off(profile: str) -> None:
    assert IssuerSettings(registration=RegistrationSettings(), profile="baseline").registration is not None
    with pytest.raises(ValidationError, match="register itself"):
        IssuerSettings(registration=RegistrationSettings(), profile=("baseline", profile))  # type: ignore[arg-type]


def test_the_metadata_name_the_endpoint_where_there_is_one(lab: Lab) -> None:
    """ID-18."""
    document = lab.ask("GET", "/.well-known/openid-configuration").json()
    assert document["registration_endpoint"] == f"{ISSUER}{PATH}"


@pytest.mark.parametrize("scheme", ["", "Bearer", "Bearer ", "Basic eDp5", "Bearer wrong"])
def test_without_an_initial_access_token_nobody_registers(lab: Lab, scheme: str) -> None:
    headers = {"content-type": "application/json"} | ({"authorization": scheme} if scheme else {})
    answer = lab.ask("POST", PATH, headers=headers, content=json.dumps(WEB))
    assert error(answer) == "401 invalid_token"
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert lab.ask("POST", f"{PATH}?access_token={token_of(lab)}", content=json.dumps(WEB)).status_code in (400, 401)


def test_a_token_is_good_so_often_so_long_and_until_it_is_taken_back(lab: Lab) -> None:
    token = token_of(lab, uses=2)
    assert [register(lab, token).status_code for _ in range(3)] == [201, 201, 401]
    token = token_of(lab, lifetime_s=60)
    lab.now += 60
    assert error(register(lab, token)) == "401 invalid_token"
    made, token = make_token(lab.store, now=lab.now, lifetime_s=60, uses=1)
    assert [each.id for each in list_tokens(lab.store, now=lab.now)] == [made.id]
    revoke_token(lab.store, made.id, now=lab.now)
    assert error(register(lab, token)) == "401 invalid_token"
    with pytest.raises(PolicyError):
        revoke_token(lab.store, made.id, now=lab.now)
    for life, uses in ((0, 1), (400 * 86_400, 1), (60, 0), (60, 10_001)):
        with pytest.raises(PolicyError):
            make_token(lab.store, now=lab.now, lifetime_s=life, uses=uses)


def test_parallel_uses_do_not_overtake_the_count(lab: Lab) -> None:
    token = token_of(lab, uses=3)
    answers = at_once(*[partial(register, lab, token)] * 8)
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [401] * 5


def test_a_refused_document_spends_no_use(lab: Lab) -> None:
    token = token_of(lab, uses=1)
    for _ in range(3):
        assert error(register(lab, token, redirect_uris=["http://evil.example/"])) == "400 invalid_redirect_uri"
    assert register(lab, token).status_code == 201


@pytest.mark.parametrize(
    "uris",
    [
        [],
        ["http://app.example/cb"],
        ["https://*.example/cb"],
        ["https://u@app.example/cb"],
        ["javascript:alert(1)"],
        ["http://localhost/cb"],
        ["https://app.example/cb#x"],
        ["https://app.example/../cb"],
        ["https://[::1/cb"],
        ["https://[app]/cb"],
        ["https://app.example:99999/cb"],
    ],
)
def test_redirect_uris_are_held_to_the_same_rules_as_the_operators(lab: Lab, uris: list[str]) -> None:
    """ID-1."""
    assert error(register(lab, redirect_uris=uris)) == "400 invalid_redirect_uri"
    if uris:
        assert error(register(lab, post_logout_redirect_uris=uris)) == "400 invalid_redirect_uri"


@pytest.mark.parametrize(
    "metadata",
    [
        {"grant_types": ["authorization_code", "client_credentials"]},
        {"grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"]},
        {"grant_types": ["implicit"]},
        {"grant_types": ["refresh_token"]},
        {"response_types": ["code", "token"]},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"jwks_uri": "https://app.example/keys"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://app.example/keys"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "oct", "k": "AA"}]}},
        {"scope": "orders:write"},
        {"scope": "admin"},
        {"client_name": "x" * 65},
        {"client_name": "a\nb"},
        {"client_name": "a\x00"},
        {"client_name": 7},
        {"backchannel_logout_uri": "http://app.example/"},
        {"id_token_signed_response_alg": "none"},
        {"id_token_signed_response_alg": "HS256"},
        {"subject_type": "pairwise"},
        {"sector_identifier_uri": "https://app.example/sector.json"},
        {"initiate_login_uri": "http://app.example/login"},
        {"dpop_bound_access_tokens": True},
        {"tls_client_certificate_bound_access_tokens": True},
        {"redirect_uris": [CALLBACK] * 17},
        {"redirect_uris": CALLBACK},
    ],
)
def test_what_is_not_had_here_is_refused_and_not_ignored(lab: Lab, metadata: dict[str, Any]) -> None:
    assert error(register(lab, **metadata)) == "400 invalid_client_metadata"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        "{",
        '{"redirect_uris": ["https://a.example/"], "redirect_uris": []}',
        "[" * 8_000,
        "\ufffd",
        '{"a": NaN}',
    ],
)
def test_what_is_no_strict_json_object_is_refused(lab: Lab, body: str) -> None:
    assert error(register(lab, body=body)) == "400 invalid_client_metadata"


def test_a_long_document_is_not_read(lab: Lab) -> None:
    answer = register(lab, body=json.dumps(WEB | {"client_uri": "x" * METADATA_BYTES}))
    assert error(answer) == "413 invalid_client_metadata"
    headers = {"authorization": f"Bearer {token_of(lab)}"}
    assert lab.ask("POST", PATH, headers=headers, data=WEB).status_code == 400


def test_nothing_a_document_says_makes_a_client_more_than_a_client(lab: Lab) -> None:
    made = registered(
        lab, client_id="web", client_secret="x", roles=["admin"], is_trusted=True, claims={"a": 1}, disabled_at=None
    )
    client = find_client(lab.store, made["client_id"])
    assert client is not None
    assert (client.roles, client.claims, client.is_trusted, client.exchange_audiences) == ((), {}, False, ())
    assert made["client_id"] != "web"
    assert made["client_secret"] != "x"


def test_what_a_client_would_have_shown_of_itself_is_neither_kept_nor_shown(lab: Lab) -> None:
    given = {f"{name}_uri": f"https://app.example/{name}" for name in ("logo", "policy", "tos", "initiate_login")}
    made = registered(lab, **given)
    assert not given.keys() & made.keys()
    assert not given.keys() & manage(lab, "GET", made).json().keys()
    page = lab.visitor().signed_in().ask_authorization(made["client_id"]).text
    assert "Allow access?" in page
    assert not any(uri in page for uri in given.values())


def test_there_are_so_many_clients_at_a_time(lab: Lab) -> None:
    token = token_of(lab)
    made = [registered(lab) for _ in range(6)]
    assert error(register(lab, token)) == "503 temporarily_unavailable"
    assert manage(lab, "DELETE", made[0]).status_code == 204
    assert register(lab, token).status_code == 201


def test_a_client_reads_what_is_registered_without_its_secret(lab: Lab) -> None:
    made = registered(lab, grant_types=["authorization_code", "refresh_token"])
    answer = manage(lab, "GET", made)
    assert answer.status_code == 200
    assert answer.json() == {
        name: value for name, value in made.items() if name not in ("client_secret", "client_secret_expires_at")
    }


def test_an_update_replaces_all_of_it_by_the_same_rules(lab: Lab) -> None:
    made = registered(lab, post_logout_redirect_uris=["https://app.example/bye"])
    wanted = {"client_id": made["client_id"], "redirect_uris": ["https://app.example/new"], "scope": "orders:read"}
    body = manage(lab, "PUT", made, **wanted).json()
    assert (body["redirect_uris"], body["post_logout_redirect_uris"]) == (["https://app.example/new"], [])
    assert body["scope"].endswith(" orders:read")
    assert body["client_name"] == made["client_id"]
    visitor = lab.visitor().signed_in()
    assert visitor.ask_authorization(made["client_id"]).status_code == 400
    place = {"redirect_uri": "https://app.example/new", "scope": "openid orders:read"}
    assert visitor.ask_authorization(made["client_id"], **place).status_code == 200
    assert error(manage(lab, "PUT", made, **wanted | {"redirect_uris": ["http://x.example"]})) == (
        "400 invalid_redirect_uri"
    )
    assert error(manage(lab, "PUT", made, **wanted | {"scope": "orders:write"})) == "400 invalid_client_metadata"
    assert manage(lab, "PUT", made, **wanted, client_secret=made["client_secret"]).status_code == 200
    assert "client.changed" in {event.kind for event in events_of(lab.store, made["client_id"])}


def test_keys_are_registered_or_fetched_and_not_both(lab: Lab) -> None:
    way = {"token_endpoint_auth_method": "private_key_jwt"}
    keys: dict[str, Any] = {"jwks": {"keys": [generate_key("ES256").public.jwk()]}}
    url: dict[str, Any] = {"jwks_uri": "https://app.example/keys"}
    made = registered(lab, **way, **keys)
    whole = {"client_id": made["client_id"], **WEB, **way}
    assert error(register(lab, **way, **keys, **url)) == "400 invalid_client_metadata"
    assert error(manage(lab, "PUT", made, **whole, **keys, **url)) == "400 invalid_client_metadata"
    for one in (url, keys):
        body = manage(lab, "PUT", made, **whole, **one).json()
        assert [name for name in body if name.startswith("jwks")] == [*one]


@pytest.mark.parametrize(
    "more",
    [
        {"client_id": "web"},
        {"client_id": None},
        {"client_secret": "another"},
        {"registration_access_token": "x"},
        {"registration_client_uri": "https://x.example"},
        {"client_secret_expires_at": 0},
        {"token_endpoint_auth_method": "none"},
    ],
)
def test_an_update_cannot_set_what_the_server_gives(lab: Lab, more: dict[str, Any]) -> None:
    made = registered(lab)
    answer = manage(lab, "PUT", made, **{"client_id": made["client_id"], **WEB, **more})
    assert answer.status_code == 400
    assert manage(lab, "GET", made).json()["redirect_uris"] == [CALLBACK]


def test_a_client_is_looked_after_with_its_own_token_alone(lab: Lab) -> None:
    """Mixed clients."""
    made, other, initial = registered(lab), registered(lab), token_of(lab)
    for token in (other["registration_access_token"], initial, made["client_secret"], "", "x", "\u00e9"):
        for method in ("GET", "PUT", "DELETE"):
            path = f"{PATH}/{made['client_id']}"
            headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
            content = json.dumps(WEB | {"client_id": made["client_id"]}) if method == "PUT" else None
            assert error(lab.ask(method, path, headers=headers, content=content)) == "401 invalid_token"
    for name in ("web", "nobody", "dyn-", "%00", "a" * 500):
        assert send(lab, "GET", f"{PATH}/{name}", made["registration_access_token"]).status_code == 401
    assert manage(lab, "GET", made).status_code == 200


def test_a_removed_client_is_gone_with_all_it_had(lab: Lab) -> None:
    made = registered(lab)
    lab.secrets[made["client_id"]] = made["client_secret"]
    tokens = lab.redeem(lab.visitor().signed_in().authorized(made["client_id"]), made["client_id"]).json()
    assert manage(lab, "DELETE", made).status_code == 204
    assert manage(lab, "GET", made).status_code == 401
    assert lab.refresh(tokens["refresh_token"], made["client_id"]).status_code == 401
    assert lab.visitor().ask_authorization(made["client_id"]).status_code == 400


def test_one_that_the_operator_disabled_cannot_bring_itself_back(lab: Lab) -> None:
    made = registered(lab)
    disable_client(lab.store, made["client_id"], now=lab.now)
    for method in ("GET", "PUT", "DELETE"):
        assert manage(lab, method, made, client_id=made["client_id"], **WEB).status_code == 401


def test_a_device_client_needs_no_redirect_uri(lab: Lab) -> None:
    made = registered(
        lab,
        redirect_uris=[],
        token_endpoint_auth_method="none",
        grant_types=["urn:ietf:params:oauth:grant-type:device_code"],
    )
    assert lab.post("/oauth/device_authorization", client_id=made["client_id"]).status_code == 200


def test_no_token_is_stored_and_what_is_over_goes(lab: Lab) -> None:
    token = token_of(lab)
    made = register(lab, token).json()
    with lab.store.begin() as connection:
        rows = "".join(
            repr(connection.execute(text(f"SELECT * FROM {name}")).all())
            for name in ("clients", "registration_tokens", "events")
        )
    for secret in (token, made["registration_access_token"], made["client_secret"]):
        assert secret not in rows
    lab.now += 3_600
    tidy(lab.store, now=lab.now)
    with lab.store.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM registration_tokens")).scalar_one() == 0
