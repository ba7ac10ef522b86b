"""A gateway whose store is a PostgreSQL database: revocation, the trail, an outage, and a second gateway beside it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError
from tests.databases import Postgres
from tests.processes.callers_site import CallersSite, RecordingUpstream
from tests.waiting import until

from doorward.attack.wire import Connection, request_bytes
from doorward.identity.api_keys import add_api_key, revoke_api_key
from doorward.identity.events import waiting

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
HEADER = "X-Api-Key"


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> Iterator[str]:
    made = postgres.empty_url()
    yield made
    postgres.drop(made)


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream, url: str) -> Iterator[CallersSite]:
    settings = {"url": url.replace("+psycopg", "").replace(":@", "@")}
    with CallersSite(tmp_path_factory.mktemp("site"), upstream, store=settings) as running:
        yield running


def command(site: CallersSite, *arguments: str) -> str:
    words = [sys.executable, "-m", "doorward", *arguments, "--policy", str(site.file)]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout


def readiness(site: CallersSite) -> int:
    target = site.process.issuer_target
    with Connection(target) as connection:
        connection.send(request_bytes("GET", "/readyz", (), b"", authority=target.authority))
        return connection.receive().status


def test_a_key_of_the_command_line_opens_until_it_is_revoked_there(site: CallersSite) -> None:
    key = command(site, "key", "add", "partner", "--role", "reader").split()[0]
    site.until(200, (HEADER, key), in_a_row=20)
    command(site, "key", "revoke", "partner")
    site.until(401, (HEADER, key), in_a_row=20)


def test_what_was_done_stands_in_the_trail(site: CallersSite) -> None:
    add_api_key(site.store, "told", now=time.time(), roles=["reader"])
    until(lambda: waiting(site.store) == [], "an event waits in the store for ever")
    assert "told" in command(site, "audit", "show", "--json")


def test_while_the_database_is_gone_callers_are_served_and_what_was_revoked_counts_once_it_is_back(
    site: CallersSite, postgres: Postgres, url: str
) -> None:
    kept, key = add_api_key(site.store, "outlasts", now=time.time(), roles=["reader"])
    site.until(200, (HEADER, key), in_a_row=20)
    postgres.shut(url)
    until(lambda: "changes of the store cannot be published" in site.process.log, "the outage is not told")
    assert site.send((HEADER, key)).status == 200
    assert readiness(site) == 503
    with pytest.raises(SQLAlchemyError):
        revoke_api_key(site.store, kept.id, now=time.time())
    postgres.open(url)
    revoke_api_key(site.store, kept.id, now=time.time())
    site.until(401, (HEADER, key), in_a_row=20)
    until(lambda: readiness(site) == 200, "the provider does not say that it can be asked again")


def test_a_second_gateway_does_not_serve_from_the_same_database(
    site: CallersSite, upstream: RecordingUpstream, tmp_path: Path
) -> None:
    other = CallersSite(tmp_path, upstream, store=site.policy["store"])
    until(lambda: "another Doorward runs on this database" in other.process.log, "it is not told")
    other.process.stop()
    other.store.close()
    assert site.process.log.count("another Doorward runs on this database") == 0


def test_another_store_is_taken_up_by_a_new_start_alone(site: CallersSite) -> None:
    written = site.file.read_text()
    site.file.write_text(written.replace('"store"', '"public": ["GET /things"], "store"').replace("empty_", "other_"))
    os.kill(site.process._process.pid, signal.SIGHUP)
    until(lambda: "the store cannot change while it is open" in site.process.log, "the change is not refused")
    site.file.write_text(written)
    assert site.send().status == 401
