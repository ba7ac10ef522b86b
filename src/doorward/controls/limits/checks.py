"""The two checks by count: of the address before anything dear is done, of the caller once it is known."""

from typing import Final, NamedTuple

from doorward.controls.limits.counters import Counters, WindowLedger, address_key
from doorward.controls.limits.gcra import NANOSECONDS, Gcra, seconds_up
from doorward.controls.limits.policy import LimitsPolicy
from doorward.controls.limits.quota import Quota
from doorward.controls.limits.rate import Rate
from doorward.denial import Denied
from doorward.exchange import Check, Exchange, Header

_RATELIMIT: Final = b"ratelimit"
_POLICY: Final = b"ratelimit-policy"


def address_check(policy: LimitsPolicy, counters: Counters) -> Check | None:
    """The check that an address is within `per_address`; None when the policy counts no addresses.

    Errors of the check: Denied `limits.rate` with Retry-After. A refused request is not counted again: who waits
    as long as told is served.
    """
    if policy.per_address is None:
        return None
    gcra = Gcra.of(policy.per_address, counters.share)
    stated = _policy_field(b"per_address", policy.per_address)
    ledger = counters.addresses

    def check(exchange: Exchange) -> None:
        key = address_key(exchange.source.address)
        now_ns = int(exchange.ticks * NANOSECONDS)
        after = gcra.spend(ledger.get(key), now_ns)
        left = gcra.left(after, now_ns)
        if left < 0:
            exchange.answer_headers += (stated, (_RATELIMIT, b'"per_address";r=0;t=%d' % gcra.wait_s(after, now_ns)))
            raise _rate_refusal(f"address {key} is beyond {policy.per_address}", gcra.wait_s(after, now_ns))
        ledger.put(key, after)
        back_s = seconds_up(after - now_ns)
        exchange.answer_headers += (stated, (_RATELIMIT, b'"per_address";r=%d;t=%d' % (left, back_s)))

    return check


def caller_check(policy: LimitsPolicy, counters: Counters) -> Check | None:
    """The check that a caller is within `per_caller` and its quota; None when the policy sets neither.

    An exchange without a caller (a public operation) passes: its address was counted. Both limits are looked at
    before either is charged, so a request refused by one costs nothing of the other.
    Errors of the check: Denied `limits.rate`, `limits.quota`, each with Retry-After.
    """
    rate = policy.per_caller
    quotas = _Quotas(policy.quota, counters) if policy.quota else None
    if rate is None:
        return None if quotas is None else _quota_check(quotas)
    gcra = Gcra.of(rate, counters.share)
    stated = _policy_field(b"per_caller", rate)
    ledger = counters.callers(str(rate))

    def check(exchange: Exchange) -> None:
        caller = exchange.caller
        if caller is None:
            return
        key = caller.key
        now_ns = int(exchange.ticks * NANOSECONDS)
        after = gcra.spend(ledger.get(key), now_ns)
        left = gcra.left(after, now_ns)
        if left < 0:
            exchange.answer_headers += (stated, (_RATELIMIT, b'"per_caller";r=0;t=%d' % gcra.wait_s(after, now_ns)))
            raise _rate_refusal(f"caller {key} is beyond {rate}", gcra.wait_s(after, now_ns))
        if quotas is not None:
            quotas.charge(exchange, caller.roles, key)
        ledger.put(key, after)
        back_s = seconds_up(after - now_ns)
        exchange.answer_headers += (stated, (_RATELIMIT, b'"per_caller";r=%d;t=%d' % (left, back_s)))

    return check


def _quota_check(quotas: "_Quotas") -> Check:
    def check(exchange: Exchange) -> None:
        if exchange.caller is not None:
            quotas.charge(exchange, exchange.caller.roles, exchange.caller.key)

    return check


class _RoleQuota(NamedTuple):
    quota: Quota
    most: int
    """This worker's share of it."""
    window: WindowLedger


class _Quotas:
    """Quotas by role, the largest first, ready to be charged."""

    __slots__ = ("_by_role",)

    def __init__(self, quotas: dict[str, Quota], counters: Counters) -> None:
        largest_first = sorted(quotas.items(), key=lambda entry: entry[1].per_s, reverse=True)
        self._by_role = {
            role: _RoleQuota(quota, max(1, int(quota.count * counters.share)), counters.quotas[quota.unit])
            for role, quota in largest_first
        }

    def charge(self, exchange: Exchange, roles: frozenset[str], key: str) -> None:
        """Nothing, having charged one request to the largest quota of these roles, if they have one.

        Errors: Denied `limits.quota`; nothing is charged then.
        """
        for role in self._by_role:
            if role in roles:
                break
        else:
            return
        quota, most, window = self._by_role[role]
        counts = window.at(exchange.now)
        used = counts.get(key) + 1
        wait_s = max(1, window.end_s - int(exchange.now))
        exchange.answer_headers += (
            (_POLICY, b'"quota";q=%d;w=%d' % (quota.count, window.length_s)),
            (_RATELIMIT, b'"quota";r=%d;t=%d' % (max(0, most - used), wait_s)),
        )
        if used > most:
            detail = f"caller {key} used up {quota} of role {role}"
            raise Denied("limits.quota", detail, headers=((b"retry-after", b"%d" % wait_s),))
        counts.put(key, used)


def _policy_field(name: bytes, rate: Rate) -> Header:
    """`RateLimit-Policy: "per_caller";q=50;w=5`: `q` requests are earned in `w` seconds.

    Source: draft-ietf-httpapi-ratelimit-headers-10 sections 3 and 4. A burst smaller than the rate is stated as
    the quota and the time in which it comes back, since that is what a client can plan with.
    """
    window_s = max(1, -(-rate.burst * rate.window_s // rate.count))
    return _POLICY, b'"%s";q=%d;w=%d' % (name, rate.burst, window_s)


def _rate_refusal(detail: str, wait_s: int) -> Denied:
    return Denied("limits.rate", detail, headers=((b"retry-after", b"%d" % wait_s),))
