"""A thief with the password moves the mail elsewhere; the owner keeps it, and is locked out by none of this."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.identity.lab import PASSWORD, SECRET, Lab, Visitor

from doorward.identity import address_holds
from doorward.identity.addresses import Address, address_of
from doorward.identity.enrolling import set_password
from doorward.identity.events import events_of
from doorward.identity.mail.writing import Letter
from doorward.identity.tidying import tidy
from doorward.identity.users import disable_user
from doorward.store import Store

OWNERS, THIEFS, DAY_S = "alice@mail.example", "thief@evil.example", 86_400.0
NEW = "seven purple kettles hum"


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store, sends_mail=True)


@pytest.fixture
def owner(lab: Lab) -> Visitor:
    """In a browser that has been known for days, with an address that has been proved for as long."""
    visitor = lab.with_address()
    lab.now += 7 * DAY_S
    return again(visitor)


def again(visitor: Visitor) -> Visitor:
    """The same browser, signed in a moment ago."""
    visitor.get("/auth/login")
    return visitor.signed_in()


def thief_of(lab: Lab) -> Visitor:
    return lab.visitor(address="203.0.113.9").signed_in()


def moved(lab: Lab, visitor: Visitor, email: str = THIEFS) -> str:
    """The page after that browser asked for an address and opened the link that went there."""
    lab.post_office()
    visitor.get("/account")
    visitor.send("/account/email", email=email)
    (letter,) = [letter for letter in lab.post_office() if letter.to == email]
    return lab.open_link(letter, visitor).text


def email(lab: Lab) -> str:
    found = address_of(lab.store, "alice")
    assert isinstance(found, Address)
    return found.email


def recovers_to(lab: Lab) -> list[str]:
    visitor = lab.visitor()
    visitor.get("/auth/recovery")
    visitor.send("/auth/recovery", name="alice")
    return [letter.to for letter in lab.post_office() if letter.subject == "Set a new password"]


def after_a_day(lab: Lab) -> None:
    lab.now += DAY_S
    tidy(lab.store, now=lab.now)


def notice(letters: list[Letter], text: str) -> Letter:
    (found,) = [letter for letter in letters if text in letter.text]
    return found


def kinds(lab: Lab) -> list[str]:
    return [event.kind for event in events_of(lab.store, "alice")]


def test_what_a_new_browser_changes_waits_a_day_and_the_address_there_is_hears_of_it(lab: Lab, owner: Visitor) -> None:
    assert "waits for 24 hours" in moved(lab, thief_of(lab))
    assert notice(lab.post_office(), "another address, which happens in 24 hours").to == OWNERS
    assert (email(lab), recovers_to(lab)) == (OWNERS, [OWNERS])
    lab.now += DAY_S - 1
    tidy(lab.store, now=lab.now)
    assert (email(lab), recovers_to(lab)) == (OWNERS, [OWNERS])
    lab.now += 1
    tidy(lab.store, now=lab.now)
    assert (email(lab), recovers_to(lab)) == (THIEFS, [THIEFS])


def test_the_notices_link_drops_what_waits(lab: Lab, owner: Visitor) -> None:
    moved(lab, thief_of(lab))
    page = lab.open_link(notice(lab.post_office(), "happens in 24 hours"))
    assert "Locked up" in page.text
    after_a_day(lab)
    assert (email(lab), recovers_to(lab)) == (OWNERS, [OWNERS])
    assert "email.kept" in kinds(lab)


def test_a_change_that_counts_is_taken_back_by_the_address_before(lab: Lab, owner: Visitor) -> None:
    """A thief who waits until their browser is known, or until the hold is over, gains three days and no more."""
    moved(lab, thief_of(lab))
    lab.post_office()
    after_a_day(lab)
    told = notice(lab.post_office(), "The mail address was changed.")
    assert (told.to, email(lab)) == (OWNERS, THIEFS)
    assert "Locked up" in lab.open_link(told).text
    assert (email(lab), recovers_to(lab)) == (OWNERS, [OWNERS])
    assert "email.given_back" in kinds(lab)


def test_a_thief_who_waits_an_hour_gains_as_little(lab: Lab, owner: Visitor) -> None:
    thief = thief_of(lab)
    lab.now += address_holds.NEW_S
    assert "from now on" in moved(lab, again(thief))
    told = notice(lab.post_office(), "The mail address was changed.")
    assert (told.to, email(lab)) == (OWNERS, THIEFS)
    lab.open_link(told)
    assert email(lab) == OWNERS


def test_a_link_read_at_the_thiefs_address_takes_nothing_from_the_owner(lab: Lab, owner: Visitor) -> None:
    thief = thief_of(lab)
    lab.now += address_holds.NEW_S
    moved(lab, again(thief))
    owners = notice(lab.post_office(), "The mail address was changed.")
    thief.get("/account")
    thief.send("/account/recovery")
    (thiefs,) = lab.post_office()
    assert thiefs.to == THIEFS
    thief.get("/account")
    thief.send("/account/recovery")
    (late,) = lab.post_office()
    lab.open_link(thiefs)
    assert email(lab) == THIEFS
    assert "Locked up" in lab.open_link(owners).text
    assert email(lab) == OWNERS
    assert "void" in lab.open_link(late).text
    assert (email(lab), recovers_to(lab)) == (OWNERS, [OWNERS])


def test_of_two_changes_the_first_address_is_given_back(lab: Lab, owner: Visitor) -> None:
    thief = thief_of(lab)
    lab.now += address_holds.NEW_S
    moved(lab, again(thief))
    owners = notice(lab.post_office(), "The mail address was changed.")
    lab.now += 2 * DAY_S
    moved(lab, again(thief), "second@evil.example")
    lab.open_link(notice(lab.post_office(), "The mail address was changed."))
    assert email(lab) == "second@evil.example"
    lab.open_link(owners)
    assert email(lab) == OWNERS


def test_an_address_a_thief_has_just_given_is_never_given_back(lab: Lab) -> None:
    """The owner had none: mail to the thief must not undo what the owner does against it."""
    owner = lab.visitor().signed_in()
    lab.now += 7 * DAY_S
    moved(lab, thief_of(lab))
    assert "from now on" in moved(lab, again(owner), OWNERS)
    told = notice(lab.post_office(), "The mail address was changed.")
    assert told.to == THIEFS
    lab.open_link(told)
    assert email(lab) == OWNERS


def test_the_owner_changes_at_once_in_a_browser_known_before(lab: Lab, owner: Visitor) -> None:
    moved(lab, thief_of(lab))
    assert "from now on" in moved(lab, again(owner), "new@mail.example")
    after_a_day(lab)
    assert (email(lab), recovers_to(lab)) == ("new@mail.example", ["new@mail.example"])


@pytest.mark.parametrize(("answer", "expected"), [("use", "new@mail.example"), ("drop", OWNERS), ("", OWNERS)])
def test_a_browser_known_before_ends_the_wait(lab: Lab, owner: Visitor, answer: str, expected: str) -> None:
    moved(lab, lab.visitor().signed_in(), "new@mail.example")
    owner.get("/account")
    assert owner.send("/account/email/held", answer=answer).status_code == 303
    after_a_day(lab)
    assert email(lab) == expected


@pytest.mark.parametrize("answer", ["use", "drop"])
def test_a_new_browser_ends_no_wait(lab: Lab, owner: Visitor, answer: str) -> None:
    thief = thief_of(lab)
    moved(lab, thief)
    thief.get("/account")
    assert thief.send("/account/email/held", answer=answer).status_code == 403
    assert email(lab) == OWNERS
    assert "email.kept" not in kinds(lab)


def test_a_stolen_session_without_the_browsers_cookie_is_a_new_browser(lab: Lab, owner: Visitor) -> None:
    del owner.cookies["__Host-doorward-device"]
    assert "waits for 24 hours" in moved(lab, owner)


def test_only_the_address_that_was_looked_at_is_used(lab: Lab, owner: Visitor) -> None:
    moved(lab, lab.visitor().signed_in(), "new@mail.example")
    owner.get("/account")
    form = owner.hidden("/account/email/held")
    moved(lab, thief_of(lab))
    assert owner.post("/account/email/held", **form, answer="use").status_code == 400
    assert email(lab) == OWNERS


def test_ending_the_wait_needs_a_login_of_the_last_ten_minutes(lab: Lab, owner: Visitor) -> None:
    moved(lab, lab.visitor().signed_in(), "new@mail.example")
    owner.get("/account")
    form = owner.hidden("/account/email/held")
    lab.now += 601
    answer = owner.post("/account/email/held", **form, answer="use")
    assert (answer.headers["location"], email(lab)) == ("/auth/login", OWNERS)


def test_whoever_sets_a_new_password_drops_what_waits(lab: Lab, owner: Visitor) -> None:
    moved(lab, thief_of(lab))
    owner.get("/account")
    owner.send("/account/password", current=PASSWORD, password=NEW)
    after_a_day(lab)
    assert email(lab) == OWNERS


def test_a_password_set_by_link_drops_what_waits(lab: Lab, owner: Visitor) -> None:
    moved(lab, thief_of(lab))
    lab.post_office()
    visitor = lab.visitor()
    visitor.get("/auth/recovery")
    visitor.send("/auth/recovery", name="alice")
    (letter,) = lab.post_office()
    visitor.get("/auth/reset", ticket=letter.text.partition("ticket=")[2].partition("\n")[0])
    assert "Password set" in visitor.send("/auth/reset", password=NEW).text
    after_a_day(lab)
    assert email(lab) == OWNERS


def test_a_disabled_account_takes_no_address_that_waits(lab: Lab, owner: Visitor) -> None:
    moved(lab, thief_of(lab))
    disable_user(lab.store, "alice", now=lab.now)
    after_a_day(lab)
    assert email(lab) == OWNERS


def test_after_three_days_an_address_is_no_longer_given_back(lab: Lab, owner: Visitor) -> None:
    moved(lab, owner, "new@mail.example")
    told = notice(lab.post_office(), "The mail address was changed.")
    lab.now += address_holds.BEFORE_S
    assert "void" in lab.open_link(told).text
    with lab.store.begin() as connection:
        assert not address_holds.give_back(connection, "alice", OWNERS, now=lab.now)
    assert email(lab) == "new@mail.example"


def test_of_settling_and_taking_back_at_once_the_owner_wins(lab: Lab, owner: Visitor) -> None:
    """Whichever comes first: what waits is dropped, or what counts is given back."""
    for _ in range(4):
        lab.now += 7 * DAY_S
        moved(lab, thief_of(lab))
        letter = notice(lab.post_office(), "happens in 24 hours")
        lab.now += DAY_S
        barrier = threading.Barrier(2)

        def settle(barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            tidy(lab.store, now=lab.now)

        def take_back(barrier: threading.Barrier = barrier, letter: Letter = letter) -> None:
            barrier.wait()
            lab.open_link(letter)

        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(settle), pool.submit(take_back)]:
                future.result()
        assert email(lab) == OWNERS
        set_password(lab.store, "alice", PASSWORD, pepper=SECRET, now=lab.now)
