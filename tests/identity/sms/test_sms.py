"""Codes by text message: off unless asked for, never beside a better factor, bound, once: statement ID-70."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from tests.identity.lab import ISSUER, KEY, PASSWORD, SECRET, Lab, Visitor
from tests.identity.sms.hook import Hook

from doorward.errors import Missing, PolicyError
from doorward.identity.enrolling import remove_all_factors
from doorward.identity.events import acting, events_of
from doorward.identity.mail import bounds, outbox
from doorward.identity.mail.asking import ASKED_MOST as NETWORK_MOST
from doorward.identity.sms import prefixes
from doorward.identity.sms.numbers import number_of, prefix_of
from doorward.identity.sms.sending import Binding, ask_code, spend_code
from doorward.identity.tidying import tidy
from doorward.identity.users import add_user
from doorward.jose import Expected, split_unverified, verify_jwt
from doorward.outbound import OutboundClient
from doorward.policy.sms import SmsPolicy
from doorward.store import Store, mails, sms_sends, users
from doorward.store.single_use import Purpose, void

NUMBER = "+4915123456789"


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    return Hook(tmp_path)


@pytest.fixture
def lab(store: Store, hook: Hook) -> Lab:
    return Lab(store, sms=hook.policy(second_factor=True))


def with_number(lab: Lab, hook: Hook) -> Visitor:
    """A browser in which alice proved her number."""
    visitor = lab.visitor().signed_in()
    assert "is on its way" in visitor.send("/account/phone", number="+49 (151) 234-567-89").text
    assert visitor.send("/account/phone/prove", code=hook.code(lab)).status_code == 303
    lab.now += 3_600
    return visitor


def at_the_factor(lab: Lab) -> Visitor:
    visitor = lab.visitor()
    answer = visitor.sign_in()
    assert answer.headers["location"] == "/auth/factor"
    visitor.follow(answer)
    return visitor


def number(lab: Lab) -> tuple[str, bool] | None:
    with lab.store.begin() as connection:
        return number_of(connection, "alice")


def test_a_number_counts_once_its_code_came_back(lab: Lab, hook: Hook) -> None:
    visitor = lab.visitor().signed_in()
    visitor.send("/account/phone", number=NUMBER)
    code = hook.code(lab)
    assert number(lab) is None
    assert lab.visitor().sign_in().headers["location"] == "/account"
    assert visitor.send("/account/phone/prove", code=code).status_code == 303
    assert number(lab) == (NUMBER, True)
    assert hook.messages == [{"type": "sms.code", "to": NUMBER, "text": hook.messages[0]["text"]}]
    assert hook.messages[0]["text"].endswith(f"@issuer.example #{code}")
    assert "factor.added" in {event.kind for event in events_of(lab.store, "alice")}


def test_a_code_is_the_second_factor_and_says_so(lab: Lab, hook: Hook) -> None:
    with_number(lab, hook)
    visitor = at_the_factor(lab)
    assert "weakest second factor" in visitor.send("/auth/factor").text
    visitor.follow(visitor.send("/auth/factor/sms"))
    assert visitor.send("/auth/factor", code=hook.code(lab)).status_code == 303
    token = lab.redeem(visitor.authorized()).json()["id_token"]
    expected = Expected(issuer=ISSUER, audience="web", types=frozenset({"jwt"}))
    claims = verify_jwt(split_unverified(token), KEY.public, expected, now=lab.now)
    assert (claims["acr"], claims["amr"]) == ("urn:doorward:acr:2", ["pwd", "sms", "mfa"])


def test_a_code_is_good_once_in_its_login_for_ten_minutes(lab: Lab, hook: Hook) -> None:
    with_number(lab, hook)
    mine, thief = at_the_factor(lab), at_the_factor(lab)
    mine.follow(mine.send("/auth/factor/sms"))
    code = hook.code(lab)
    assert thief.send("/auth/factor", code=code).status_code == 403
    step = mine.cookies["__Host-doorward-step"]
    assert mine.send("/auth/factor", code=code).status_code == 303
    mine.cookies.set("__Host-doorward-step", step)
    assert mine.get("/auth/factor").status_code == 303
    lab.now += 3_600
    late = at_the_factor(lab)
    late.follow(late.send("/auth/factor/sms"))
    code = hook.code(lab)
    lab.now += 600
    assert late.post("/auth/factor", **late.hidden("/auth/factor"), code=code).headers["location"] == "/auth/login"


def test_no_code_is_kept_as_it_is_sent(lab: Lab, hook: Hook) -> None:
    with_number(lab, hook)
    visitor = at_the_factor(lab)
    visitor.follow(visitor.send("/auth/factor/sms"))
    code = hook.code(lab)
    with lab.store.begin() as connection:
        rows = connection.exec_driver_sql("SELECT hash, payload FROM single_use WHERE purpose = 'sms_code'").all()
        waiting = connection.execute(select(mails)).all()
    assert rows
    assert code not in f"{rows}{waiting}"


def test_whoever_has_a_better_factor_is_not_let_in_by_a_message(lab: Lab, hook: Hook) -> None:
    visitor = with_number(lab, hook)
    visitor.get("/auth/login")
    visitor.page = None
    stranger = at_the_factor(lab)
    stranger.follow(stranger.send("/auth/factor/sms"))
    code = hook.code(lab)
    visitor = at_the_factor(lab)
    visitor.follow(visitor.send("/auth/factor/sms"))
    visitor.follow(visitor.send("/auth/factor", code=hook.code(lab)))
    visitor.add_totp()
    lab.now -= 60
    stranger.get("/auth/factor")
    assert "/auth/factor/sms" not in (stranger.page.text if stranger.page else "")
    assert stranger.send("/auth/factor", code=code).status_code == 403


def test_without_the_policys_word_a_code_counts_for_nothing(store: Store, hook: Hook) -> None:
    """ID-70: off by default."""
    lab = Lab(store, sms=hook.policy())
    with_number(lab, hook)
    assert number(lab) == (NUMBER, True)
    assert lab.visitor().sign_in().headers["location"] == "/account"


def test_without_a_hook_nothing_is_offered(store: Store) -> None:
    visitor = Lab(store).visitor().signed_in()
    assert "Telephone" not in visitor.get("/account").text
    assert visitor.post("/account/phone", **visitor.hidden("/auth/logout"), number=NUMBER).status_code == 400


@pytest.mark.parametrize("text", ["", "0151 23456789", "+0151234567", "+49151", "+49151x3456789", "+" + "4" * 16])
def test_what_is_no_number_is_refused(lab: Lab, text: str) -> None:
    visitor = lab.visitor().signed_in()
    assert visitor.send("/account/phone", number=text).status_code == 400
    with pytest.raises(PolicyError):
        add_user(lab.store, "carol", now=lab.now, phone=text)


def test_an_operators_number_is_not_used_before_it_is_proved(lab: Lab) -> None:
    add_user(lab.store, "bob", now=lab.now, password=PASSWORD, phone=NUMBER)
    visitor = lab.visitor().signed_in(name="bob")
    assert "not proved yet" in visitor.get("/account").text


def test_a_session_of_before_the_number_shows_a_code_before_it_changes_anything(lab: Lab, hook: Hook) -> None:
    older, owner = lab.visitor().signed_in(), lab.visitor().signed_in()
    owner.send("/account/phone", number=NUMBER)
    assert owner.send("/account/phone/prove", code=hook.code(lab)).status_code == 303
    for visitor, status in ((owner, 200), (older, 303)):
        visitor.get("/account")
        assert visitor.send("/account/recovery").status_code == status
    assert older.page is not None
    assert older.page.headers["location"] == "/auth/factor"
    older.get("/auth/factor")
    older.follow(older.send("/auth/factor/sms"))
    assert older.send("/auth/factor", code=hook.code(lab)).headers["location"] == "/account"
    older.get("/account")
    assert older.send("/account/recovery").status_code == 200


def test_where_a_number_is_no_factor_nobody_is_asked_for_a_code(store: Store, hook: Hook) -> None:
    lab = Lab(store, sms=hook.policy())
    older, owner = lab.visitor().signed_in(), lab.visitor().signed_in()
    owner.send("/account/phone", number=NUMBER)
    assert owner.send("/account/phone/prove", code=hook.code(lab)).status_code == 303
    older.get("/account")
    assert older.send("/account/recovery").status_code == 200


def test_guesses_are_counted_like_all_others(lab: Lab, hook: Hook) -> None:
    with_number(lab, hook)
    visitor = at_the_factor(lab)
    visitor.follow(visitor.send("/auth/factor/sms"))
    hook.code(lab)
    answers = [visitor.send("/auth/factor", code=f"{guess:08}").status_code for guess in range(5)]
    assert answers == [403, 403, 403, 429, 429]


def test_three_codes_an_hour_for_one_user(lab: Lab, hook: Hook) -> None:
    with_number(lab, hook)
    answers = []
    for number_ in range(bounds.ASKED_MOST + 1):
        visitor = at_the_factor(lab)
        visitor.address = f"198.51.{number_}.1"
        answers.append(visitor.send("/auth/factor/sms").status_code)
    assert answers == [303] * bounds.ASKED_MOST + [429]


def test_a_network_that_asks_too_often_is_told_so(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    csrf = visitor.hidden("/account/phone")
    answers = [visitor.post("/account/phone", **csrf, number=NUMBER).status_code for _ in range(NETWORK_MOST + 1)]
    assert answers == [200] * bounds.ASKED_MOST + [429] * (NETWORK_MOST + 1 - bounds.ASKED_MOST)


def asked(lab: Lab, user: str, to: str) -> bool:
    with lab.store.begin() as connection:
        return ask_code(connection, SECRET, Binding(user=user, transaction="t"), to, now=lab.now)


def test_a_prefix_whose_codes_never_come_back_gets_no_more_for_a_day(lab: Lab) -> None:
    """Pumping."""
    sent = [asked(lab, f"user{each}", f"+8835110{each:05}") for each in range(prefixes.JUDGED_LEAST)]
    assert all(sent)
    assert asked(lab, "early", "+883511099998")
    lab.now += prefixes.UNDER_WAY_S
    assert not asked(lab, "late", "+883511099999")
    assert not asked(lab, "late", "+883511099999")
    assert asked(lab, "other", NUMBER)
    assert [event.detail for event in events_of(lab.store, "") if event.kind == "sms.stopped"] == [
        {"prefix": prefix_of("+883511099999")}
    ]
    lab.now += 86_400
    tidy(lab.store, now=lab.now)
    assert asked(lab, "late", "+883511099999")


def stopped(lab: Lab, number: str) -> str:
    """The prefix of that number, at which too few codes came back just now."""
    prefix = prefix_of(number)
    rows = [{"id": f"{each:032}", "prefix": prefix, "sent_at": lab.now} for each in range(prefixes.JUDGED_LEAST)]
    with lab.store.begin() as connection:
        connection.execute(insert(sms_sends).values(rows))
    lab.now += prefixes.UNDER_WAY_S
    assert not asked(lab, "alice", number)
    return prefix


def released(lab: Lab, prefix: str) -> prefixes.StoppedPrefix:
    with lab.store.begin() as connection, acting("cli:root"):
        return prefixes.release(connection, prefix, now=lab.now)


def all_stopped(lab: Lab) -> list[str]:
    with lab.store.begin() as connection:
        return [each.prefix for each in prefixes.stopped_prefixes(connection, now=lab.now)]


def test_a_stopped_prefix_is_listed_and_released_by_name(lab: Lab) -> None:
    prefix, other = stopped(lab, NUMBER), prefix_of("+883511099999")
    assert all_stopped(lab) == [prefix]
    with pytest.raises(Missing):
        released(lab, other)
    before = released(lab, prefix)
    assert (before.judged, before.returned, before.until) == (20, 0, lab.now - prefixes.UNDER_WAY_S + 86_400)
    assert all_stopped(lab) == []
    assert asked(lab, "alice", NUMBER)
    told = [event for event in events_of(lab.store, "") if event.kind.startswith("sms.")]
    assert [(event.kind, event.actor, event.detail["prefix"]) for event in told] == [
        ("sms.released", "cli:root", prefix),
        ("sms.stopped", "", prefix),
    ]
    with pytest.raises(Missing):
        released(lab, prefix)


def test_a_released_prefix_is_judged_anew_and_stopped_again(lab: Lab) -> None:
    prefix = stopped(lab, NUMBER)
    released(lab, prefix)
    assert all(asked(lab, f"user{each}", NUMBER) for each in range(prefixes.JUDGED_LEAST))
    lab.now += prefixes.UNDER_WAY_S
    assert not asked(lab, "late", NUMBER)
    assert all_stopped(lab) == [prefix]
    told = [event.kind for event in events_of(lab.store, "") if event.kind.startswith("sms.")]
    assert told == ["sms.stopped", "sms.released", "sms.stopped"]


def test_a_release_gives_no_more_an_hour(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = stopped(lab, NUMBER)
    monkeypatch.setattr(prefixes, "PREFIX_MOST", prefixes.JUDGED_LEAST + 1)
    released(lab, prefix)
    assert [asked(lab, f"user{each}", NUMBER) for each in range(2)] == [True, False]


def test_of_eight_who_release_one_does(lab: Lab) -> None:
    prefix, gate = stopped(lab, NUMBER), threading.Barrier(8)

    def once(_each: int) -> bool:
        gate.wait()
        try:
            released(lab, prefix)
        except Missing:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(once, range(8))) == 1


@pytest.mark.parametrize(("returned", "goes_on"), [(3, False), (4, True)])
def test_a_fifth_of_the_codes_must_come_back(lab: Lab, returned: int, goes_on: bool) -> None:
    rows = [
        {"id": f"{each:032}", "prefix": prefix_of(NUMBER), "sent_at": lab.now, "verified_at": None}
        for each in range(20)
    ]
    with lab.store.begin() as connection:
        connection.execute(insert(sms_sends).values(rows))
        chosen = [f"{each:032}" for each in range(returned)]
        connection.execute(update(sms_sends).where(sms_sends.c.id.in_(chosen)).values(verified_at=lab.now))
    lab.now += prefixes.UNDER_WAY_S
    assert asked(lab, "alice", NUMBER) == goes_on


def test_a_prefix_has_a_bound_an_hour(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefixes, "PREFIX_MOST", 5)
    assert [asked(lab, f"user{each}", NUMBER) for each in range(6)] == [True] * 5 + [False]


def test_of_many_who_ask_at_once_a_prefix_gets_no_more(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefixes, "PREFIX_MOST", 5)
    gate = threading.Barrier(16)

    def ask(each: int) -> bool:
        gate.wait()
        return asked(lab, f"user{each}", NUMBER)

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(16))) == 5


def test_a_code_that_came_back_is_counted(lab: Lab, hook: Hook) -> None:
    assert asked(lab, "alice", NUMBER)
    code = hook.code(lab)
    with lab.store.begin() as connection:
        assert spend_code(connection, SECRET, Binding(user="bob", transaction="t"), code, now=lab.now) is None
        assert spend_code(connection, SECRET, Binding(user="alice", transaction="t"), code, now=lab.now) == NUMBER
        assert spend_code(connection, SECRET, Binding(user="alice", transaction="t"), code, now=lab.now) is None
        assert connection.execute(select(sms_sends.c.verified_at)).scalars().all() == [lab.now]


def test_a_message_that_the_store_fails_at_keeps_no_other_back(
    lab: Lab, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that left here would end the deliverer, and the control process with it."""
    assert asked(lab, "alice", NUMBER)
    assert asked(lab, "bob", "+4915100000000")

    def failing(connection: Connection, purpose: Purpose, subject: str, *, now: float) -> int:
        if subject == "alice":
            raise OperationalError("UPDATE", {}, Exception("database is locked"))
        return void(connection, purpose, subject, now=now)

    monkeypatch.setattr("doorward.identity.sms.delivery.void", failing)
    with capture_logs() as logged:
        assert hook.deliver(lab) == 2
    assert [message["to"] for message in hook.messages] == ["+4915100000000"]
    assert [entry["reason"] for entry in logged] == ["OperationalError"]
    monkeypatch.undo()
    lab.now += outbox.LEASE_S
    assert hook.deliver(lab) == 1
    assert len(hook.messages) == 2


@pytest.mark.parametrize("status", [302, 401, 500])
def test_what_the_hook_does_not_take_is_sent_again_with_a_new_code(lab: Lab, hook: Hook, status: int) -> None:
    assert asked(lab, "alice", NUMBER)
    hook.status = status
    first = hook.code(lab)
    hook.status = 204
    lab.now += outbox.WAITS_S[0]
    second = hook.code(lab)
    assert hook.deliver(lab) == 0
    assert hook.ids[0] == hook.ids[1]
    with lab.store.begin() as connection:
        binding = Binding(user="alice", transaction="t")
        assert first == second or spend_code(connection, SECRET, binding, first, now=lab.now) is None
        assert spend_code(connection, SECRET, binding, second, now=lab.now) == NUMBER


def test_a_hook_inside_is_not_asked_unless_the_policy_says_so(lab: Lab, hook: Hook) -> None:
    assert asked(lab, "alice", NUMBER)
    assert hook.deliver(lab, OutboundClient()) == 1
    assert (hook.messages, hook.forged) == ([], 0)


def test_a_secret_that_others_may_read_sends_nothing(lab: Lab, hook: Hook) -> None:
    assert asked(lab, "alice", NUMBER)
    hook.secret_file.chmod(0o644)
    assert hook.deliver(lab) == 1
    assert (hook.messages, hook.forged) == ([], 0)


def test_a_message_that_comes_too_late_is_not_sent(lab: Lab, hook: Hook) -> None:
    assert asked(lab, "alice", NUMBER)
    lab.now += 600
    assert hook.deliver(lab) == 1
    assert hook.messages == []


def test_mail_leaves_messages_to_the_hook(lab: Lab, hook: Hook) -> None:
    assert asked(lab, "alice", NUMBER)
    assert lab.post_office() == []
    assert hook.deliver(lab) == 1


@pytest.mark.parametrize("how", ["user", "operator"])
def test_a_number_is_removed(lab: Lab, hook: Hook, how: str) -> None:
    with_number(lab, hook)
    if how == "operator":
        assert remove_all_factors(lab.store, "alice", now=lab.now) == 1
    else:
        visitor = at_the_factor(lab)
        visitor.follow(visitor.send("/auth/factor/sms"))
        visitor.follow(visitor.send("/auth/factor", code=hook.code(lab)))
        assert visitor.send("/account/phone/remove").status_code == 303
    assert number(lab) is None
    assert lab.visitor().sign_in().headers["location"] == "/account"


def test_a_code_to_another_number_than_the_proved_one_is_void(lab: Lab, hook: Hook) -> None:
    with_number(lab, hook)
    visitor = at_the_factor(lab)
    visitor.follow(visitor.send("/auth/factor/sms"))
    code = hook.code(lab)
    with lab.store.begin() as connection:
        connection.execute(update(users).values(phone="+4915100000000"))
    assert visitor.send("/auth/factor", code=code).status_code == 403


@pytest.mark.parametrize("hook_url", ["http://sms.example/", "ftp://sms.example/", "https://", "sms.example"])
def test_a_hook_is_https(hook: Hook, hook_url: str) -> None:
    with pytest.raises(ValidationError):
        SmsPolicy(hook=hook_url, secret_file=hook.secret_file)
