"""Mail of a running gateway: what a command changes is told by the control process, through the server of the policy."""

import asyncio
import time
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.identity.mail.test_delivery import PostOffice
from tests.processes.callers_site import CallersSite, RecordingUpstream

from doorward.identity import events
from doorward.identity.users import add_user
from doorward.store import users

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_a_change_is_told_by_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    office = PostOffice(tmp_path)
    monkeypatch.setenv("MAIL_PASSWORD", "hunter2hunter2")

    def change(port: int) -> CallersSite:
        mail = {"host": "localhost", "port": port, "sender": "login@example.com", "username": "doorward"}
        secrets = {"password": "${MAIL_PASSWORD}", "ca_file": "ca.pem"}
        site = CallersSite(tmp_path, upstream, workers=1, issuer={"listen": "127.0.0.1:0", "mail": {**mail, **secrets}})
        add_user(site.store, "alice", now=1.0, email="alice@mail.example")
        with site.store.begin() as connection:
            connection.execute(update(users).values(email_verified_at=1.0))
        site.__enter__()
        with site.store.begin() as connection:
            events.record(connection, "password.changed", "alice", now=time.time())
        return site

    async def scenario() -> None:
        async with office.open() as policy:
            site = await asyncio.to_thread(change, policy.port)
            try:
                while not office.taken:  # noqa: ASYNC110 - the server has no event of it
                    await asyncio.sleep(0.02)
            finally:
                await asyncio.to_thread(site.__exit__)
            snapshot = next(path for path in (tmp_path / ".doorward").rglob("snapshot*") if path.is_file())
            assert b"hunter2" not in snapshot.read_bytes()

    with RecordingUpstream() as upstream:
        asyncio.run(scenario())
    ((envelope, _message),) = office.taken
    assert envelope.rcpt_tos == ["alice@mail.example"]
