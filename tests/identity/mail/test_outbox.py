"""The outbox: bounded, taken once, nothing in it that opens a door."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, insert, select
from tests.identity.lab import ISSUER, NOW, PASSWORD, SECRET, Lab

from doorward.identity import events
from doorward.identity.addresses import ask_code, ask_recovery, confirm
from doorward.identity.federation.links import add_link
from doorward.identity.mail import bounds, outbox
from doorward.identity.mail.asking import ASKED_MOST as NETWORK_MOST
from doorward.identity.mail.asking import Asking
from doorward.identity.mail.notices import NOTICES_MOST, mail_row
from doorward.identity.mail.writing import Writer
from doorward.identity.tidying import tidy
from doorward.identity.users import add_user, disable_user
from doorward.store import Store, mails, users


@pytest.fixture
def lab(store: Store) -> Lab:
    lab = Lab(store, sends_mail=True)
    lab.with_address()
    return lab


def waiting(store: Store) -> int:
    with store.begin() as connection:
        return len(connection.execute(select(mails.c.id).where(mails.c.done_at.is_(None))).all())


@pytest.mark.parametrize("kind", ["recovery", "code"])
def test_asking_takes_the_same_statements_whether_there_is_anybody_or_not(lab: Lab, kind: str) -> None:
    """ID-72: what differs would show in the time."""
    add_user(lab.store, "bob", now=NOW, password=PASSWORD)
    add_user(lab.store, "carol", now=NOW, password=PASSWORD, email="carol@mail.example")
    add_user(lab.store, "dave", now=NOW, password=PASSWORD)
    disable_user(lab.store, "dave", now=NOW)
    seen: dict[str, list[str]] = {}
    for name in ("alice", "bob", "carol", "dave", "nobody", "no name\n"):
        statements = seen.setdefault(name, [])

        def note(*given: object, statements: list[str] = statements) -> None:
            statements.append(str(given[2]))

        event.listen(lab.store._engine, "before_cursor_execute", note)
        for _ in range(bounds.ASKED_MOST + 1):
            if kind == "recovery":
                ask_recovery(lab.store, SECRET, name, now=lab.now)
            else:
                ask_code(lab.store, SECRET, name, "v" * 64, now=lab.now)
        event.remove(lab.store._engine, "before_cursor_execute", note)
    assert len({tuple(statements) for statements in seen.values()}) == 1
    assert len(seen["alice"]) > 8
    assert {letter.to for letter in lab.post_office()} == {"alice@mail.example"}


def test_eight_senders_take_a_mail_once(lab: Lab) -> None:
    for _ in range(10):
        with lab.store.begin() as connection:
            events.record(connection, "password.changed", "alice", now=lab.now)
        barrier = threading.Barrier(8)

        def take(barrier: threading.Barrier = barrier) -> int:
            barrier.wait()
            return len(outbox.take_due(lab.store, now=lab.now))

        with ThreadPoolExecutor(8) as pool:
            assert sum(future.result() for future in [pool.submit(take) for _ in range(8)]) == 1


def test_a_sender_that_died_leaves_its_mail_to_the_next(lab: Lab) -> None:
    with lab.store.begin() as connection:
        events.record(connection, "password.changed", "alice", now=lab.now)
    assert len(outbox.take_due(lab.store, now=lab.now)) == 1
    assert outbox.take_due(lab.store, now=lab.now + outbox.LEASE_S - 1) == []
    assert len(outbox.take_due(lab.store, now=lab.now + outbox.LEASE_S)) == 1


def test_an_account_is_asked_for_three_mails_an_hour_and_nobody_hears_the_difference(lab: Lab) -> None:
    for _ in range(10):
        ask_recovery(lab.store, SECRET, "alice", now=lab.now)
    assert len(lab.post_office()) == bounds.ASKED_MOST
    lab.now += 3_601
    ask_recovery(lab.store, SECRET, "alice", now=lab.now)
    assert len(lab.post_office()) == 1


def test_a_network_may_ask_twenty_times_an_hour() -> None:
    asking = Asking()
    assert [asking.may(f"192.0.2.{number}", NOW) for number in range(NETWORK_MOST + 1)] == [True] * NETWORK_MOST + [
        False
    ]
    assert asking.may("198.51.100.1", NOW)
    assert asking.may("2001:db8::1", NOW)
    assert asking.may("no address", NOW)
    assert asking.may("192.0.2.1", NOW + 3_600)


def test_of_many_who_ask_at_once_no_more_are_heard(lab: Lab) -> None:
    before, gate = waiting(lab.store), threading.Barrier(16)

    def ask(_number: int) -> None:
        gate.wait()
        ask_recovery(lab.store, SECRET, "alice", now=lab.now)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(16)))
    assert waiting(lab.store) == before + bounds.ASKED_MOST


def test_a_full_outbox_takes_notices_still(lab: Lab) -> None:
    rows = [mail_row("recover", "", "x", "", lab.now) for _ in range(outbox.WAITING_MOST)]
    with lab.store.begin() as connection:
        connection.execute(insert(mails), rows)
    before = waiting(lab.store)
    ask_recovery(lab.store, SECRET, "alice", now=lab.now)
    assert waiting(lab.store) == before
    with lab.store.begin() as connection:
        events.record(connection, "password.changed", "alice", now=lab.now)
    assert waiting(lab.store) == before + 1


def test_a_user_gets_up_to_ten_notices_of_one_kind_an_hour(lab: Lab) -> None:
    lab.now += 3_601
    for _ in range(NOTICES_MOST + 5):
        with lab.store.begin() as connection:
            events.record(connection, "password.changed", "alice", now=lab.now)
    assert waiting(lab.store) == NOTICES_MOST


def test_a_stranger_who_locks_an_account_floods_nobody_and_hides_nothing(lab: Lab) -> None:
    """ID-75: what happens beside the noise is told."""
    lab.now += 3_601
    for _ in range(40):
        lab.now += 60
        with lab.store.begin() as connection:
            events.record(connection, "login.locked", "alice", now=lab.now)
    with lab.store.begin() as connection:
        events.record(connection, "email.changed", "alice", now=lab.now)
    assert [letter.subject.partition(": ")[2].split()[0] for letter in lab.post_office()] == ["Somebody", "The"]


def test_nothing_that_opens_a_door_rests_in_the_outbox(lab: Lab) -> None:
    ask_recovery(lab.store, SECRET, "alice", now=lab.now)
    ask_code(lab.store, SECRET, "alice", "v" * 64, now=lab.now)
    with lab.store.begin() as connection:
        details = connection.execute(select(mails.c.detail)).scalars().all()
        codes = connection.exec_driver_sql(
            "SELECT count(*) FROM single_use WHERE used_at IS NULL AND purpose IN ('mail_code', 'password_reset')"
        ).scalar()
    assert codes == 0
    assert {key for detail in details for key in detail} <= {"at", "event", "of", "visit", "is_new"}


def test_a_link_to_an_account_elsewhere_is_told(lab: Lab) -> None:
    """ID-75: it is a new way in."""
    with lab.store.begin() as connection:
        assert add_link(connection, "https://login.example.org", "subject-1", "alice", now=lab.now)
    (letter,) = lab.post_office()
    assert "An account elsewhere was linked" in letter.text


def test_mail_that_is_a_day_old_goes(lab: Lab) -> None:
    with lab.store.begin() as connection:
        events.record(connection, "password.changed", "alice", now=lab.now)
    tidy(lab.store, now=lab.now + 86_401)
    assert waiting(lab.store) == 0


def test_nothing_is_sent_to_an_address_that_is_no_longer_its_users(lab: Lab) -> None:
    ask_recovery(lab.store, SECRET, "alice", now=lab.now)
    ask_code(lab.store, SECRET, "alice", "v" * 64, now=lab.now)
    with lab.store.begin() as connection:
        connection.execute(users.update().where(users.c.name == "alice").values(email="new@mail.example"))
    assert lab.post_office() == []


def test_a_disabled_user_gets_no_mail(lab: Lab) -> None:
    ask_recovery(lab.store, SECRET, "alice", now=lab.now)
    disable_user(lab.store, "alice", now=lab.now)
    assert lab.post_office() == []


def test_eight_openings_of_a_link_have_one_winner(lab: Lab) -> None:
    writer = Writer(lab.store, SECRET, ISSUER)
    lab.now += 3_601
    for number in range(bounds.ASKED_MOST):
        from doorward.identity.addresses import ask_verification

        with lab.store.begin() as connection:
            assert ask_verification(connection, SECRET, "alice", f"new{number}@mail.example", device=None, now=lab.now)
        (mail, *_) = [mail for mail in outbox.take_due(lab.store, now=lab.now) if mail.kind == "verify"]
        letter = writer.write(mail, now=lab.now)
        assert letter is not None
        ticket = letter.text.partition("ticket=")[2].partition("\n")[0]
        barrier = threading.Barrier(8)

        def once(ticket: str = ticket, barrier: threading.Barrier = barrier) -> bool:
            barrier.wait()
            return confirm(lab.store, ticket, now=lab.now) is not None

        with ThreadPoolExecutor(8) as pool:
            assert sum(future.result() for future in [pool.submit(once) for _ in range(8)]) == 1
