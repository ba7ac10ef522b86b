"""API keys through `doorward run` with several workers, under load: ended, replaced, taken over, and when last used."""

import hashlib
import time
from collections.abc import Iterator

import pytest
from tests.processes.callers_site import CallersSite, Load, RecordingUpstream

from doorward.identity.api_keys import add_api_key, list_api_keys, revoke_api_key
from doorward.identity.key_import import ImportedKey, ImportGrant, import_api_keys
from doorward.identity.key_rotation import rotate_api_key

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
HEADER = "X-Api-Key"


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream) -> Iterator[CallersSite]:
    settings = {"more_api_key_headers": ["apikey"]}
    with CallersSite(tmp_path_factory.mktemp("site"), upstream, authenticate=settings) as running:
        yield running


def test_a_revoked_key_is_void_at_every_worker_while_many_use_it(site: CallersSite) -> None:
    kept, key = add_api_key(site.store, "revoked", now=time.time(), roles=["reader"])
    site.until(200, (HEADER, key), in_a_row=20)
    with Load(site, (HEADER, key)) as load:
        revoke_api_key(site.store, kept.id, now=time.time())
        load.until_all_are_refused()
    assert "authenticate.api_key" in load.codes
    site.until(401, (HEADER, key), in_a_row=40)


def test_a_key_that_was_replaced_without_overlap_ends_and_its_successor_opens(site: CallersSite) -> None:
    _, key = add_api_key(site.store, "rotated", now=time.time(), roles=["reader"])
    site.until(200, (HEADER, key), in_a_row=20)
    with Load(site, (HEADER, key)) as load:
        first = rotate_api_key(site.store, "rotated", now=time.time(), overlap_s=3600)
        site.until(200, (HEADER, first.key), in_a_row=20)
        assert "authenticate.api_key" not in load.codes, "for the overlap both are good"
        second = rotate_api_key(site.store, "rotated", now=time.time(), overlap_s=0)
        load.until_all_are_refused()
    site.until(401, (HEADER, first.key), in_a_row=20)
    site.until(200, (HEADER, second.key), in_a_row=20)


def test_a_foreign_key_opens_in_the_header_its_clients_know_and_stays_at_the_gateway(
    site: CallersSite, upstream: RecordingUpstream
) -> None:
    key = "kong-" + "7c" * 16
    entry = ImportedKey(name="migrated", hash=hashlib.sha256(key.encode()).hexdigest())
    import_api_keys(
        site.store, [entry], ImportGrant(random_bits=128, prefix="kong-", roles=["reader"]), now=time.time()
    )
    site.until(200, ("apikey", key), in_a_row=20)
    assert key not in repr(upstream.requests)
    assert site.send(("apikey", key + "0")).denial == "authenticate.api_key"
    assert site.send(("apikey", key), (HEADER, key)).denial == "authenticate.api_key"


def test_when_a_key_was_used_gets_into_the_store(site: CallersSite) -> None:
    _, used = add_api_key(site.store, "used", now=time.time(), roles=["reader"])
    _, refused = add_api_key(site.store, "refused", now=time.time(), roles=["reader"], networks=["192.0.2.0/24"])
    before = time.time()
    site.until(200, (HEADER, used), in_a_row=10)
    while site.send((HEADER, refused)).denial != "authenticate.key_address":
        pass
    last: dict[str, float | None] = {}
    while last.get("used") is None:
        last = {key.name: key.last_used_at for key in list_api_keys(site.store)}
        time.sleep(0.1)
    assert last["refused"] is None
    assert before <= (last["used"] or 0.0) <= time.time()
