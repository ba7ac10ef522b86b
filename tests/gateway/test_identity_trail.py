"""Events of the identity provider on their way from the store into the trail: none lost, none twice, no secret."""

import asyncio
import random
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from tests.databases import store, store_url
from tests.identity.conftest import cheap_hashes
from tests.identity.lab import PASSWORD, Lab

from doorward.audit.reading import read_trail
from doorward.audit.verify import State, verify_trail
from doorward.audit.writer import AuditWriter
from doorward.controls.audit import AuditPolicy, Kind
from doorward.controls.audit.records import Identity, decode
from doorward.gateway import identity_trail
from doorward.gateway.identity_trail import IdentityTrail
from doorward.identity import events
from doorward.identity.users import add_user, disable_user
from doorward.store import Store

__all__ = ["cheap_hashes", "store", "store_url"]

NOW = 1_800_000_000.0


class Place:
    """A state directory and what its trail holds."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def trail(self, store: Store) -> IdentityTrail:
        return IdentityTrail(store, self.root, AuditPolicy(), clock=lambda: NOW)

    def moved(self, store: Store) -> list[Identity]:
        """All events, after everything that waits was moved."""

        async def once() -> None:
            trail = self.trail(store)
            assert await trail.move_all()
            await trail.close()

        asyncio.run(once())
        return self.entries()

    def entries(self) -> list[Identity]:
        found = [decode(one.kind, one.payload) for one in read_trail(self.root / "audit") if one.kind == Kind.IDENTITY]
        return [entry for entry in found if isinstance(entry, Identity)]

    def is_intact(self) -> bool:
        return verify_trail(self.root / "audit", self.root / "keys" / "audit.pub").state is State.INTACT


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "state")


def test_what_happens_at_the_provider_stands_in_the_trail_which_verifies(store: Store, place: Place) -> None:
    lab = Lab(store)
    tokens = lab.tokens("spa")
    lab.refresh(tokens["refresh_token"], "spa")
    lab.visitor().sign_in("a wrong password of mine")
    with events.acting("cli:root"):
        disable_user(store, "alice", now=NOW)
    entries = place.moved(store)
    assert place.is_intact()
    kinds = Counter(entry.event for entry in entries)
    assert {"user.added", "client.added", "login.ok", "session.created", "token.issued", "token.refreshed"} <= set(
        kinds
    )
    assert [(entry.subject, entry.actor) for entry in entries if entry.event == "user.disabled"] == [
        ("alice", "cli:root")
    ]
    failed = next(entry for entry in entries if entry.event == "login.fail")
    assert (failed.subject, failed.actor, failed.address) == ("alice", "", "192.0.2.1")
    assert events.waiting(store) == []


def test_no_secret_comes_into_the_trail(store: Store, place: Place) -> None:
    lab = Lab(store)
    visitor = lab.visitor().signed_in()
    seed, codes = visitor.add_totp()
    code = visitor.authorized()
    answer = lab.redeem(code).json()
    refreshed = lab.refresh(answer["refresh_token"]).json()
    lab.visitor().sign_in("a wrong password of mine", name="a password typed as a name")
    lab.post("/oauth/token", client_id="web", client_secret="wrong secret", grant_type="client_credentials")
    place.moved(store)
    written = b"".join(path.read_bytes() for path in (place.root / "audit").rglob("*.seg"))
    secrets = [PASSWORD, "a wrong password", "typed as a name", "wrong secret", code, *codes, *lab.secrets.values()]
    secrets += [answer["access_token"], answer["refresh_token"], answer["id_token"], refreshed["access_token"]]
    secrets += [*visitor.cookies.values()]
    assert [secret for secret in secrets if secret and secret.encode() in written] == []
    assert seed not in written
    assert b"login.fail" in written
    assert b"client.fail" in written


def test_a_crash_between_record_and_mark_leaves_each_event_once(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(store, "alice", now=NOW)

    async def crash() -> None:
        trail = place.trail(store)
        with monkeypatch.context() as patch:
            patch.setattr(identity_trail, "mark_recorded", _gone)
            with pytest.raises(SystemExit):
                await trail.move()
        assert trail._writer is not None
        trail._writer.close()

    asyncio.run(crash())
    assert len(place.entries()) == len(events.waiting(store)) == 1
    disable_user(store, "alice", now=NOW)
    entries = place.moved(store)
    assert [entry.event for entry in entries] == ["user.added", "user.disabled"]
    assert place.is_intact()


def _gone(*_: object, **__: object) -> None:
    raise SystemExit


def test_a_store_that_takes_no_mark_does_not_fill_the_trail_with_the_same_events(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(store, "alice", now=NOW)

    async def once() -> None:
        trail = place.trail(store)
        with monkeypatch.context() as patch:
            patch.setattr(identity_trail, "mark_recorded", _full)
            assert not await trail.move_all()
            assert not await trail.move_all()
        disable_user(store, "alice", now=NOW)
        assert await trail.move_all()
        await trail.close()

    asyncio.run(once())
    assert [entry.event for entry in place.entries()] == ["user.added", "user.disabled"]


def _full(*_: object, **__: object) -> None:
    raise OperationalError("UPDATE events", {}, Exception("database or disk is full"))


def test_whoever_stops_it_while_a_record_is_on_its_way_leaves_the_event_once(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(store, "alice", now=NOW)
    append = AuditWriter.append

    async def once() -> None:
        trail = place.trail(store)
        on_its_way = asyncio.Event()

        def told(writer: AuditWriter, record: Any, done: Any) -> None:
            append(writer, record, done)
            on_its_way.set()

        monkeypatch.setattr(AuditWriter, "append", told)

        async def version() -> str:
            return "1"

        following = asyncio.create_task(trail.follow(version))
        await on_its_way.wait()
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
        await trail.close()

    asyncio.run(once())
    assert [entry.event for entry in place.entries()] == ["user.added"]
    assert events.waiting(store) == []


def test_a_store_whose_state_cannot_be_asked_is_asked_again(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(store, "alice", now=NOW)
    monkeypatch.setattr(identity_trail, "RETRY_S", 0.0)
    monkeypatch.setattr(identity_trail, "LOOK_S", 0.0)
    asked = iter([True, True, False])

    async def once() -> None:
        trail = place.trail(store)
        was_moved = asyncio.Event()

        async def version() -> str:
            if next(asked, False):
                raise OperationalError("PRAGMA data_version", {}, OSError("disk I/O error"))
            if not events.waiting(store):
                was_moved.set()
            return "1"

        following = asyncio.create_task(trail.follow(version))
        await asyncio.wait([following, asyncio.create_task(was_moved.wait())], return_when=asyncio.FIRST_COMPLETED)
        assert was_moved.is_set()
        following.cancel()
        await trail.close()

    asyncio.run(once())
    assert [entry.event for entry in place.entries()] == ["user.added"]


def test_while_the_trail_takes_nothing_events_wait_and_are_told_once(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_user(store, "alice", now=NOW)

    async def once() -> None:
        trail = place.trail(store)
        with monkeypatch.context() as patch:
            patch.setattr(AuditWriter, "append", lambda _self, _record, done: done(False))
            assert not await trail.move_all()
            assert not await trail.move_all()
        assert len(events.waiting(store)) == 1
        assert await trail.move_all()
        await trail.close()

    asyncio.run(once())
    assert [entry.event for entry in place.entries()] == ["user.added"]
    assert capsys.readouterr().out.count("wait in the store") == 1


def test_more_events_than_are_under_way_at_a_time_are_all_moved_in_order(store: Store, place: Place) -> None:
    with store.begin() as connection:
        for number in range(2 * events.WAITING_MOST + 3):
            events.record(connection, "login.ok", "alice", now=NOW, number=number)
    numbers = [int(entry.details["number"]) for entry in place.moved(store)]
    assert numbers == list(range(2 * events.WAITING_MOST + 3))


def test_an_event_that_waits_is_never_tidied_away(store: Store, place: Place) -> None:
    with store.begin() as connection:
        events.record(connection, "login.fail", "", now=NOW)
    later = NOW + 2 * events.KEPT_S
    with store.begin() as connection:
        assert events.purge(connection, now=later) == 0
    place.moved(store)
    with store.begin() as connection:
        assert events.purge(connection, now=later) == 1


def test_a_value_that_is_too_long_is_cut_and_one_that_moves_a_terminal_is_escaped(store: Store, place: Place) -> None:
    with store.begin() as connection:
        many = {f"field{number}": "x" * 5_000 for number in range(30)}
        events.record(connection, "client.added", "web", now=NOW, title="a\x1b[31m\u202eb", scopes=["a", "b"], **many)
    entry = place.moved(store)[0]
    assert entry.details["title"] == "a\\x1b[31m\\u202eb"
    assert entry.details["scopes"] == '["a","b"]'
    assert len(entry.details) == 16
    assert sum(map(len, entry.details.values())) < 16 * 1024


CHILD = textwrap.dedent(
    """
    import asyncio, sys, threading, time
    from pathlib import Path
    from doorward.controls.audit import AuditPolicy
    from doorward.gateway.identity_trail import IdentityTrail
    from doorward.identity import events
    from doorward.store import open_store

    store = open_store(sys.argv[1])
    def write(first):
        number = first
        while True:
            with store.begin() as connection:
                events.record(connection, "login.ok", str(number), now=1.0)
            print(number, flush=True)
            number += 1

    async def main() -> None:
        trail = IdentityTrail(store, Path(sys.argv[2]), AuditPolicy(), clock=time.time)
        threading.Thread(target=write, args=(int(sys.argv[3]),), daemon=True).start()
        while True:
            await trail.move()

    asyncio.run(main())
    """
)


def test_whenever_it_is_killed_every_event_that_was_committed_stands_there_once(
    store_url: str, store: Store, place: Place
) -> None:
    committed: set[str] = set()
    for run in range(4):
        command = [sys.executable, "-c", CHILD, store_url, str(place.root), str(run * 100_000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            try:
                for _ in range(random.randrange(1, 150)):
                    committed.add(child.stdout.readline().strip())
            finally:
                child.kill()
            committed.update(line.strip() for line in child.stdout.read().splitlines(keepends=True) if line[-1] == "\n")
    counted = Counter(entry.subject for entry in place.moved(store))
    assert place.is_intact()
    assert set(counted.values()) == {1}
    assert committed <= set(counted)
