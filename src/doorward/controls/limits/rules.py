"""Limits that an operator adds: any key, any operations, a rate, a number at a time, refused or held back.

All rules of an operation are looked at before any is charged: a request that one refuses costs nothing of another.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from doorward.controls.limits.buckets import Bucket
from doorward.controls.limits.counters import Counters, address_key
from doorward.controls.limits.meters import NANOSECONDS, retry_after_s
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

    __slots__ = ("_cost", "_delayed", "_parts", "_policy", "_rate", "_roles", "_slots")

    def __init__(self, policy: RulePolicy, operation: str, counters: Counters, cost: int) -> None:
        self._policy = policy
        self._cost = cost
        self._roles = frozenset(policy.roles)
        self._parts = [_part(one, operation) for one in policy.by]
        name = f"rule {policy.name}"
        self._rate = counters.rate(name, policy.rate) if policy.rate is not None else None
        self._slots = counters.slots(name, policy.concurrency) if policy.concurrency is not None else None
        self._delayed: dict[str, int] = {}

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
        slots = self._slots
        taken = 0
        if slots is not None:
            taken = slots.after(key, now_ns)
            free = slots.left(taken, now_ns)
            if free < 0:
                detail = f"rule {self._policy.name}: {self._policy.concurrency} at a time are under way"
                raise Denied("limits.concurrency", detail, headers=((b"retry-after", b"1"),))
            slots.settle(key, free)
        after, delay_ns = self._spent(self._rate, key, now_ns) if self._rate is not None else (0, 0)
        return partial(self._charge, exchange, key, now_ns, after, delay_ns, taken)

    def _spent(self, rate: Bucket, key: str, now_ns: int) -> tuple[int, int]:
        """The number after this request, and how long it must wait for its place, in nanoseconds."""
        after = rate.after(key, now_ns, self._cost)
        early_ns = rate.wait_ns(after, now_ns)
        if early_ns <= 0:
            rate.settle(key, rate.left(after, now_ns), self._cost)
            return after, 0
        policy = self._policy
        if early_ns <= policy.throttle_s * NANOSECONDS and self._delayed.get(key, 0) < policy.throttled:
            return after, early_ns
        rate.look_again(key)
        detail = f"rule {policy.name}: beyond {policy.rate}"
        raise Denied("limits.rate", detail, headers=((b"retry-after", b"%d" % retry_after_s(early_ns)),))

    def _charge(self, exchange: Exchange, key: str, now_ns: int, after: int, delay_ns: int, taken: int) -> None:
        if self._rate is not None:
            self._rate.charge(key, after, now_ns, self._cost)
        if delay_ns:
            exchange.delay_s = max(exchange.delay_s, delay_ns / NANOSECONDS)
            exchange.findings.append(f"limits.throttled:{self._policy.name}")
            _take(self._delayed, key, exchange)
        slots = self._slots
        if slots is not None:
            slots.charge(key, taken, now_ns)
            exchange.on_end.append(partial(slots.give_back, key))


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
