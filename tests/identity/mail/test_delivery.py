"""Mail sent to a real SMTP server over TLS, and every way in which that can fail."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from tests.identity.lab import ISSUER, NOW, PASSWORD, SECRET

from doorward.identity import events
from doorward.identity.addresses import ask_recovery
from doorward.identity.events import events_of
from doorward.identity.mail.delivery import Delivery
from doorward.identity.mail.outbox import LEASE_S, LIFE_S, WAITS_S, Mail
from doorward.identity.mail.writing import Letter, Writer
from doorward.identity.users import add_user
from doorward.policy.mail import MailPolicy
from doorward.store import Store, users


class PostOffice:
    """A mail server that wants TLS and a password, and what it took."""

    def __init__(self, directory: Path, host: str = "localhost") -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert(host)
        key, chain, self.ca = directory / "key.pem", directory / "chain.pem", directory / "ca.pem"
        certificate.private_key_pem.write_to_path(str(key))
        certificate.cert_chain_pems[0].write_to_path(str(chain))
        authority.cert_pem.write_to_path(str(self.ca))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(chain, key)
        self.taken: list[tuple[Envelope, Message]] = []
        self.refuses = ""

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        if self.refuses:
            return self.refuses
        assert isinstance(envelope.content, bytes)
        self.taken.append((envelope, message_from_bytes(envelope.content)))
        return "250 taken"

    @staticmethod
    def _is_right(_server: Any, _session: Any, _envelope: Any, _mechanism: Any, data: Any) -> AuthResult:
        # not handled: the server says itself that it was wrong; else nobody would, and the client waited for long
        return AuthResult(success=data == LoginPassword(b"doorward", b"hunter2hunter2"), handled=False)

    @asynccontextmanager
    async def open(self, **more: Any) -> AsyncIterator[MailPolicy]:
        """The policy by which it is reached while it is open."""

        def made() -> SMTP:
            return SMTP(
                self,
                tls_context=self.tls,
                require_starttls=True,
                auth_required=True,
                authenticator=self._is_right,
                timeout=30,
                enable_SMTPUTF8=True,
            )

        server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        given = {"username": "doorward", "password": SecretStr("hunter2hunter2"), "ca_file": self.ca, **more}
        async with server:
            yield MailPolicy(host="localhost", port=port, sender="login@issuer.example", **given)


@pytest.fixture
def office(tmp_path: Path) -> PostOffice:
    return PostOffice(tmp_path)


class Desk:
    """A store with a user who can be written to, and a clock."""

    def __init__(self, store: Store) -> None:
        self.store, self.now = store, NOW
        add_user(store, "alice", now=NOW, password=PASSWORD, email="alice@mail.example")
        with store.begin() as connection:
            connection.execute(update(users).values(email_verified_at=NOW))
            events.record(connection, "password.changed", "alice", now=NOW, address="192.0.2.7")

    def deliver(self, office: PostOffice | None, **mistakes: Any) -> int:
        writer = Writer(self.store, SECRET, ISSUER)

        async def once() -> int:
            async with AsyncExitStack() as stack:
                policy = None if office is None else await stack.enter_async_context(office.open(**mistakes))
                delivery = Delivery(self.store, writer, issuer=ISSUER, policy=lambda: policy, clock=lambda: self.now)
                return await delivery.deliver()

        return asyncio.run(once())


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


def test_a_notice_reaches_its_user(desk: Desk, office: PostOffice) -> None:
    assert desk.deliver(office) == 1
    ((envelope, message),) = office.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("login@issuer.example", ["alice@mail.example"])
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert b"The password was changed." in text
    assert b"192.0.2.7" in text
    assert b"https://issuer.example/auth/not-me?ticket=" in text
    assert desk.deliver(office) == 0


def test_without_a_server_mail_waits(desk: Desk, office: PostOffice) -> None:
    assert desk.deliver(None) == 0
    assert desk.deliver(office) == 1


@pytest.mark.parametrize(
    "mistake",
    [
        {"ca_file": None},
        {"password": SecretStr("wrong")},
        {"username": None, "password": None},
        {"tls": "implicit"},
        {"ca_file": Path("/no/such/file")},
    ],
    ids=["untrusted", "wrong password", "no login", "no TLS at once", "no authorities"],
)
def test_what_is_wrong_with_the_server_hands_over_nothing_and_is_tried_again(
    desk: Desk, office: PostOffice, mistake: dict[str, Any]
) -> None:
    with capture_logs() as logged:
        assert desk.deliver(office, **mistake) == 1
    assert office.taken == []
    assert [entry["event"] for entry in logged] == ["a mail was not taken"]
    assert "alice" not in str(logged)
    assert "hunter2" not in str(logged)
    assert desk.deliver(office) == 0
    desk.now += WAITS_S[0]
    assert desk.deliver(office) == 1
    assert len(office.taken) == 1


def test_a_certificate_for_another_name_gets_nothing(desk: Desk, tmp_path: Path) -> None:
    office = PostOffice(tmp_path, "elsewhere.example")
    with capture_logs():
        desk.deliver(office)
    assert office.taken == []


def test_a_mail_that_nobody_takes_is_given_up_and_its_user_can_see_it(desk: Desk, office: PostOffice) -> None:
    office.refuses = "451 later"
    with capture_logs():
        for wait_s in (0, *WAITS_S):
            desk.now += wait_s
            assert desk.deliver(office) == 1
    desk.now += LIFE_S["notice"]
    assert desk.deliver(office) == 0
    assert events_of(desk.store, "alice")[0].kind == "mail.undelivered"


def test_a_mail_that_the_store_fails_at_keeps_no_other_back(desk: Desk, office: PostOffice) -> None:
    class Failing(Writer):
        def write(self, mail: Mail, *, now: float) -> Letter | None:
            if mail.user == "alice":
                raise OperationalError("SELECT", {}, Exception("database is locked"))
            return super().write(mail, now=now)

    add_user(desk.store, "bob", now=NOW, password=PASSWORD, email="bob@mail.example")
    with desk.store.begin() as connection:
        connection.execute(update(users).values(email_verified_at=NOW))
        events.record(connection, "password.changed", "bob", now=NOW)

    async def once() -> int:
        async with office.open() as policy:
            writer = Failing(desk.store, SECRET, ISSUER)
            return await Delivery(
                desk.store, writer, issuer=ISSUER, policy=lambda: policy, clock=lambda: desk.now
            ).deliver()

    with capture_logs() as logged:
        assert asyncio.run(once()) == 2
    assert [envelope.rcpt_tos for envelope, _ in office.taken] == [["bob@mail.example"]]
    assert [entry["reason"] for entry in logged] == ["OperationalError"]
    desk.now += LEASE_S
    assert desk.deliver(office) == 1
    assert len(office.taken) == 2


def test_a_link_is_not_sent_late(desk: Desk, office: PostOffice) -> None:
    desk.deliver(office)
    ask_recovery(desk.store, SECRET, "alice", now=desk.now)
    office.refuses = "451 later"
    with capture_logs():
        desk.deliver(office)
    office.refuses = ""
    desk.now += LIFE_S["recover"]
    desk.deliver(office)
    assert len(office.taken) == 1


def test_no_secret_shows_in_the_policy() -> None:
    policy = MailPolicy(host="mail.example", sender="a@b.example", password=SecretStr("hunter2"))
    assert "hunter2" not in repr(policy) + policy.model_dump_json()
