"""The choke point of all credentials: statements ID-66 to ID-69 and ID-78 of the reference."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, select, text

from doorward.identity.credentials import Attempt, Proved, Refused, Verifier
from doorward.identity.devices import remember_device
from doorward.identity.enrolling import (
    finish_totp,
    list_factors,
    make_reset,
    pending_totp,
    remove_all_factors,
    remove_factor,
    set_password,
    start_totp,
)
from doorward.identity.events import events_of
from doorward.identity.factors.totp import hotp, step_at
from doorward.identity.passwords import is_password
from doorward.identity.sealing import ServerSecret
from doorward.identity.users import add_user, disable_user
from doorward.store import Store, open_store, users
from doorward.store.single_use import Purpose, consume

NOW = 1_800_000_000.0
PASSWORD = "correct horse battery staple"
SECRET = ServerSecret(b"s" * 32)


class Desk:
    """A verifier, a user, a clock."""

    def __init__(self, store: Store) -> None:
        self.store, self.now = store, NOW
        self.verifier = Verifier(store, SECRET)
        add_user(store, "alice", now=NOW, password=PASSWORD)

    def try_(self, secret: str = PASSWORD, name: str = "alice", **more: str | bool) -> Proved | Refused:
        attempt = Attempt(name=name, secret=secret, address=str(more.pop("address", "192.0.2.1")), **more)  # type: ignore[arg-type]
        return self.verifier.password(attempt, now=self.now)

    def kind(self, secret: str = PASSWORD, name: str = "alice", **more: str | bool) -> str:
        found = self.try_(secret, name, **more)
        return "proved" if isinstance(found, Proved) else found.kind

    def know_device(self) -> str:
        with self.store.begin() as connection:
            return remember_device(connection, "alice", now=self.now)

    def add_totp(self) -> tuple[bytes, list[str]]:
        enrolment = start_totp(self.store, SECRET, "alice", now=self.now)
        code = hotp(enrolment.seed, step_at(self.now))
        codes = finish_totp(self.store, SECRET, "alice", enrolment, code, "phone", now=self.now)
        assert codes is not None
        self.now += 60
        return enrolment.seed, codes

    def factor(self, code: str, kind: str = "totp", user: str = "alice", **more: str) -> str:
        found = self.verifier.second_factor(user, kind, code, address="192.0.2.1", now=self.now, **more)  # type: ignore[arg-type]
        return "proved" if isinstance(found, Proved) else found.kind


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


def test_the_right_password_proves_its_user(desk: Desk) -> None:
    assert desk.try_() == Proved(user="alice")


@pytest.mark.parametrize("name", ["bob", "", "alice\x00", "x" * 5_000, "Alice"])
def test_unknown_names_and_wrong_passwords_are_one_answer(desk: Desk, name: str) -> None:
    assert desk.try_(name=name) == desk.try_(secret="wrong") == Refused(kind="wrong")


def test_a_disabled_user_is_refused_as_if_unknown(desk: Desk) -> None:
    disable_user(desk.store, "alice", now=NOW)
    assert desk.try_() == Refused(kind="wrong")


def test_an_unknown_user_costs_the_same_hash_and_waits_like_a_known_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[bool] = []

    def wrong(_password: str, kept: str | None, _pepper: object) -> bool:
        checked.append(kept is None)
        return False

    monkeypatch.setattr("doorward.identity.credentials.is_password", wrong)
    seen = {name: [desk.kind(f"guess {n}", name) for n in range(5)] for name in ("alice", "nobody")}
    assert seen["alice"] == seen["nobody"] == ["wrong", "wrong", "wrong", "wait", "wait"]
    assert sorted(checked) == [False] * 3 + [True] * 3


@pytest.mark.parametrize("device", [None, "x" * 43])
def test_a_known_and_an_unknown_name_take_the_same_statements(desk: Desk, device: str | None) -> None:
    """ID-72: what differs would show in the time."""
    seen: dict[str, list[str]] = {}
    for name in ("alice", "nobody"):
        statements = seen.setdefault(name, [])

        def note(*given: object, statements: list[str] = statements) -> None:
            statements.append(str(given[2]))

        event.listen(desk.store._engine, "before_cursor_execute", note)
        for number in range(5):
            desk.try_(f"guess {number}", name, **({} if device is None else {"device": device}))
        event.remove(desk.store._engine, "before_cursor_execute", note)
    assert seen["alice"] == seen["nobody"]
    assert len(seen["alice"]) > 20


def test_distinct_guesses_wait_longer_and_longer(desk: Desk) -> None:
    waits = []
    for number in range(8):
        found = desk.try_(f"guess {number}")
        if isinstance(found, Refused) and found.kind == "wait":
            waits.append(found.wait_s)
            desk.now += found.wait_s
            assert desk.kind(f"guess {number}") == "wrong"
    assert waits == [5, 10, 20, 40, 80]


def test_a_repeated_wrong_password_counts_once(desk: Desk) -> None:
    assert {desk.kind("my old password") for _ in range(50)} == {"wrong"}
    assert desk.kind() == "proved"


def test_a_password_that_was_wrong_before_works_once_it_is_set(desk: Desk) -> None:
    new = "seven purple kettles hum"
    assert desk.kind(new) == "wrong"
    set_password(desk.store, "alice", new, now=NOW)
    desk.verifier.signals.forget_guess(desk.verifier.account("alice"), new, NOW)
    assert desk.kind(new) == "proved"
    assert desk.kind() == "wrong"


def test_strangers_cannot_lock_out_a_known_device(desk: Desk) -> None:
    device = desk.know_device()
    for number in range(92):
        desk.now += 3_600
        desk.try_(f"guess {number}", challenge_passed=True, address=f"192.0.2.{number}")
    assert desk.kind(challenge_passed=True) == "locked"
    assert desk.kind(device=device) == "proved"
    desk.now += 3_600
    assert desk.kind(challenge_passed=True) == "proved"


def test_a_stolen_device_cookie_gives_five_guesses(desk: Desk) -> None:
    device = desk.know_device()
    found = [desk.kind(f"guess {number}", device=device) for number in range(7)]
    assert found == ["wrong"] * 5 + ["wait"] * 2


def test_a_device_cookie_of_another_user_is_unknown(desk: Desk) -> None:
    add_user(desk.store, "bob", now=NOW, password=PASSWORD)
    device = desk.know_device()
    found = desk.try_(name="bob", device=device)
    assert isinstance(found, Proved)
    assert not found.known_device


def test_never_are_more_than_a_hundred_guesses_in_a_row_checked_on_whatever_path(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ID-68."""
    seed, _ = desk.add_totp()
    devices = [desk.know_device() for _ in range(12)]
    checked = 0

    def wrong(_password: str, _kept: str | None, _pepper: object) -> bool:
        nonlocal checked
        checked += 1
        return False

    monkeypatch.setattr("doorward.identity.credentials.is_password", wrong)
    codes = 0
    for number in range(150):
        desk.now += 86_000
        device = {"device": devices[number % 12]} if number % 3 == 0 else {}
        if number % 5 == 4:
            codes += desk.factor("000000", **device) == "wrong"
        else:
            desk.kind(f"guess {number}", challenge_passed=True, address=f"198.51.{number}.1", **device)
    assert checked + codes == 100
    assert desk.kind(device=devices[0]) == "locked"
    desk.verifier.forget_failures("alice", now=desk.now)
    monkeypatch.undo()
    assert desk.factor(hotp(seed, step_at(desk.now))) == "proved"


def test_a_restart_forgets_no_failure(desk: Desk, store_url: str) -> None:
    for number in range(3):
        desk.kind(f"guess {number}")
    opened = open_store(store_url)
    again = Verifier(opened, SECRET).password(Attempt(name="alice", secret="x", address="192.0.2.1"), now=NOW)
    opened.close()
    assert again == Refused(kind="wait", wait_s=5.0)


def test_of_parallel_guesses_only_the_free_ones_are_checked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """keycloak#31726."""
    checked: list[str] = []

    def wrong(password: str, _kept: str | None, _pepper: object) -> bool:
        checked.append(password)
        return False

    monkeypatch.setattr("doorward.identity.credentials.is_password", wrong)
    gate = threading.Barrier(16)

    def guess(number: int) -> str:
        gate.wait()
        return desk.kind(f"guess {number}")

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(guess, range(16)))
    assert (found.count("wrong"), len(checked)) == (3, 3)


def test_spraying_one_password_asks_unknown_devices_for_a_challenge(desk: Desk) -> None:
    device = desk.know_device()
    for number in range(5):
        assert desk.kind("Winter2026Winter", f"user{number}", address=f"192.0.2.{number}") == "wrong"
    assert desk.kind("Winter2026Winter", address="198.51.100.9") == "challenge"
    assert desk.kind("Winter2026Winter", address="198.51.100.9", challenge_passed=True) == "wrong"
    assert desk.kind(device=device) == "proved"


def test_an_address_that_tries_many_names_is_challenged_then_refused_and_others_are_not(desk: Desk) -> None:
    found = [desk.kind(f"guess {number}", f"user{number}") for number in range(40)]
    assert found == ["wrong"] * 15 + ["challenge"] * 25
    found = [desk.kind(f"g {number}", f"u{number}", challenge_passed=True) for number in range(100)]
    assert found == ["wrong"] * 85 + ["wait"] * 15
    assert desk.kind() == "wait"
    assert desk.kind(address="198.51.100.9", challenge_passed=True) == "proved"


def test_a_user_with_a_second_factor_is_not_through_with_a_password(desk: Desk) -> None:
    seed, _ = desk.add_totp()
    found = desk.try_()
    assert isinstance(found, Proved)
    assert found.factors == ("totp", "recovery_code")
    assert desk.factor(hotp(seed, step_at(desk.now))) == "proved"


def test_a_totp_code_works_once_and_never_an_older_one_afterwards(desk: Desk) -> None:
    """ID-69."""
    seed, _ = desk.add_totp()
    step = step_at(desk.now)
    assert desk.factor(hotp(seed, step)) == "proved"
    assert desk.factor(hotp(seed, step)) == "wrong"
    assert desk.factor(hotp(seed, step - 1)) == "wrong"


def test_the_code_that_proved_a_new_factor_does_not_sign_in(desk: Desk) -> None:
    seed, _ = desk.add_totp()
    desk.now -= 60
    assert desk.factor(hotp(seed, step_at(desk.now))) == "wrong"


def test_of_parallel_uses_of_a_totp_code_one_wins(desk: Desk) -> None:
    seed, _ = desk.add_totp()
    code = hotp(seed, step_at(desk.now))
    gate = threading.Barrier(8)

    def use(_number: int) -> str:
        gate.wait()
        return desk.factor(code)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, range(8))).count("proved") == 1


def test_a_recovery_code_works_once_for_its_user_alone(desk: Desk) -> None:
    """ID-69."""
    _, codes = desk.add_totp()
    assert len(set(codes)) == 10
    add_user(desk.store, "bob", now=NOW)
    assert desk.factor(codes[0], "recovery_code", "bob") == "wrong"
    assert desk.factor(codes[0].upper().replace("-", " "), "recovery_code") == "proved"
    assert desk.factor(codes[0], "recovery_code") == "wrong"
    assert desk.factor(codes[1], "totp") == "wrong"


def test_guessing_codes_is_slowed_down_and_does_not_slow_down_a_known_device(desk: Desk) -> None:
    seed, _ = desk.add_totp()
    device = desk.know_device()
    assert [desk.factor(f"{number:06}") for number in range(5)] == ["wrong"] * 3 + ["wait"] * 2
    assert desk.factor(hotp(seed, step_at(desk.now)), device=device) == "proved"


def test_a_right_password_does_not_reset_the_failures_of_the_second_factor(desk: Desk) -> None:
    desk.add_totp()
    for number in range(3):
        assert desk.kind() == "proved"
        assert desk.factor(f"{number:06}") == "wrong"
    assert desk.kind() == "proved"
    assert desk.factor("000000") == "wait"


def test_a_disabled_user_has_no_second_factor_either(desk: Desk) -> None:
    seed, codes = desk.add_totp()
    disable_user(desk.store, "alice", now=NOW)
    assert desk.factor(hotp(seed, step_at(desk.now))) == "wrong"
    assert desk.factor(codes[0], "recovery_code") == "wrong"


def test_a_factor_is_there_only_when_the_app_has_shown_its_code(desk: Desk) -> None:
    enrolment = start_totp(desk.store, SECRET, "alice", now=NOW)
    assert finish_totp(desk.store, SECRET, "alice", enrolment, "000000", "phone", now=NOW) is None
    assert list_factors(desk.store, "alice") == []
    assert pending_totp(desk.store, SECRET, "bob", enrolment.ticket, now=NOW) is None
    assert pending_totp(desk.store, SECRET, "alice", enrolment.ticket, now=NOW + 600) is None
    pending = pending_totp(desk.store, SECRET, "alice", enrolment.ticket, now=NOW)
    assert pending is not None
    code = hotp(pending.seed, step_at(NOW))
    assert finish_totp(desk.store, SECRET, "alice", pending, code, "phone", now=NOW) is not None
    assert finish_totp(desk.store, SECRET, "alice", pending, code, "phone", now=NOW) is None
    assert [factor.label for factor in list_factors(desk.store, "alice")] == ["phone"]


def test_with_the_last_factor_the_recovery_codes_go(desk: Desk) -> None:
    _, codes = desk.add_totp()
    (factor,) = list_factors(desk.store, "alice")
    assert not remove_factor(desk.store, "bob", factor.id, now=desk.now)
    assert remove_factor(desk.store, "alice", factor.id, now=desk.now)
    assert desk.factor(codes[0], "recovery_code") == "wrong"
    assert desk.try_() == Proved(user="alice")


def test_the_operator_takes_all_factors_of_a_user_who_lost_them_and_no_browser_stays_known(desk: Desk) -> None:
    desk.add_totp()
    device = desk.know_device()
    assert remove_all_factors(desk.store, "alice", now=desk.now) == 1
    assert desk.try_(device=device) == Proved(user="alice", known_device=False)


def test_a_seed_is_sealed_for_its_own_row(desk: Desk) -> None:
    seed, _ = desk.add_totp()
    with desk.store.begin() as connection:
        rows = repr(connection.execute(text("SELECT * FROM totp_factors")).all())
    assert seed.hex() not in rows


def test_a_new_password_voids_reset_links_and_a_new_link_the_older_one(desk: Desk) -> None:
    first, second = make_reset(desk.store, "alice", now=NOW), make_reset(desk.store, "alice", now=NOW)
    with desk.store.begin() as connection:
        assert consume(connection, Purpose.PASSWORD_RESET, first, now=NOW) is None
    set_password(desk.store, "alice", "seven purple kettles hum", now=NOW)
    with desk.store.begin() as connection:
        assert consume(connection, Purpose.PASSWORD_RESET, second, now=NOW) is None


def test_hammering_at_an_account_is_recorded_once_a_minute(desk: Desk) -> None:
    for number in range(30):
        desk.kind(f"guess {number}")
    kinds = [event.kind for event in events_of(desk.store, "alice")]
    assert (kinds.count("login.fail"), kinds.count("login.wait")) == (3, 1)
    desk.now += 60
    desk.kind("guess 3")
    desk.kind("guess 4")
    assert [event.kind for event in events_of(desk.store, "alice")].count("login.wait") == 2


def test_no_event_holds_what_was_typed(desk: Desk) -> None:
    desk.kind("guess-one")
    desk.kind("guess-two", "password-as-name")
    with desk.store.begin() as connection:
        rows = repr(connection.execute(text("SELECT * FROM events")).all())
    assert "guess" not in rows
    assert "password-as-name" not in rows
    assert [event.kind for event in events_of(desk.store, "alice")] == ["login.fail", "user.added"]


def _kept(desk: Desk) -> str:
    with desk.store.begin() as connection:
        return str(connection.execute(select(users.c.password_hash).where(users.c.name == "alice")).scalar())


def test_a_password_made_without_the_servers_secret_is_keyed_by_it_at_the_next_login(desk: Desk) -> None:
    before = _kept(desk)
    assert desk.kind("wrong wrong wrong wrong") == "wrong"
    assert _kept(desk) == before
    assert desk.kind() == "proved"
    kept = _kept(desk)
    assert (before.startswith("$argon2id$"), kept.startswith("peppered:$argon2id$")) == (True, True)
    assert desk.kind() == "proved"
    assert _kept(desk) == kept


def test_without_the_servers_secret_a_keyed_password_is_of_no_use(desk: Desk) -> None:
    assert desk.kind() == "proved"
    kept = _kept(desk)
    assert not is_password(PASSWORD, kept)
    assert not is_password(PASSWORD, kept, ServerSecret(b"x" * 32))
    assert is_password(PASSWORD, kept, SECRET)
    assert not is_password(PASSWORD, kept.removeprefix("peppered:"), SECRET)


def test_a_password_that_is_set_is_keyed_at_once(desk: Desk) -> None:
    set_password(desk.store, "alice", "seven purple kettles hum", pepper=SECRET, now=NOW)
    assert _kept(desk).startswith("peppered:")
    assert desk.kind("seven purple kettles hum") == "proved"


def test_four_logins_at_once_key_the_password_once_and_all_get_in(desk: Desk) -> None:
    device = desk.know_device()
    barrier = threading.Barrier(4)

    def once() -> str:
        barrier.wait()
        return desk.kind(device=device)

    with ThreadPoolExecutor(4) as pool:
        assert {future.result() for future in [pool.submit(once) for _ in range(4)]} == {"proved"}
    assert _kept(desk).startswith("peppered:")


def test_a_password_that_changes_while_it_is_checked_lets_nobody_in_and_is_not_put_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(password: str, kept: str | None, pepper: ServerSecret) -> bool:
        monkeypatch.undo()
        set_password(desk.store, "alice", "seven purple kettles hum", pepper=SECRET, now=NOW)
        return is_password(password, kept, pepper)

    monkeypatch.setattr("doorward.identity.credentials.is_password", changed)
    assert desk.kind() == "wrong"
    assert desk.kind("seven purple kettles hum") == "proved"
