"""Mail asked for at an account: no stranger uses up its owner's share, and nobody drowns in it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from tests.identity.lab import SECRET, Lab, Visitor

from doorward.identity.addresses import ask_code, ask_recovery
from doorward.identity.devices import remember_device
from doorward.identity.mail.asking import ASKED_MOST as NETWORK_MOST
from doorward.identity.mail.bounds import ASKED_MOST, QUIET_S, STRANGERS_MOST, Asker
from doorward.identity.mail.outbox import LIFE_S
from doorward.store import Store, mails


@pytest.fixture
def lab(store: Store) -> Lab:
    lab = Lab(store, sends_mail=True)
    lab.with_address()
    lab.now += 3_601
    return lab


def asked(lab: Lab, asker: Asker, kind: str = "recover") -> bool:
    """Whether alice gets one more mail of that kind."""
    before = counted(lab, kind)
    if kind == "recover":
        ask_recovery(lab.store, SECRET, "alice", now=lab.now, asker=asker)
    else:
        ask_code(lab.store, SECRET, "alice", "v" * 64, now=lab.now, asker=asker)
    return counted(lab, kind) > before


def counted(lab: Lab, kind: str = "recover") -> int:
    with lab.store.begin() as connection:
        mine = (mails.c.kind == kind) & (mails.c.user == "alice")
        return int(connection.execute(select(func.count()).where(mine)).scalar_one())


def stranger(number: int) -> Asker:
    """Somebody in a network of their own."""
    return Asker(address=f"198.51.{number}.7")


def known(lab: Lab, address: str = "198.51.1.9") -> Asker:
    """A browser that alice signed in with once, in the network of a stranger."""
    with lab.store.begin() as connection:
        return Asker(address=address, device=remember_device(connection, "alice", now=lab.now))


@pytest.mark.parametrize("kind", ["recover", "code"])
def test_who_asks_from_one_network_uses_up_its_share_alone(lab: Lab, kind: str) -> None:
    assert [asked(lab, stranger(1), kind) for _ in range(10)] == [True] * ASKED_MOST + [False] * (10 - ASKED_MOST)
    assert not asked(lab, Asker(address="198.51.1.8"), kind)
    assert asked(lab, stranger(2), kind)


@pytest.mark.parametrize("kind", ["recover", "code"])
def test_strangers_of_many_networks_have_one_bound_and_a_known_browser_its_own(lab: Lab, kind: str) -> None:
    assert sum(asked(lab, stranger(number), kind) for number in range(40)) == STRANGERS_MOST
    owner = known(lab)
    assert [asked(lab, owner, kind) for _ in range(ASKED_MOST + 1)] == [True] * ASKED_MOST + [False]
    assert asked(lab, known(lab), kind)


def test_a_browser_that_somebody_else_signed_in_with_is_a_stranger(lab: Lab) -> None:
    for number in range(40):
        asked(lab, stranger(number))
    assert not asked(lab, Asker(address="198.51.1.9", device="d" * 43))
    lab.now += 181 * 86_400
    old = known(lab)
    lab.now += 181 * 86_400
    for number in range(40):
        asked(lab, stranger(number))
    assert not asked(lab, old)


def test_whoever_is_sent_nothing_has_a_link_that_is_good_for_a_quarter_of_an_hour(lab: Lab) -> None:
    """Whatever strangers do, minute by minute, for three hours."""
    sent: list[float] = []
    for minute in range(180):
        askers = [*(stranger(minute + number) for number in range(3)), Asker(address="203.0.113.5")]
        sent += [lab.now for asker in askers if asked(lab, asker)]
        assert lab.now - sent[-1] <= LIFE_S["recover"] - QUIET_S
        lab.now += 60
    latest = [sum(at - 3_600 < other <= at for other in sent) for at in sent]
    assert max(latest) <= STRANGERS_MOST + 3_600 / QUIET_S


def test_the_link_that_a_stranger_asked_for_is_the_owners(lab: Lab) -> None:
    for number in range(40):
        asked(lab, stranger(number))
    letter = lab.post_office()[-1]
    assert letter.to == "alice@mail.example"
    visitor = lab.visitor()
    ticket = letter.text.partition("ticket=")[2].partition("\n")[0]
    visitor.get("/auth/reset", ticket=ticket)
    assert "Password set" in visitor.send("/auth/reset", password="seven purple kettles hum").text


def test_a_code_is_not_sent_beyond_the_bounds_however_long_it_was_quiet(lab: Lab) -> None:
    for number in range(40):
        asked(lab, stranger(number), "code")
    lab.now += QUIET_S
    assert not asked(lab, stranger(50), "code")


@pytest.mark.parametrize("kind", ["recover", "code"])
def test_of_many_strangers_who_ask_at_once_no_more_are_heard(lab: Lab, kind: str) -> None:
    gate = threading.Barrier(16)

    def ask(number: int) -> None:
        gate.wait()
        asked(lab, stranger(number), kind)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(16)))
    assert counted(lab, kind) == STRANGERS_MOST


def test_of_many_who_ask_at_once_in_known_browsers_each_is_heard_three_times(lab: Lab) -> None:
    owners, gate = [known(lab) for _ in range(3)], threading.Barrier(15)

    def ask(number: int) -> None:
        gate.wait()
        asked(lab, owners[number % 3])

    with ThreadPoolExecutor(15) as pool:
        list(pool.map(ask, range(15)))
    assert counted(lab) == 3 * ASKED_MOST


def test_after_a_quiet_quarter_of_an_hour_one_of_many_is_heard(lab: Lab) -> None:
    for number in range(40):
        asked(lab, stranger(number))
    lab.now += QUIET_S
    before, gate = counted(lab), threading.Barrier(16)

    def ask(number: int) -> None:
        gate.wait()
        asked(lab, stranger(100 + number))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(16)))
    assert counted(lab) == before + 1


def said(visitor: Visitor, name: str) -> int:
    visitor.get("/auth/recovery")
    return visitor.send("/auth/recovery", name=name).status_code


def test_who_asks_for_others_in_ones_network_keeps_a_known_browser_from_nothing(lab: Lab) -> None:
    owner = lab.visitor().signed_in()
    thief = lab.visitor()
    assert [said(thief, f"user{number}") for number in range(NETWORK_MOST + 1)] == [200] * NETWORK_MOST + [429]
    assert said(owner, "alice") == 200
    assert said(owner, "bob") == 429
    assert counted(lab) == 1


def test_an_operator_has_a_share_that_no_stranger_uses_up(lab: Lab) -> None:
    for number in range(40):
        asked(lab, stranger(number))
    assert asked(lab, Asker(is_operator=True))
