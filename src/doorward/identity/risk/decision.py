"""The decision whether a credential may be tried: facts in, verdict out. No clock, no store."""

from dataclasses import dataclass
from typing import Final, Literal

FREE_COUNT: Final = 3
"""Distinct wrong guesses of unknown devices before the first wait."""
FIRST_WAIT_S: Final = 5.0
"""Doubled with every further guess."""
LONGEST_WAIT_S: Final = 3_600.0
STEP_UP_COUNT: Final = 20
"""Distinct wrong guesses of unknown devices from which on each of them needs a challenge too."""
KNOWN_DEVICE_COUNT: Final = 5
"""Failures of a known device before it counts as unknown: a stolen cookie gains little."""
UNKNOWN_MOST: Final = 90
"""Failures in a row at which unknown devices may no longer try; the rest is kept for known ones, so that strangers
cannot lock out the owner."""
TOTAL_MOST: Final = 100
"""Failures in a row over all paths (NIST SP 800-63B-4 section 3.2.2)."""
ADDRESS_CHALLENGE: Final = 30.0
"""Score of an address from which on its unknown devices need a challenge."""
ADDRESS_REFUSE: Final = 200.0
"""Score of an address at which its unknown devices have to wait."""
FORGET_S: Final = 7 * 86_400.0
"""Time without a failure after which guesses are forgotten, in seconds. A login of the same kind forgets them at once,
so it is strangers who wait for it: twenty guesses a week at an account, not twenty a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known when somebody wants to try a credential."""

    known_device: bool
    """The browser once signed this user in, and says so by its cookie."""
    failures: int
    """Distinct wrong guesses so far: of this known device, or of all unknown ones together."""
    since_failure_s: float
    """Time since the last of them, in seconds."""
    in_a_row: int
    """All failures at this account since its last success."""
    spraying: bool = False
    """Many accounts fail at once, or this very password failed at several."""
    address_score: float = 0.0
    challenge_passed: bool = False
    step_up_count: int = STEP_UP_COUNT
    """Guesses after which more than the password is needed. One below the usual counts repeated guesses too (PCI DSS
    8.3.4 counts attempts)."""


Cause = Literal["nothing", "in_a_row", "guesses", "spraying", "address", "parallel"]
"""What speaks against trying: failures in a row, distinct guesses at this account, many accounts failing, the address,
too many at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What may happen now."""

    kind: Literal["allow", "wait", "challenge", "locked"]
    wait_s: float = 0.0
    cause: Cause = "nothing"
    """For the record, never for who asks."""


def decide(facts: Facts) -> Verdict:
    """Whether the credential may be tried.

    A known device within its budget is never made to wait for what strangers did.
    """
    if facts.in_a_row >= TOTAL_MOST:
        return Verdict(kind="locked", cause="in_a_row")
    if facts.known_device and facts.failures < KNOWN_DEVICE_COUNT:
        return Verdict(kind="allow")
    if facts.in_a_row >= UNKNOWN_MOST:
        return Verdict(kind="locked", cause="in_a_row")
    wait_s = delay_s(facts.failures) - facts.since_failure_s
    if wait_s > 0:
        return Verdict(kind="wait", wait_s=wait_s, cause="guesses")
    if facts.address_score >= ADDRESS_REFUSE:
        return Verdict(kind="wait", wait_s=LONGEST_WAIT_S, cause="address")
    if not facts.challenge_passed:
        counted = facts.failures if facts.step_up_count >= STEP_UP_COUNT else max(facts.failures, facts.in_a_row)
        if counted >= facts.step_up_count:
            return Verdict(kind="challenge", cause="guesses")
        if facts.spraying:
            return Verdict(kind="challenge", cause="spraying")
        if facts.address_score >= ADDRESS_CHALLENGE:
            return Verdict(kind="challenge", cause="address")
    return Verdict(kind="allow")


def delay_s(failures: int) -> float:
    """The least time between the last of so many guesses and the next, in seconds.

    >>> [delay_s(count) for count in (2, 3, 4, 12, 13, 90)]
    [0.0, 5.0, 10.0, 2560.0, 3600.0, 3600.0]
    """
    if failures < FREE_COUNT:
        return 0.0
    return min(FIRST_WAIT_S * 2.0 ** min(failures - FREE_COUNT, 16), LONGEST_WAIT_S)
