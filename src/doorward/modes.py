"""What a control's mode makes of it: enforced as it is, observed (recorded, not done), or left out."""

import re
from typing import Final, Protocol

from doorward.denial import Denied
from doorward.exchange import Check, Exchange, Response
from doorward.policy.values import Mode

OBSERVED: Final = "observe:"
"""Stands in front of a finding that would have been a denial, or a change of an answer. Behind the code of a denial
stands the field that was meant, where there is one: `observe:inspect.sql /items/*/note`."""
_PLACE: Final = re.compile(r"(#?/[^\s:]{0,160}|(?:query|path|header|cookie|form):[^\s:]{1,80}|body)(?=: )")


class Release(Protocol):
    """What `minimise` does to an answer."""

    def reads_body(self, exchange: Exchange, response: Response) -> bool:
        """Whether `apply` needs the whole body; else it may be streamed."""

    def streams(self, exchange: Exchange, response: Response) -> bool:
        """Whether a long body can be filtered in pieces although `apply` would like it whole."""

    def apply(self, exchange: Exchange) -> None:
        """Change `exchange.response` into what may leave. Errors: Denied."""


def check_in(mode: Mode, check: Check) -> Check | None:
    """What the mode makes of a check; None of one that is off."""
    if mode == "off":
        return None
    return check if mode == "enforce" else observed(check)


def release_in(mode: Mode, release: Release) -> Release:
    """What the mode makes of a release."""
    if mode == "off":
        return NoRelease()
    return release if mode == "enforce" else ObservedRelease(release)


def observed(check: Check) -> Check:
    """The check, whose denials are recorded and not done."""

    def observe(exchange: Exchange) -> None:
        delay_s, caller = exchange.delay_s, exchange.caller
        try:
            check(exchange)
        except Denied as denied:
            exchange.caller = caller
            place = _PLACE.match(denied.detail)
            exchange.findings.append(f"{OBSERVED}{denied.code} {place[1]}" if place else OBSERVED + denied.code)
        exchange.delay_s = delay_s

    return observe


class ObservedRelease:
    """A release that records what it would change or refuse, and changes nothing."""

    __slots__ = ("_release", "reads_body")

    def __init__(self, release: Release) -> None:
        self._release = release
        self.reads_body = release.reads_body

    def streams(self, exchange: Exchange, response: Response) -> bool:  # noqa: ARG002 - the protocol's shape
        """What would be done can only be told of a whole answer."""
        return False

    def apply(self, exchange: Exchange) -> None:
        """Nothing, with what the release would have done among the findings."""
        response = exchange.response
        if response is None:
            return
        known = len(exchange.findings)
        exchange.response = Response(response.status, list(response.headers), response.body)
        try:
            self._release.apply(exchange)
        except Denied as denied:
            exchange.findings.append(denied.code)
        finally:
            exchange.response = response
            exchange.body_filter = None
        exchange.findings[known:] = [OBSERVED + finding for finding in exchange.findings[known:]]


class NoRelease:
    """A release that is off: every answer leaves as it came."""

    __slots__ = ()

    def reads_body(self, exchange: Exchange, response: Response) -> bool:  # noqa: ARG002 - the protocol's shape
        """Nothing is read."""
        return False

    def streams(self, exchange: Exchange, response: Response) -> bool:  # noqa: ARG002 - the protocol's shape
        """Nothing is filtered."""
        return False

    def apply(self, exchange: Exchange) -> None:
        """Nothing."""


class WholeRelease:
    """A release of answers that are signed: whatever it does to them, it is done to the whole answer."""

    __slots__ = ("apply",)

    def __init__(self, release: Release) -> None:
        self.apply = release.apply

    def reads_body(self, exchange: Exchange, response: Response) -> bool:  # noqa: ARG002 - the protocol's shape
        """Everything is held until it is signed."""
        return True

    def streams(self, exchange: Exchange, response: Response) -> bool:  # noqa: ARG002 - the protocol's shape
        """Nothing leaves in pieces."""
        return False
