"""Simulates logins of honest people and of attackers against ways to throttle them.

    python -m bench.takeover            # 10,000 people, five days: the table of docs/account-takeover.md
    python -m bench.takeover --people 1000 --days 2

Doorward's row is decided by the real `risk.decision` and the real `risk.signals`, on a handed-in clock; only the rows
of `risk.counters` are kept in memory (a test compares the two). Attackers do not adapt and pass no challenge. Passwords
are stand-ins: what matters is only whether a guess is right, common, or seen before.
"""

import argparse
import heapq
import itertools
import random
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from doorward.identity.risk.decision import FORGET_S, Facts, decide
from doorward.identity.risk.signals import POPULAR_FACTOR, UNKNOWN_ACCOUNT, WRONG_PASSWORD, Signals

DAY_S: Final = 86_400.0
START: Final = 1_800_000_000.0
PATIENCE_S: Final = 60.0
"""How long a person waits at the page; who is told to wait longer counts as blocked."""
COMMON: Final = 40
"""Passwords a sprayer tries everywhere."""
Outcome = Literal["in", "wrong", "wait", "challenge", "locked"]


@dataclass(slots=True, kw_only=True)
class Person:
    """Somebody with an account."""

    name: str
    password: str
    has_factor: bool
    address: str
    logins_a_day: float
    is_victim: bool = False
    devices: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt as a policy sees it."""

    name: str
    password: str
    address: str
    device: str | None
    challenge_passed: bool = False


class Doorward:
    """The real decision and the real signals."""

    def __init__(self, people: Mapping[str, Person], *, cookies: bool = True) -> None:
        self._people, self._cookies = people, cookies
        self.name = "Doorward" if cookies else "Doorward without device cookies"
        self._signals = Signals()
        self._rows: dict[tuple[str, str], tuple[int, float]] = {}
        self._in_a_row: dict[str, int] = {}

    def attempt(self, made: Try, now: float) -> tuple[Outcome, float]:
        """What comes of an attempt, and how long to wait. As `credentials.Verifier.password`, step for step."""
        person = self._people.get(made.name)
        known = self._cookies and person is not None and made.device in person.devices
        if self._signals.is_repeated(made.name, made.password, now):
            return "wrong", 0.0
        place = made.device if known and made.device else ""
        failures, last_at = self._rows.get((made.name, place), (0, now))
        since_s = now - last_at
        failures = 0 if since_s >= FORGET_S else failures
        verdict = decide(
            Facts(
                known_device=known,
                failures=failures,
                since_failure_s=since_s,
                in_a_row=self._in_a_row.get(made.name, 0),
                spraying=not known and (self._signals.many_fail(now) or self._signals.is_sprayed(made.password, now)),
                address_score=0.0 if known else self._signals.address_score(made.address, now),
                challenge_passed=made.challenge_passed,
            )
        )
        if verdict.kind != "allow":
            if verdict.cause == "spraying":
                self._signals.challenged(made.name, made.password, now)
            return verdict.kind, verdict.wait_s
        if person is not None and person.password == made.password:
            self._rows.pop((made.name, place), None)
            self._in_a_row.pop(made.name, None)
            return "in", 0.0
        self._rows[made.name, place] = (failures + 1, now)
        self._in_a_row[made.name] = self._in_a_row.get(made.name, 0) + 1
        weight = (WRONG_PASSWORD if person else UNKNOWN_ACCOUNT) * (
            POPULAR_FACTOR if made.password.startswith("common") else 1.0
        )
        self._signals.failed(made.name, made.password, address=made.address, known_device=known, weight=weight, now=now)
        return "wrong", 0.0

    def was_reset(self, name: str, password: str, now: float) -> None:
        """A link set the password: its failures are forgotten."""
        self._signals.forget_guess(name, password, now)
        self._in_a_row.pop(name, None)
        for key in [key for key in self._rows if key[0] == name]:
            del self._rows[key]


class Nothing:
    """No throttling."""

    def __init__(self, people: Mapping[str, Person]) -> None:
        self.name, self._people = "none", people

    def attempt(self, made: Try, now: float) -> tuple[Outcome, float]:
        """Right or wrong."""
        del now
        person = self._people.get(made.name)
        return ("in" if person is not None and person.password == made.password else "wrong"), 0.0

    def was_reset(self, name: str, password: str, now: float) -> None:
        """Nothing to forget."""


class Lockout(Nothing):
    """So many failures lock the account for half an hour, whoever made them."""

    def __init__(self, people: Mapping[str, Person], most: int) -> None:
        super().__init__(people)
        self._most, self._failures, self._until = most, dict[str, int](), dict[str, float]()
        self.name = f"{most} failures, 30 min"

    def attempt(self, made: Try, now: float) -> tuple[Outcome, float]:
        """Locked, right or wrong."""
        if now < self._until.get(made.name, 0.0):
            return "locked", self._until[made.name] - now
        outcome, _ = super().attempt(made, now)
        self._failures[made.name] = 0 if outcome == "in" else self._failures.get(made.name, 0) + 1
        if self._failures[made.name] >= self._most:
            self._failures[made.name], self._until[made.name] = 0, now + 1_800.0
        return outcome, 0.0

    def was_reset(self, name: str, password: str, now: float) -> None:
        """A reset lifts the lock."""
        del password, now
        self._failures[name], self._until[name] = 0, 0.0


Policy = Doorward | Nothing


@dataclass(slots=True)
class Result:
    """What happened under one policy."""

    name: str
    logins: int = 0
    """Times an honest person wanted in."""
    blocked: int = 0
    """... and did not get in: locked, told to wait for more than a minute, or challenged without a second factor."""
    challenged: int = 0
    """... and had to show a second factor they would not have needed."""
    victim_logins: int = 0
    victim_blocked: int = 0
    """Of those whose account is being attacked, from a browser they used before."""
    guesses: dict[str, int] = field(default_factory=dict)
    """Guesses of each attack that were checked."""
    taken: dict[str, set[str]] = field(default_factory=dict)
    """Accounts each attack got into without being stopped by a second factor."""
    noticed_s: dict[str, float] = field(default_factory=dict)
    """Time from an attack's first try to its first challenge, wait or lock, in seconds."""

    def row(self) -> str:
        """A line of the table."""
        shown = [
            self.name,
            _percent(self.blocked, self.logins),
            _percent(self.challenged, self.logins),
            _percent(self.victim_blocked, self.victim_logins),
        ]
        shown += [f"{len(self.taken.get(attack, ()))} of {self.guesses.get(attack, 0):,}" for attack in ATTACKS]
        return f"| {' | '.join(shown)} |"


ATTACKS: Final = ("targeted", "spraying", "stuffing", "slow")
Event = tuple[float, int, Callable[[Policy, Result, float], Iterator[float]]]


class World:
    """People and attackers, drawn from a seed. The same for every policy."""

    def __init__(self, *, people: int, days: float, seed: int) -> None:
        self.days, self._seed = days, seed
        draw = random.Random(seed)
        self.people = {
            f"person{number}": Person(
                name=f"person{number}",
                password=f"common{draw.randrange(COMMON)}" if draw.random() < 0.012 else f"own{number}",
                has_factor=draw.random() < 0.3,
                address=f"office{number % 40}" if draw.random() < 0.3 else f"home{number}",
                logins_a_day=draw.uniform(0.5, 3.0),
                devices={f"laptop{number}"} if draw.random() < 0.95 else set(),
            )
            for number in range(people)
        }
        names = list(self.people)
        self.victims = draw.sample(names, max(3, people // 1_000))
        self.slow_victims = draw.sample(names, max(10, people // 200))
        self.reused = draw.sample(names, max(12, people // 83))
        for name in (*self.victims, *self.slow_victims):
            self.people[name].is_victim = True

    def run(self, make: Callable[[Mapping[str, Person]], Policy]) -> Result:
        """What happens under a policy."""
        people = {
            name: Person(
                name=person.name,
                password=person.password,
                has_factor=person.has_factor,
                address=person.address,
                logins_a_day=person.logins_a_day,
                is_victim=person.is_victim,
                devices=set(person.devices),
            )
            for name, person in self.people.items()
        }
        policy = make(people)
        result = Result(policy.name)
        numbers = itertools.count()
        waiting: list[tuple[float, int, Iterator[float]]] = []
        clock = [START]
        for actor in self._actors(people, policy, result, clock):
            heapq.heappush(waiting, (next(actor, float("inf")), next(numbers), actor))
        end = START + self.days * DAY_S
        while waiting and waiting[0][0] < end:
            clock[0], _, actor = heapq.heappop(waiting)
            following = next(actor, None)
            if following is not None:
                heapq.heappush(waiting, (following, next(numbers), actor))
        return result

    def _actors(
        self, people: Mapping[str, Person], policy: Policy, result: Result, clock: list[float]
    ) -> Iterator[Iterator[float]]:
        for number, person in enumerate(people.values()):
            yield _honest(person, policy, result, clock, random.Random(f"{self._seed} {number}"))
        draw = random.Random(f"{self._seed} attackers")
        for name in self.victims:
            yield _targeted(people[name], policy, result, clock)
        yield _spraying(people, policy, result, clock, draw)
        yield _stuffing(people, self.reused, policy, result, clock, draw)
        for name in self.slow_victims:
            yield _slow(people[name], policy, result, clock, draw.uniform(0, 3_600))


def _honest(person: Person, policy: Policy, result: Result, clock: list[float], draw: random.Random) -> Iterator[float]:
    """A person's logins: typing errors, new browsers, a forgotten password now and then, a program left behind."""
    stale_until = START
    at = START + draw.expovariate(person.logins_a_day / DAY_S)
    while True:
        yield at
        now = clock[0]
        if now < stale_until:
            # a mail program with the old password, without a cookie
            policy.attempt(Try(name=person.name, password="old", address=person.address, device=None), now)
            at = now + 300.0
            continue
        new = draw.random() < 0.03 or not person.devices
        device = f"new{draw.random()}" if new else draw.choice(sorted(person.devices))
        errors = [f"typo{draw.random()}" for _ in range(draw.choice((1, 1, 1, 2)))] if draw.random() < 0.08 else []
        forgot = draw.random() < 0.01
        if forgot:
            errors = [f"guess{draw.random()}" for _ in range(draw.randint(4, 6))]
        address = f"cafe{draw.randrange(500)}" if new and draw.random() < 0.5 else person.address
        _want_in(person, policy, result, now, device=device, new=new, address=address, errors=errors, forgot=forgot)
        if draw.random() < 0.002:
            stale_until = now + 2 * 3_600.0
        at = now + (300.0 if now < stale_until else draw.expovariate(person.logins_a_day / DAY_S))


def _want_in(
    person: Person,
    policy: Policy,
    result: Result,
    now: float,
    *,
    device: str,
    new: bool,
    address: str,
    errors: list[str],
    forgot: bool,
) -> None:
    result.logins += 1
    result.victim_logins += person.is_victim and not new
    challenged = False
    for password in (*errors, *(() if forgot else (person.password,))):
        made = Try(name=person.name, password=password, address=address, device=device, challenge_passed=challenged)
        outcome, wait_s = policy.attempt(made, now)
        if outcome == "challenge" and person.has_factor:
            challenged = True
            made = Try(name=person.name, password=password, address=address, device=device, challenge_passed=True)
            outcome, wait_s = policy.attempt(made, now)
        if outcome in ("wait", "locked") and wait_s <= PATIENCE_S and outcome == "wait":
            now += wait_s + 0.001
            outcome, wait_s = policy.attempt(made, now)
        if outcome in ("wait", "locked", "challenge"):
            # who has forgotten the password asks for a link anyway
            if not forgot:
                result.blocked += 1
                result.victim_blocked += person.is_victim and not new
            break
    else:
        person.devices.add(device)
    if forgot:
        policy.was_reset(person.name, person.password, now)
        person.devices.add(device)
    result.challenged += challenged


def _guess(attack: str, made: Try, people: Mapping[str, Person], policy: Policy, result: Result, now: float) -> None:
    outcome, _ = policy.attempt(made, now)
    began = result.noticed_s.setdefault(f"{attack} began", now)
    if outcome in ("in", "wrong"):
        result.guesses[attack] = result.guesses.get(attack, 0) + 1
    else:
        result.noticed_s.setdefault(attack, now - began)
    if outcome == "in" and not people[made.name].has_factor:
        result.taken.setdefault(attack, set()).add(made.name)


def _targeted(victim: Person, policy: Policy, result: Result, clock: list[float]) -> Iterator[float]:
    """One account, a guess every ten seconds; the password is the 1,000th of the list."""
    for number in itertools.count(1):
        yield START + 3_600.0 + number * 10.0
        password = victim.password if number == 1_000 else f"list{number}"
        made = Try(name=victim.name, password=password, address="attacker", device=None)
        _guess("targeted", made, {victim.name: victim}, policy, result, clock[0])


def _spraying(
    people: Mapping[str, Person], policy: Policy, result: Result, clock: list[float], draw: random.Random
) -> Iterator[float]:
    """The most common passwords at every account, from 500 addresses, one a second."""
    at = START + 0.5 * DAY_S
    for rank in range(COMMON):
        for name in people:
            at += 1.0
            yield at
            address = f"bot{draw.randrange(500)}"
            _guess(
                "spraying",
                Try(name=name, password=f"common{rank}", address=address, device=None),
                people,
                policy,
                result,
                clock[0],
            )


def _stuffing(
    people: Mapping[str, Person],
    reused: list[str],
    policy: Policy,
    result: Result,
    clock: list[float],
    draw: random.Random,
) -> Iterator[float]:
    """Pairs of another site's breach from 500 addresses, each one a minute: most names unknown, few passwords right."""
    pairs = [(f"stranger{number}", f"leaked{number}") for number in range(len(people))]
    pairs += [(name, people[name].password) for name in reused]
    draw.shuffle(pairs)
    for number, (name, password) in enumerate(pairs):
        yield START + 0.25 * DAY_S + number * 60.0 / 500
        made = Try(name=name, password=password, address=f"proxy{number % 500}", device=None)
        _guess("stuffing", made, people, policy, result, clock[0])


def _slow(victim: Person, policy: Policy, result: Result, clock: list[float], offset: float) -> Iterator[float]:
    """A guess an hour from a fresh address each; the password is the 60th of the list."""
    for number in itertools.count(1):
        yield START + offset + number * 3_600.0
        password = victim.password if number == 60 else f"list{number}"
        made = Try(name=victim.name, password=password, address=f"fresh{offset}{number}", device=None)
        _guess("slow", made, {victim.name: victim}, policy, result, clock[0])


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "-"


POLICIES: Final[tuple[Callable[[Mapping[str, Person]], Policy], ...]] = (
    Nothing,
    lambda people: Lockout(people, 5),
    lambda people: Lockout(people, 10),
    Doorward,
    lambda people: Doorward(people, cookies=False),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="bench.takeover")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--days", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    world = World(people=arguments.people, days=arguments.days, seed=arguments.seed)
    print("| policy | honest blocked % | honest challenged % | victims blocked % |", " | ".join(ATTACKS), "|")
    print("|---|---|---|---|---|---|---|---|")
    for make in POLICIES:
        began = time.process_time()
        result = world.run(make)
        print(result.row(), flush=True)
        noticed = {attack: round(result.noticed_s[attack], 1) for attack in ATTACKS if attack in result.noticed_s}
        print(f"<!-- {result.logins:,} logins, {time.process_time() - began:.0f} s, noticed after {noticed} s -->")
    print(f"<!-- most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB -->")


if __name__ == "__main__":
    main()
