"""What ends a caller's rights ends them at every worker, while many use them: each way, through `doorward run`.

`pytest -s` prints how long after each end was written the last request got through: what the page states is at most a
second, and what is seen is the 0.1 s in which the store is looked at and the 0.2 s in which the snapshot is.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from tests.processes.callers_site import CallersSite, Load, RecordingUpstream, ended_after_s

from doorward.controls.authenticate import LOCAL_AUDIENCE
from doorward.identity.api_keys import add_api_key, revoke_api_key
from doorward.identity.changing import UserChange, change_user
from doorward.identity.clients import add_client, disable_client
from doorward.identity.oauth.families import ABSOLUTE_S, end_families, note_access_token, start_family
from doorward.identity.revoking import revoke
from doorward.identity.sessions import end_session, find_session, start_session
from doorward.identity.tokens import AccessToken, Minter
from doorward.identity.users import add_user, disable_user
from doorward.jose import load_private_keys
from doorward.policy.loading import load_policy
from doorward.store import token_families

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
Header = tuple[str, str]
Ending = Callable[[], object]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallersSite]:
    with RecordingUpstream() as upstream, CallersSite(tmp_path_factory.mktemp("site"), upstream) as running:
        yield running


def issuer_of(site: CallersSite) -> str:
    return load_policy(site.file).issuer.url


def minted(site: CallersSite, name: str, client: str = "web") -> AccessToken:
    key = load_private_keys(site.state / "keys" / "issuer.json")[0]
    minter = Minter(key=key, issuer=issuer_of(site), audience=LOCAL_AUDIENCE)
    return minter.mint(name, client_id=client, now=time.time(), roles=["reader"])


def bearer(token: AccessToken) -> Header:
    return ("Authorization", f"Bearer {token.text}")


def a_key(site: CallersSite) -> tuple[Header, Ending]:
    kept, key = add_api_key(site.store, "key", now=time.time(), roles=["reader"])
    return ("X-Api-Key", key), lambda: revoke_api_key(site.store, kept.id, now=time.time())


def a_token(site: CallersSite) -> tuple[Header, Ending]:
    token = minted(site, "somebody")
    return bearer(token), lambda: revoke(site.store, "token", issuer_of(site), token.id, now=time.time())


def a_user(site: CallersSite) -> tuple[Header, Ending]:
    add_user(site.store, "disabled", now=time.time(), roles=["reader"])
    return bearer(minted(site, "disabled")), lambda: disable_user(site.store, "disabled", now=time.time())


def a_role(site: CallersSite) -> tuple[Header, Ending]:
    add_user(site.store, "demoted", now=time.time(), roles=["reader"])
    return bearer(minted(site, "demoted")), lambda: change_user(
        site.store, "demoted", UserChange(roles=[]), now=time.time()
    )


def a_client(site: CallersSite) -> tuple[Header, Ending]:
    add_client(site.store, "batch", now=time.time(), roles=["reader"])
    return bearer(minted(site, "batch", "batch")), lambda: disable_client(site.store, "batch", now=time.time())


def a_session(site: CallersSite) -> tuple[Header, Ending]:
    now = time.time()
    add_user(site.store, "signed-in", now=now, roles=["reader"])
    add_client(site.store, "shop", now=now, is_public=True, redirect_uris=["https://shop.example/cb"])
    with site.store.begin() as connection:
        cookie = start_session(connection, "signed-in", amr=["pwd"], now=now, address="192.0.2.1", agent="test")
    session = find_session(site.store, cookie, now=now)
    assert session is not None
    token = minted(site, "signed-in", "shop")
    with site.store.begin() as connection:
        family = start_family(
            connection,
            "f" * 32,
            user="signed-in",
            client="shop",
            session=session.id,
            scopes=[],
            auth_time=now,
            amr=["pwd"],
            now=now,
            bound_key=None,
            bound_certificate=None,
            absolute_s=ABSOLUTE_S,
        )
        note_access_token(connection, family.id, token, issuer=issuer_of(site))

    def end() -> None:
        # as the pages and the admin interface do it
        with site.store.begin() as connection:
            assert end_families(connection, token_families.c.session == session.id, now=time.time()) == 1
            assert end_session(connection, "signed-in", session.id, now=time.time())

    return bearer(token), end


WAYS: dict[str, Callable[[CallersSite], tuple[Header, Ending]]] = {
    "a key is revoked": a_key,
    "a token is revoked": a_token,
    "a user is disabled": a_user,
    "a role is taken away": a_role,
    "a client is disabled": a_client,
    "a session is ended": a_session,
}


@pytest.mark.parametrize("way", WAYS)
def test_an_end_is_in_force_at_every_worker_while_many_call(site: CallersSite, way: str) -> None:
    header, end = WAYS[way](site)
    site.until(200, header, in_a_row=20)
    load: AbstractContextManager[Load] = Load(site, header)
    with load as callers:
        seconds = ended_after_s(callers, end)
        site.until(401, header, in_a_row=20)
    sys.stdout.write(f"\n{way}: the last request got through {seconds:.3f} s later\n")
