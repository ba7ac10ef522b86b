"""Mail over HTTP: notices, forgotten passwords, codes: statements ID-69, ID-70, ID-72 and ID-75 of the reference."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.identity.lab import ISSUER, KEY, PASSWORD, SECRET, Lab, Visitor

from doorward.identity.addresses import address_of, ask_code
from doorward.identity.credentials import Proved, Verifier
from doorward.identity.enrolling import list_factors
from doorward.identity.events import events_of
from doorward.identity.factors.totp import hotp, step_at
from doorward.identity.mail.asking import ASKED_MOST
from doorward.identity.mail.writing import Letter
from doorward.identity.users import add_user
from doorward.jose import Expected, split_unverified, verify_jwt
from doorward.store import Store

NEW = "seven purple kettles hum"


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store, sends_mail=True)


def is_in(visitor: Visitor) -> bool:
    return "Signed in as" in visitor.get("/account").text


def recovery(lab: Lab, name: str = "alice", **headers: str) -> list[Letter]:
    """The mails after somebody said that they forgot that password."""
    visitor = lab.visitor(**headers)
    visitor.get("/auth/recovery")
    assert "a mail is on its way" in visitor.send("/auth/recovery", name=name).text
    return lab.post_office()


def many_fail(lab: Lab) -> None:
    for number in range(60):
        lab.visitor(address=f"198.51.100.{number}").sign_in(f"guess number {number}", f"user{number}")


def test_an_address_counts_once_its_user_has_opened_the_link(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    assert "Look at your mail" in visitor.send("/account/email", email="alice@mail.example").text
    (letter,) = lab.post_office()
    assert letter.to == "alice@mail.example"
    assert address_of(lab.store, "alice") is None
    assert "Address proved" in lab.open_link(letter).text
    assert "void" in lab.open_link(letter).text
    assert "alice@mail.example" in visitor.get("/account").text


def test_looking_at_a_link_does_nothing(lab: Lab) -> None:
    lab.visitor().signed_in().send("/account/email", email="alice@mail.example")
    (letter,) = lab.post_office()
    ticket = letter.text.partition("ticket=")[2].partition("\n")[0]
    for _ in range(3):
        assert "Is this your address?" in lab.visitor().get("/auth/email", ticket=ticket).text
    assert address_of(lab.store, "alice") is None


def test_an_operators_address_is_not_used_before_it_is_proved(lab: Lab) -> None:
    add_user(lab.store, "bob", now=lab.now, password=PASSWORD, email="bob@mail.example")
    assert recovery(lab, "bob") == []
    visitor = lab.visitor().signed_in(name="bob")
    assert "not proved yet" in visitor.page.text if visitor.page else False
    assert lab.post_office() == []


@pytest.mark.parametrize(
    "email",
    [
        *("", "alice", "a@b", "a b@mail.example", "a@mail.example\r\nBcc: x@y.example", "a@" + "m." * 200 + "example"),
        # encoded words: the header would name thief@evil.example
        *("=?utf-8?q?thief=40evil.example=3E?=@mail.example", "=?utf-8?q?thief=40evil.example=2C?=@mail.example"),
    ],
)
def test_what_is_no_address_is_refused(lab: Lab, email: str) -> None:
    visitor = lab.visitor().signed_in()
    assert visitor.send("/account/email", email=email).status_code in {400, 413}
    assert lab.post_office() == []


def test_the_address_before_hears_that_it_is_no_more(lab: Lab) -> None:
    """ID-75."""
    visitor = lab.with_address()
    lab.now += 3_600
    visitor.get("/auth/login")
    visitor.signed_in().send("/account/email", email="new@mail.example")
    (letter,) = lab.post_office()
    assert letter.to == "new@mail.example"
    lab.open_link(letter)
    (notice,) = lab.post_office()
    assert notice.to == "alice@mail.example"
    assert "The mail address was changed." in notice.text


def test_every_change_is_told(lab: Lab) -> None:
    """ID-75."""
    visitor = lab.with_address()
    visitor.add_totp()
    told = " ".join(letter.text for letter in lab.post_office())
    assert "A second factor was added." in told
    assert "New recovery codes were made" in told
    visitor.get("/account")
    (factor,) = list_factors(lab.store, "alice")
    visitor.send("/account/factors/remove", factor=factor.id)
    visitor.get("/account")
    visitor.send("/account/password", current=PASSWORD, password=NEW)
    told = " ".join(letter.text for letter in lab.post_office())
    assert "A second factor was removed." in told
    assert "The password was changed." in told
    lab.visitor(address="203.0.113.9").signed_in(password=NEW)
    (letter,) = lab.post_office()
    assert "a browser that was not known before" in letter.text
    assert "203.0.113.9" in letter.text
    visitor.get("/auth/login")
    visitor.signed_in(password=NEW)
    assert lab.post_office() == []


def test_who_says_it_was_not_them_ends_every_session_and_the_password(lab: Lab) -> None:
    lab.with_address()
    tokens = lab.tokens()
    thief = lab.visitor(address="203.0.113.9").signed_in()
    letter = lab.post_office()[-1]
    assert "Locked up" in lab.open_link(letter).text
    assert "void" in lab.open_link(letter).text
    assert not is_in(thief)
    assert lab.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert lab.visitor().sign_in().status_code == 403
    assert "risk.raised" in {event.kind for event in events_of(lab.store, "alice")}
    (link,) = recovery(lab)
    visitor = lab.visitor()
    ticket = link.text.partition("ticket=")[2].partition("\n")[0]
    visitor.get("/auth/reset", ticket=ticket)
    assert "Password set" in visitor.send("/auth/reset", password=NEW).text
    assert lab.visitor().sign_in(NEW).status_code == 303


def test_a_forgotten_password_is_set_with_a_link_good_once_and_for_half_an_hour(lab: Lab) -> None:
    other = lab.with_address()
    (letter,), (again,) = recovery(lab), recovery(lab)
    assert letter.to == "alice@mail.example"
    visitor = lab.visitor()
    tickets = [found.text.partition("ticket=")[2].partition("\n")[0] for found in (letter, again)]
    visitor.get("/auth/reset", ticket=tickets[0])
    assert "Password set" in visitor.send("/auth/reset", password=NEW).text
    assert not is_in(other)
    for ticket in tickets:
        assert lab.visitor().get("/auth/reset", ticket=ticket).status_code == 400
    (late,) = recovery(lab)[:1]
    lab.now += 1_800
    ticket = late.text.partition("ticket=")[2].partition("\n")[0]
    assert lab.visitor().get("/auth/reset", ticket=ticket).status_code == 400


def test_a_link_by_mail_never_stands_for_the_second_factor(lab: Lab) -> None:
    """ID-72."""
    seed, _ = lab.with_address().add_totp()
    lab.post_office()
    (letter,) = recovery(lab)
    visitor = lab.visitor()
    visitor.get("/auth/reset", ticket=letter.text.partition("ticket=")[2].partition("\n")[0])
    assert visitor.send("/auth/reset", password=NEW).status_code == 400
    assert visitor.send("/auth/reset", password=NEW, code="12345678").status_code == 400
    assert "Password set" in visitor.send("/auth/reset", password=NEW, code=hotp(seed, step_at(lab.now))).text
    assert lab.visitor().sign_in(NEW).headers["location"] == "/auth/factor"


def test_who_has_an_account_does_not_show(lab: Lab) -> None:
    """ID-72."""
    lab.with_address()
    pages = set()
    for name in ("alice", "nobody", "", "x" * 1_000, "alice\u00e9"):
        visitor = lab.visitor()
        visitor.get("/auth/recovery")
        answer = visitor.send("/auth/recovery", name=name)
        pages.add((answer.status_code, answer.text, tuple(sorted(answer.headers))))
    assert len(pages) == 1
    assert [letter.to for letter in lab.post_office()] == ["alice@mail.example"]


def test_a_network_that_asks_too_often_is_told_so_whoever_it_asks_for(lab: Lab) -> None:
    visitor = lab.visitor()
    visitor.get("/auth/recovery")
    csrf = visitor.hidden("/auth/recovery")
    answers = [visitor.post("/auth/recovery", **csrf, name=f"user{number}") for number in range(ASKED_MOST + 1)]
    assert [answer.status_code for answer in answers] == [200] * ASKED_MOST + [429]


@pytest.mark.parametrize(
    "headers",
    [{"host": "evil.example"}, {"x-forwarded-host": "evil.example"}, {"forwarded": "host=evil.example;proto=http"}],
    ids=["host", "x-forwarded-host", "forwarded"],
)
def test_a_link_never_leads_where_a_request_says(lab: Lab, headers: dict[str, str]) -> None:
    """Zitadel CVE-2025-64101."""
    lab.with_address()
    (letter,) = recovery(lab, **headers)
    assert "evil.example" not in letter.text
    assert f"{ISSUER}/auth/reset?ticket=" in letter.text


def code_by_mail(lab: Lab, visitor: Visitor, name: str = "alice") -> str:
    visitor.get("/auth/code")
    visitor.send("/auth/code", name=name)
    letters = lab.post_office()
    found = re.search(r"Your code: (\d{8})\n", letters[-1].text) if letters else None
    return found[1] if found else ""


def challenged(lab: Lab, visitor: Visitor, code: str, password: str = PASSWORD) -> int:
    visitor.get("/auth/login", code="1")
    return visitor.send("/auth/login", name="alice", password=password, code=code).status_code


def test_a_code_by_mail_passes_a_challenge_once_and_never_raises_acr(lab: Lab) -> None:
    """ID-69, ID-70."""
    lab.with_address()
    many_fail(lab)
    stranger = lab.visitor()
    assert stranger.sign_in().status_code == 403
    code = code_by_mail(lab, stranger)
    assert challenged(lab, stranger, code) == 303
    token = lab.redeem(stranger.authorized()).json()["id_token"]
    expected = Expected(issuer=ISSUER, audience="web", types=frozenset({"jwt"}))
    claims = verify_jwt(split_unverified(token), KEY.public, expected, now=lab.now)
    assert (claims["acr"], claims["amr"]) == ("urn:doorward:acr:1", ["pwd"])
    other = lab.visitor()
    other.cookies.update(stranger.cookies)
    del other.cookies["__Host-doorward-device"]
    assert challenged(lab, other, code) == 403


def test_a_code_is_good_in_its_browser_for_its_user_and_for_ten_minutes(lab: Lab) -> None:
    """ID-69."""
    lab.with_address()
    stranger, thief = lab.visitor(), lab.visitor()
    code = code_by_mail(lab, stranger)
    assert challenged(lab, thief, code) == 403
    lab.now += 600
    assert challenged(lab, stranger, code) == 403
    new = code_by_mail(lab, stranger)
    assert challenged(lab, stranger, new, "wrong wrong wrong wrong") == 403
    assert challenged(lab, stranger, new) in {403, 429}


def test_who_asks_for_a_code_does_not_void_the_one_its_owner_waits_for(lab: Lab) -> None:
    """ID-69: anybody who knows a name can ask."""
    lab.with_address()
    owner = lab.visitor()
    code = code_by_mail(lab, owner)
    code_by_mail(lab, lab.visitor())
    assert challenged(lab, owner, code) == 303


def test_eight_uses_of_a_code_have_one_winner(lab: Lab) -> None:
    """ID-69."""
    lab.with_address()
    verifier = Verifier(lab.store, SECRET)
    for visit in ("v" * 64, "w" * 64):
        ask_code(lab.store, SECRET, "alice", visit, now=lab.now)
        (letter,) = lab.post_office()
        code = letter.text.partition("Your code: ")[2][:8]
        barrier = threading.Barrier(8)

        def once(visit: str = visit, code: str = code, barrier: threading.Barrier = barrier) -> bool:
            barrier.wait()
            found = verifier.second_factor(
                "alice", "mail_code", code, address="192.0.2.1", visit=visit, completes=True, now=lab.now
            )
            return isinstance(found, Proved)

        with ThreadPoolExecutor(8) as pool:
            assert sum(future.result() for future in [pool.submit(once) for _ in range(8)]) == 1
        verifier.forget_failures("alice", now=lab.now)


def test_a_code_by_mail_is_no_second_factor(lab: Lab) -> None:
    """ID-70."""
    lab.with_address().add_totp()
    stranger = lab.visitor()
    code = code_by_mail(lab, stranger)
    assert challenged(lab, stranger, code) == 403
    lab.now += 60
    stranger.page = None
    stranger.follow(stranger.sign_in())
    assert stranger.send("/auth/factor", code=code).status_code == 403
    assert not is_in(stranger)


def test_guesses_at_a_code_are_counted_like_all_others(lab: Lab) -> None:
    """ID-68, ID-69."""
    lab.with_address()
    stranger = lab.visitor()
    code_by_mail(lab, stranger)
    answers = [challenged(lab, stranger, f"{number:08}") for number in range(5)]
    assert answers == [403, 403, 403, 429, 429]


def test_no_code_is_kept_as_it_is_sent(lab: Lab) -> None:
    """ID-69."""
    import hashlib

    lab.with_address()
    code = code_by_mail(lab, lab.visitor())
    with lab.store.begin() as connection:
        rows = connection.exec_driver_sql("SELECT hash, payload FROM single_use WHERE purpose = 'mail_code'").all()
    assert len(rows) == 1
    assert hashlib.sha256(code.encode()).hexdigest() not in str(rows)
    assert code not in str(rows)


def test_without_a_server_for_mail_nothing_is_offered(store: Store) -> None:
    lab = Lab(store)
    visitor = lab.visitor()
    assert "Forgot" not in visitor.get("/auth/login").text
    assert visitor.get("/auth/recovery").status_code == 404
    visitor.get("/auth/login")
    assert visitor.post("/auth/recovery", **visitor.hidden("/auth/login"), name="alice").status_code == 404
    visitor.signed_in()
    assert "<h2>Mail</h2>" not in visitor.get("/account").text
    assert visitor.post("/account/email", **visitor.hidden("/auth/logout"), email="a@b.example").status_code == 400


def test_an_address_changes_only_after_a_login_of_the_last_ten_minutes(lab: Lab) -> None:
    """ID-75."""
    visitor = lab.visitor().signed_in()
    csrf = visitor.hidden("/account/email")
    lab.now += 601
    answer = visitor.post("/account/email", **csrf, email="alice@mail.example")
    assert answer.headers["location"] == "/auth/login"
    assert lab.post_office() == []
