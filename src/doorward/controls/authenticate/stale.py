"""Refuses everybody once nobody has confirmed for too long that what is known of callers is still true."""

from doorward.controls.authenticate.credentials import Credentials
from doorward.controls.authenticate.policy import AuthenticatePolicy
from doorward.denial import Denied
from doorward.exchange import Check, Exchange


def when_fresh(check: Check, policy: AuthenticatePolicy, credentials: Credentials) -> Check:
    """The check, behind one of age where the policy demands it. Errors of that: Denied `authenticate.stale`."""
    most_s = policy.stale_after_s
    if most_s is None:
        return check

    def fresh(exchange: Exchange) -> None:
        if credentials.age_s > most_s:
            raise Denied(
                "authenticate.stale",
                f"what is known of callers was not confirmed for {min(credentials.age_s, 1e9):.0f} s",
                headers=((b"retry-after", b"5"),),
            )
        check(exchange)

    return fresh
