"""Limits that an operator adds: any key, any operations, a rate, a number at a time, refused or held back.

All rules of an operation are looked at before any is charged: a request that one refuses costs nothing of another.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from doorward.controls.limits.counters import Counters, Ledger, address_key
from doorward.controls.limits.gcra import NANOSECONDS, Gcra
from doorward.controls.limits.policy import LimitsPolicy, RulePolicy
from doorward.denial import Denied
from doorward.exchange import Check, Exchange
from doorward.operation import Operation

Part = Callable[[Exchange], str | None]
_HEADER: Final = "header:"
_KEY_BYTES: Final = 256


def rules_check(operation: Operation, policy: LimitsPolicy, counters: Counters) -> Check | None:
    """The check of every rule that speaks of this operation; None when none does.

    A rule whose key has a part that this request lacks (no caller, no such header) does not apply to it.
    Errors of the check: Denied `limits.rate`, `limits.concurrency`, each with Retry-After.
    """
    name = f"{operation.method} {operation.template}"
    rules = [
        _Rule(rule, name, counters, policy.cost)
        for rule in policy.rules
        if not rule.operations or name in rule.operations
    ]
    if not rules:
        return None

    def check(exchange: Exchange) -> None:
        now_ns = int(exchange.ticks * NANOSECONDS)
        charges = [charge for rule in rules if (charge := rule.look(exchange, now_ns)) is not None]
        for charge in charges:
            charge()

    return check


class _Rule:
    """One rule, compiled for one operation."""

    __slots__ = ("_concurrency", "_cost", "_delayed", "_gcra", "_ledger", "_parts", "_policy", "_roles", "_running")

    def __init__(self, policy: RulePolicy, operation: str, counters: Counters, cost: int) -> None:
        self._policy = policy
        self._cost = cost
        self._roles = frozenset(policy.roles)
        self._parts = [_part(one, operation) for one in policy.by]
        self._gcra = Gcra.of(policy.rate, counters.share) if policy.rate is not None else None
        self._ledger: Ledger = counters.callers(f"{policy.name} {policy.rate}")
        self._running = counters.running(policy.name)
        self._delayed = counters.running(f"{policy.name} delayed")
        self._concurrency = max(1, int(policy.concurrency * counters.share)) if policy.concurrency is not None else 0

    def look(self, exchange: Exchange, now_ns: int) -> Callable[[], None] | None:
        """What charges the request to this rule, or None when the rule does not apply. Errors: Denied."""
        if self._roles and (exchange.caller is None or self._roles.isdisjoint(exchange.caller.roles)):
            return None
        parts: list[str] = []
        for part in self._parts:
            value = part(exchange)
            if value is None:
                return None
            parts.append(value)
        key = "\0".join(parts)
        if self._concurrency and self._running.get(key, 0) >= self._concurrency:
            detail = f"rule {self._policy.name}: {self._concurrency} at a time are under way"
            raise Denied("limits.concurrency", detail, headers=((b"retry-after", b"1"),))
        after, delay_ns = self._spent(key, now_ns) if self._gcra is not None else (0, 0)
        return partial(self._charge, exchange, key, after, delay_ns)

    def _spent(self, key: str, now_ns: int) -> tuple[int, int]:
        """The bucket after this request, and how long it must wait for its place in it, in nanoseconds."""
        gcra = self._gcra
        if gcra is None:
            return 0, 0
        after = max(self._ledger.get(key), now_ns) + gcra.interval_ns * self._cost
        early_ns = after - now_ns - gcra.tolerance_ns
        if early_ns <= 0:
            return after, 0
        policy = self._policy
        if early_ns <= policy.throttle_s * NANOSECONDS and self._delayed.get(key, 0) < policy.throttled:
            return after, early_ns
        wait_s = gcra.wait_s(after, now_ns)
        detail = f"rule {policy.name}: beyond {policy.rate}"
        raise Denied("limits.rate", detail, headers=((b"retry-after", b"%d" % wait_s),))

    def _charge(self, exchange: Exchange, key: str, after: int, delay_ns: int) -> None:
        if after:
            self._ledger.put(key, after)
        if delay_ns:
            exchange.delay_s = max(exchange.delay_s, delay_ns / NANOSECONDS)
            exchange.findings.append(f"limits.throttled:{self._policy.name}")
            _take(self._delayed, key, exchange)
        if self._concurrency:
            _take(self._running, key, exchange)


def _take(counts: dict[str, int], key: str, exchange: Exchange) -> None:
    counts[key] = counts.get(key, 0) + 1
    exchange.on_end.append(partial(_give_back, counts, key))


def _give_back(counts: dict[str, int], key: str) -> None:
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        del counts[key]


def _part(name: str, operation: str) -> Part:
    """What finds one part of a key."""
    if name.startswith(_HEADER):
        return partial(_header, name.removeprefix(_HEADER).lower().encode("ascii"))
    match name:
        case "caller":
            return _caller
        case "credential":
            return _credential
        case "role":
            return _role
        case "address":
            return _address
        case _:
            return partial(_constant, operation)


def _caller(exchange: Exchange) -> str | None:
    return exchange.caller.key if exchange.caller is not None else None


def _credential(exchange: Exchange) -> str | None:
    return (exchange.caller.credential_id or None) if exchange.caller is not None else None


def _role(exchange: Exchange) -> str | None:
    return " ".join(sorted(exchange.caller.roles)) if exchange.caller is not None else None


def _address(exchange: Exchange) -> str | None:
    return address_key(exchange.source.address)


def _header(name: bytes, exchange: Exchange) -> str | None:
    value = exchange.request.headers.get(name)
    return None if value is None else value[:_KEY_BYTES].decode("latin-1")


def _constant(value: str, exchange: Exchange) -> str | None:  # noqa: ARG001 - a part's shape
    return value


def named_operations(policy: LimitsPolicy) -> Iterator[tuple[int, str]]:
    """Each operation that a rule names, with the rule's place: so that names without an operation can be told."""
    for place, rule in enumerate(policy.rules):
        for name in rule.operations:
            yield place, name
