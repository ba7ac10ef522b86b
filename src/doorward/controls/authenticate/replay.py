"""Proofs that may be used once: what was seen is remembered as long as it could be accepted again.

A set that was emptied, by a restart, cannot say what came before: of anything that could have been used then it says
"unknown", and unknown is refused. It decides without I/O; the clock is handed in.
"""

from collections.abc import Callable
from typing import Final, Literal, Protocol, TypeAlias

from doorward.controls.authenticate.challenge import unavailable
from doorward.exchange import Check, Exchange, SingleUse

Sight: TypeAlias = Literal["first", "seen", "unknown"]
"""Of a proof: used now for the first time; used before; nobody can tell, so it must not pass."""

PROOFS_MOST: Final = 500_000
"""Most proofs remembered at a time, about 100 bytes each; more than 8,000 a second for a minute. Beyond it new ones
are refused: to forget one early would let it be used again."""
_WIDTH_S: Final = 8
"""Proofs are forgotten together with all that end in the same 8 seconds."""


class ReplaySet:
    """Proofs seen, each until it is void by itself.

    >>> seen = ReplaySet(born_at=100.0)
    >>> [seen.claim(b"proof", usable_from=101.0, until=160.0, now=102.0) for _ in range(2)]
    ['first', 'seen']
    """

    __slots__ = ("_born_at", "_by_end", "_count", "_forgotten", "_most")

    def __init__(self, *, born_at: float, most: int = PROOFS_MOST) -> None:
        """`born_at`: Unix seconds since when everything was noted."""
        self._born_at, self._most = born_at, most
        self._by_end: dict[int, set[bytes]] = {}
        self._count = 0
        self._forgotten = -1

    def __len__(self) -> int:
        return self._count

    def claim(self, proof: bytes, *, usable_from: float, until: float, now: float) -> Sight:
        """Whether it is used for the first time; from now on it no longer is.

        Units: Unix seconds. `usable_from` is the first moment at which it could have been accepted, `until` the last.
        """
        if usable_from <= self._born_at:
            return "unknown"
        self._forget(now)
        end = int(until // _WIDTH_S)
        if end <= self._forgotten:
            # The clock was set back: what it makes acceptable again was forgotten already.
            return "unknown"
        if any(proof in proofs for proofs in self._by_end.values()):
            return "seen"
        if self._count >= self._most:
            return "unknown"
        self._by_end.setdefault(end, set()).add(proof)
        self._count += 1
        return "first"

    def _forget(self, now: float) -> None:
        before = int(now // _WIDTH_S) - 1
        if before <= self._forgotten:
            return
        self._forgotten = before
        for end in [end for end in self._by_end if end <= before]:
            self._count -= len(self._by_end.pop(end))


class Replays(Protocol):
    """Who knows which proofs were used: this worker alone, or all of them together."""

    def claim(self, exchange: Exchange, proof: SingleUse) -> Sight:
        """As `ReplaySet.claim`, for this exchange. Errors: Pending, while somebody is asked; then ask again."""


class OwnReplays:
    """The proofs of a process that is alone: the one worker, or an application's."""

    __slots__ = ("_seen",)

    def __init__(self, *, born_at: float) -> None:
        self._seen = ReplaySet(born_at=born_at)

    def claim(self, exchange: Exchange, proof: SingleUse) -> Sight:
        """As `Replays`."""
        return self._seen.claim(proof.proof, usable_from=proof.usable_from, until=proof.until, now=exchange.now)


class NoReplays:
    """Where nobody remembers proofs for all who could be shown one: none is accepted."""

    __slots__ = ()

    def claim(self, exchange: Exchange, proof: SingleUse) -> Sight:  # noqa: ARG002 - the protocol's shape
        """As `Replays`: nobody can tell."""
        return "unknown"


def once_check(replays: Callable[[], Replays]) -> Check:
    """The check that uses up what `authenticate` noted in `exchange.single_use`.

    It stands right behind the proof, so that a proof that does not hold uses up nothing.
    """

    def check(exchange: Exchange) -> None:
        proofs = exchange.single_use
        while proofs:
            sight = replays().claim(exchange, proofs[0])
            if sight != "first":
                # Whoever repeats a proof is not the one it proves: nothing is put down to them.
                exchange.caller = None
            if sight == "seen":
                raise proofs[0].refusal
            if sight == "unknown":
                raise proofs[0].unknown or unavailable("nobody can tell whether this proof was used before")
            del proofs[0]

    return check
