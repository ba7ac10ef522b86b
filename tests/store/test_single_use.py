"""The single-use primitive; the races of section 6.3 of the reference, on both databases."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from doorward.store import Store, open_store
from doorward.store.single_use import LONGEST_LIFE_S, Purpose, claim, consume, issue, peek, purge, trace, void

NOW = 1_800_000_000.0
CODE = Purpose.AUTHORIZATION_CODE


def issued(store: Store, purpose: Purpose = CODE, lifetime_s: float = 60.0, keep_s: float = 0.0) -> str:
    with store.begin() as connection:
        return issue(
            connection,
            purpose,
            now=NOW,
            lifetime_s=lifetime_s,
            subject="alice",
            payload={"client": "web"},
            keep_s=keep_s,
        )


def spend(store: Store, secret: str, purpose: Purpose = CODE, now: float = NOW) -> bool:
    with store.begin() as connection:
        return consume(connection, purpose, secret, now=now) is not None


def test_a_secret_gives_back_what_was_bound_to_it_once(store: Store) -> None:
    secret = issued(store)
    with store.begin() as connection:
        spent = consume(connection, CODE, secret, now=NOW)
    assert spent is not None
    assert (spent.subject, spent.payload) == ("alice", {"client": "web"})
    assert not spend(store, secret)


def test_a_secret_cannot_be_spent_at_its_expiry(store: Store) -> None:
    assert spend(store, issued(store), now=NOW + 59.9)
    assert not spend(store, issued(store), now=NOW + 60)


@pytest.mark.parametrize("other", [purpose for purpose in Purpose if purpose != CODE])
def test_nothing_is_spent_for_another_purpose(store: Store, other: Purpose) -> None:
    secret = issued(store)
    assert not spend(store, secret, other)
    assert spend(store, secret)


def test_a_transaction_that_fails_spends_nothing(store: Store) -> None:
    secret = issued(store)

    def spend_and_break() -> None:
        with store.begin() as connection:
            assert consume(connection, CODE, secret, now=NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        spend_and_break()
    assert spend(store, secret)


def test_looking_spends_nothing(store: Store) -> None:
    secret = issued(store)
    with store.begin() as connection:
        assert peek(connection, CODE, secret, now=NOW) == peek(connection, CODE, secret, now=NOW)
    assert spend(store, secret)
    with store.begin() as connection:
        assert peek(connection, CODE, secret, now=NOW) is None


def test_what_became_of_a_secret_can_be_told(store: Store) -> None:
    secret = issued(store)
    with store.begin() as connection:
        assert trace(connection, CODE, "never issued", now=NOW).state == "unknown"
        assert trace(connection, CODE, secret, now=NOW).state == "unused"
        assert trace(connection, CODE, secret, now=NOW + 60).state == "expired"
        consume(connection, CODE, secret, now=NOW + 1)
        used = trace(connection, CODE, secret, now=NOW + 90)
    assert (used.state, used.used_at, used.payload) == ("used", NOW + 1, {"client": "web"})


def test_a_row_goes_only_when_nothing_that_came_of_it_lives(store: Store) -> None:
    secret = issued(store, keep_s=600)
    assert spend(store, secret)
    with store.begin() as connection:
        assert purge(connection, now=NOW + 659) == 0
        assert trace(connection, CODE, secret, now=NOW + 659).state == "used"
        assert purge(connection, now=NOW + 660) == 1
    assert not spend(store, secret)


def test_the_unused_secrets_of_one_subject_can_be_voided(store: Store) -> None:
    secret = issued(store, Purpose.RECOVERY_CODE)
    with store.begin() as connection:
        assert void(connection, Purpose.RECOVERY_CODE, "bob", now=NOW) == 0
        assert void(connection, Purpose.RECOVERY_CODE, "alice", now=NOW) == 1
    assert not spend(store, secret, Purpose.RECOVERY_CODE)


def test_a_claimed_value_is_taken(store: Store) -> None:
    with store.begin() as connection:
        assert claim(connection, Purpose.PROOF_ID, "jti-1", now=NOW, lifetime_s=60)
        assert not claim(connection, Purpose.PROOF_ID, "jti-1", now=NOW, lifetime_s=60)
        assert claim(connection, Purpose.PROOF_ID, "jti-2", now=NOW, lifetime_s=60)
        assert claim(connection, Purpose.LOGIN_STEP, "jti-1", now=NOW, lifetime_s=60)


@pytest.mark.parametrize("purpose", Purpose)
def test_no_secret_lives_longer_than_its_purpose_allows(store: Store, purpose: Purpose) -> None:
    issued(store, purpose, LONGEST_LIFE_S[purpose])
    with pytest.raises(ValueError, match="lives up to"):
        issued(store, purpose, LONGEST_LIFE_S[purpose] + 1)


def test_the_database_knows_the_purposes_too(store: Store) -> None:
    with pytest.raises(IntegrityError), store.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO single_use (purpose, hash, payload, issued_at, expires_at, keep_until)"
                " VALUES ('other', 'x', '{}', 0, 0, 0)"
            )
        )


def test_no_secret_is_stored(store: Store) -> None:
    secret = issued(store)
    with store.begin() as connection:
        assert secret not in repr(connection.execute(text("SELECT * FROM single_use")).all())


def winners(parallel: int, rounds: int, race: Callable[[int], bool]) -> list[int]:
    """How many of `parallel` threads succeeded in each round; all start at once."""
    gate = threading.Barrier(parallel)

    def run(_thread: int) -> list[bool]:
        outcomes = []
        for number in range(rounds):
            gate.wait()
            outcomes.append(race(number))
        return outcomes

    with ThreadPoolExecutor(parallel) as pool:
        columns = list(pool.map(run, range(parallel)))
    return [sum(column[number] for column in columns) for number in range(rounds)]


def _purpose(number: int) -> Purpose:
    return list(Purpose)[number % len(Purpose)]


@pytest.mark.parametrize(("parallel", "rounds"), [(8, 200), (64, 16)])
def test_of_parallel_uses_exactly_one_wins(store: Store, parallel: int, rounds: int) -> None:
    secrets = [issued(store, _purpose(number)) for number in range(rounds)]
    found = winners(parallel, rounds, lambda number: spend(store, secrets[number], _purpose(number)))
    assert found == [1] * rounds


def test_of_parallel_first_sights_exactly_one_is_the_first(store: Store) -> None:
    def race(number: int) -> bool:
        with store.begin() as connection:
            return claim(connection, Purpose.PROOF_ID, f"jti-{number}", now=NOW, lifetime_s=60)

    assert winners(8, 100, race) == [1] * 100


def test_after_a_restart_nothing_used_works_again(store: Store, store_url: str) -> None:
    secrets = [issued(store, purpose) for purpose in Purpose]
    assert all(spend(store, secret, purpose) for secret, purpose in zip(secrets, Purpose, strict=True))
    store.close()
    opened = open_store(store_url)
    assert not any(spend(opened, secret, purpose) for secret, purpose in zip(secrets, Purpose, strict=True))
    opened.close()
