"""The two checks by count: of the address before anything dear is done, of the caller once it is known."""

from typing import Final, NamedTuple

from doorward.controls.limits.counters import Counters, QuotaWindow, address_key
from doorward.controls.limits.meters import NANOSECONDS, retry_after_s, seconds_up
from doorward.controls.limits.policy import LimitsPolicy
from doorward.controls.limits.quota import Quota
from doorward.controls.limits.rate import Rate
from doorward.denial import Denied
from doorward.exchange import Check, Exchange, Header

_RATELIMIT: Final = b"ratelimit"
_POLICY: Final = b"ratelimit-policy"


def address_check(policy: LimitsPolicy, counters: Counters) -> Check | None:
    """The check that an address is within `per_address`; None when the policy counts no addresses.

    Errors of the check: Denied `limits.rate` with Retry-After; Pending. A refused request is not counted again: who
    waits as long as told is served.
    """
    if policy.per_address is None:
        return None
    limit = _RateLimit("per_address", policy.per_address, counters)

    def check(exchange: Exchange) -> None:
        key = address_key(exchange.source.address)
        now_ns = int(exchange.ticks * NANOSECONDS)
        after = limit.look(exchange, "address", key, now_ns)
        left = limit.bucket.left(after, now_ns)
        limit.bucket.settle(key, left)
        limit.bucket.charge(key, after, now_ns)
        limit.state(exchange, left, after - now_ns)

    return check


def caller_check(policy: LimitsPolicy, counters: Counters) -> Check | None:
    """The check that a caller is within `per_caller` and its quota; None when the policy sets neither.

    An exchange without a caller (a public operation) passes: its address was counted. Both limits are looked at
    before either is charged, so a request refused by one costs nothing of the other.
    Errors of the check: Denied `limits.rate`, `limits.quota`, each with Retry-After; Pending.
    """
    rate = policy.per_caller
    quotas = _Quotas(policy.quota, counters) if policy.quota else None
    if rate is None:
        return None if quotas is None else _quota_check(quotas)
    limit = _RateLimit("per_caller", rate, counters)

    def check(exchange: Exchange) -> None:
        caller = exchange.caller
        if caller is None:
            return
        key = caller.key
        now_ns = int(exchange.ticks * NANOSECONDS)
        after = limit.look(exchange, "caller", key, now_ns)
        left = limit.bucket.left(after, now_ns)
        limit.bucket.settle(key, left)
        if quotas is not None:
            quotas.charge(exchange, caller.roles, key)
        limit.bucket.charge(key, after, now_ns)
        limit.state(exchange, left, after - now_ns)

    return check


def _quota_check(quotas: "_Quotas") -> Check:
    def check(exchange: Exchange) -> None:
        if exchange.caller is not None:
            quotas.charge(exchange, exchange.caller.roles, exchange.caller.key)

    return check


class _RateLimit:
    """One rate, with what is said of it in answers."""

    __slots__ = ("_name", "_rate", "_stated", "bucket")

    def __init__(self, name: str, rate: Rate, counters: Counters) -> None:
        self.bucket = counters.rate(name, rate)
        self._name = name.encode("ascii")
        self._rate = rate
        self._stated = _policy_field(self._name, rate)

    def look(self, exchange: Exchange, what: str, key: str, now_ns: int) -> int:
        """The number of this key after the request. Errors: Denied."""
        bucket = self.bucket
        after = bucket.after(key, now_ns)
        if bucket.left(after, now_ns) < 0:
            bucket.look_again(key)
            wait_s = retry_after_s(bucket.wait_ns(after, now_ns))
            exchange.answer_headers += (self._stated, (_RATELIMIT, b'"%b";r=0;t=%d' % (self._name, wait_s)))
            raise _rate_refusal(f"{what} {key} is beyond {self._rate}", wait_s)
        return after

    def state(self, exchange: Exchange, left: int, ahead_ns: int) -> None:
        """Say in the answer how much is left."""
        value = b'"%b";r=%d;t=%d' % (self._name, left, seconds_up(ahead_ns))
        exchange.answer_headers += (self._stated, (_RATELIMIT, value))


class _RoleQuota(NamedTuple):
    quota: Quota
    window: QuotaWindow


class _Quotas:
    """Quotas by role, the largest first, ready to be charged."""

    __slots__ = ("_by_role",)

    def __init__(self, quotas: dict[str, Quota], counters: Counters) -> None:
        largest_first = sorted(quotas.items(), key=lambda entry: entry[1].per_s, reverse=True)
        self._by_role = {role: _RoleQuota(quota, counters.quotas[quota.unit]) for role, quota in largest_first}

    def charge(self, exchange: Exchange, roles: frozenset[str], key: str) -> None:
        """Nothing, having charged one request to the largest quota of these roles, if they have one.

        Errors: Denied `limits.quota`, Pending; nothing is charged then.
        """
        for role in self._by_role:
            if role in roles:
                break
        else:
            return
        quota, window = self._by_role[role]
        bucket = window.at(exchange.now, quota.count)
        used = bucket.after(key, 0)
        left = bucket.left(used, 0)
        if left >= 0:
            bucket.settle(key, left)
        wait_s = max(1, window.end_s - int(exchange.now))
        exchange.answer_headers += (
            (_POLICY, b'"quota";q=%d;w=%d' % (quota.count, window.length_s)),
            (_RATELIMIT, b'"quota";r=%d;t=%d' % (max(0, left), wait_s)),
        )
        if left < 0:
            bucket.look_again(key)
            detail = f"caller {key} used up {quota} of role {role}"
            raise Denied("limits.quota", detail, headers=((b"retry-after", b"%d" % wait_s),))
        bucket.charge(key, used, 0)


def _policy_field(name: bytes, rate: Rate) -> Header:
    """`RateLimit-Policy: "per_caller";q=50;w=5`: `q` requests are earned in `w` seconds.

    Source: draft-ietf-httpapi-ratelimit-headers-10 sections 3 and 4. A burst smaller than the rate is stated as
    the quota and the time in which it comes back, since that is what a client can plan with.
    """
    window_s = max(1, -(-rate.burst * rate.window_s // rate.count))
    return _POLICY, b'"%s";q=%d;w=%d' % (name, rate.burst, window_s)


def _rate_refusal(detail: str, wait_s: int) -> Denied:
    return Denied("limits.rate", detail, headers=((b"retry-after", b"%d" % wait_s),))
