"""The gates of the simulation: who is honest is let in, who is attacked is not locked out, attacks get little."""

import random

import pytest
from bench.takeover import ATTACKS, DAY_S, START, Doorward, Lockout, Nothing, Person, Result, Try, World

from doorward.identity.credentials import Attempt, Proved, Verifier
from doorward.identity.sealing import ServerSecret
from doorward.identity.users import add_user
from doorward.store import Store


@pytest.fixture(scope="module")
def world() -> World:
    return World(people=1_000, days=2.0, seed=0)


@pytest.fixture(scope="module")
def doorward(world: World) -> Result:
    return world.run(Doorward)


def test_honest_people_are_hardly_ever_blocked(doorward: Result) -> None:
    assert doorward.logins > 3_000
    assert doorward.blocked / doorward.logins <= 0.001


def test_nobody_is_locked_out_by_who_attacks_them(world: World, doorward: Result) -> None:
    assert doorward.victim_logins > 20
    assert doorward.victim_blocked == 0
    assert world.run(lambda people: Lockout(people, 5)).victim_blocked > 0


def test_attacks_get_little_where_nothing_stops_them_they_get_much(world: World, doorward: Result) -> None:
    nothing = world.run(Nothing)
    for attack in ("targeted", "spraying", "stuffing"):
        assert len(nothing.taken[attack]) >= 3
        assert len(doorward.taken.get(attack, ())) <= len(nothing.taken[attack]) / 4
        assert doorward.guesses[attack] <= nothing.guesses[attack] / 10


def test_stuffing_from_500_addresses_is_noticed_within_five_minutes(doorward: Result) -> None:
    assert all(attack in doorward.noticed_s for attack in ATTACKS)
    assert doorward.noticed_s["stuffing"] <= 300.0


def test_the_same_seed_gives_the_same_result(world: World, doorward: Result) -> None:
    assert world.run(Doorward) == doorward


def test_the_simulated_counters_decide_as_the_real_ones(store: Store) -> None:
    draw = random.Random(3)
    names = ["person0", "person1", "nobody"]
    people = {}
    for name in names[:2]:
        add_user(store, name, now=START, password=f"the long password of {name}")
        people[name] = Person(
            name=name, password=f"the long password of {name}", has_factor=False, address="a", logins_a_day=1.0
        )
    simulated, real = Doorward(people), Verifier(store, ServerSecret(b"s" * 32))
    now, seen = START, set()
    for _ in range(150):
        now += draw.choice((0.0, 1.0, 4.0, 30.0, 4_000.0, DAY_S / 3))
        name = draw.choice(names)
        guess = draw.choice((f"guess {draw.randrange(40)}", f"guess {draw.random()}", f"the long password of {name}"))
        passed = draw.random() < 0.3
        made = Try(name=name, password=guess, address=f"a{draw.randrange(3)}", device=None, challenge_passed=passed)
        attempt = Attempt(name=name, secret=guess, address=made.address, challenge_passed=passed)
        outcome, wait_s = simulated.attempt(made, now)
        found = real.password(attempt, now=now)
        assert outcome == ("in" if isinstance(found, Proved) else found.kind)
        assert isinstance(found, Proved) or found.wait_s == pytest.approx(wait_s)
        seen.add(outcome)
    assert seen == {"in", "wrong", "wait"} | (seen & {"challenge", "locked"})
