"""requests-oauthlib, the oldest client that is still in wide use, against a running Doorward."""

from typing import Any

import pytest
from oauthlib.oauth2 import BackendApplicationClient, WebApplicationClient
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session
from tests.interop.person import Person
from tests.interop.world import CALLBACK, World

pytestmark = pytest.mark.timeout(120)


def session(world: World, client: Any, **more: Any) -> Any:
    made = OAuth2Session(client=client, **more)
    made.trust_env, made.verify = False, str(world.authority)
    return made


def test_a_person_signs_in_and_the_library_refreshes_by_itself(world: World, person: Person) -> None:
    fresh: list[dict[str, Any]] = []
    http = session(
        world,
        WebApplicationClient("web"),
        redirect_uri=CALLBACK,
        scope=["offline_access", "openid", "orders:read"],
        pkce="S256",
        auto_refresh_url=f"{world.issuer}/oauth/token",
        token_updater=fresh.append,
    )
    url, _ = http.authorization_url(f"{world.issuer}/oauth/authorize")
    landed = person.visit(url)
    token = http.fetch_token(
        f"{world.issuer}/oauth/token", authorization_response=landed, client_secret=world.secrets["web"]
    )
    assert set(token["scope"]) == {"offline_access", "openid", "orders:read"}
    assert http.get(world.api).json() == {"orders": 3}
    http.token = {**token, "expires_at": 1}
    credentials = {"client_id": "web", "client_secret": world.secrets["web"]}
    assert http.request("GET", world.api, **credentials).json() == {"orders": 3}
    assert fresh[0]["access_token"] != token["access_token"]


def test_a_program_gets_a_token_in_its_own_name(world: World) -> None:
    http = session(world, BackendApplicationClient("batch", scope=["orders:read"]))
    http.fetch_token(f"{world.issuer}/oauth/token", auth=HTTPBasicAuth("batch", world.secrets["batch"]))
    assert http.get(world.api).json() == {"orders": 3}
