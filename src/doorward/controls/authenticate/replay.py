"""Proofs that may be used once: what was seen is remembered as long as it could be accepted again.

A set that was emptied, by a restart, or that has forgotten, cannot say what came before: of anything that old it
answers "unknown", and unknown is refused. So no proof is first twice, whatever the clock does and however late it is
shown. It decides without I/O; the clock is handed in.
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
_SHARE: Final = 2
"""No holder has more than the second part of these places: there is room for the others, whatever one of them does."""
_WIDTH_S: Final = 8
"""Proofs are forgotten together with all that began in the same 8 seconds."""


class _Holder:
    """Somebody who has proofs that are remembered, and how many."""

    __slots__ = ("count", "name")

    def __init__(self, name: str) -> None:
        self.name, self.count = name, 0


class ReplaySet:
    """Proofs seen, each until it is void by itself.

    >>> seen = ReplaySet(born_at=100.0)
    >>> [seen.claim(b"proof", usable_from=101.0, until=160.0, now=102.0) for _ in range(2)]
    ['first', 'seen']
    """

    __slots__ = ("_ahead_s", "_by_start", "_complete_since", "_count", "_held", "_kept_s", "_most")

    def __init__(self, *, born_at: float, most: int = PROOFS_MOST) -> None:
        """`born_at`: Unix seconds since when everything was noted."""
        self._most = most
        self._complete_since = born_at
        """Every proof that was usable only after this moment, and was seen, is still here."""
        self._by_start: dict[int, dict[bytes, _Holder]] = {}
        self._held: dict[str, _Holder] = {}
        self._kept_s = 0.0
        """How long proofs are kept: the longest that any was good for."""
        self._ahead_s = 0.0
        """How much later, at most, a proof that is here could have become usable under another policy."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def claim(
        self,
        proof: bytes,
        *,
        usable_from: float,
        until: float,
        now: float,
        holder: str = "",
        ahead_s: float = 0.0,
    ) -> Sight:
        """Whether it is used for the first time; from now on it no longer is.

        Units: Unix seconds. `usable_from` is the first moment at which it could have been accepted, `until` the last:
        what a proof says of itself, so that it says the same whenever it is shown. Unless the policy changes meanwhile:
        it was made `ahead_s` after `usable_from`, and a policy that has less patience with clocks, and more with age,
        sees the same proof begin by so much later.
        """
        self._kept_s = max(self._kept_s, until - usable_from)
        self._ahead_s = max(self._ahead_s, ahead_s)
        self._forget(now - self._kept_s - self._ahead_s)
        if any(proof in proofs for proofs in self._by_start.values()):
            return "seen"
        if usable_from <= self._complete_since or self._count >= self._most:
            return "unknown"
        held = self._held.get(holder) or _Holder(holder)
        if holder and held.count >= self._most // _SHARE:
            return "unknown"
        self._held[holder] = held
        held.count += 1
        self._by_start.setdefault(int(usable_from // _WIDTH_S), {})[proof] = held
        self._count += 1
        return "first"

    def _forget(self, before: float) -> None:
        over = [start for start in self._by_start if (start + 1) * _WIDTH_S <= before]
        for start in over:
            for held in self._by_start.pop(start).values():
                self._count -= 1
                held.count -= 1
                if not held.count:
                    del self._held[held.name]
            self._complete_since = max(self._complete_since, (start + 1) * _WIDTH_S + self._ahead_s)


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
        return self._seen.claim(
            proof.proof,
            usable_from=proof.usable_from,
            until=proof.until,
            now=exchange.complete_at,
            holder=proof.holder,
            ahead_s=proof.ahead_s,
        )


class NoReplays:
    """Where nobody remembers proofs for all who could be shown one: none is accepted."""

    __slots__ = ()

    def claim(self, exchange: Exchange, proof: SingleUse) -> Sight:  # noqa: ARG002 - the protocol's shape
        """As `Replays`: nobody can tell."""
        return "unknown"


def use_once(exchange: Exchange, proof: SingleUse) -> None:
    """Nothing; the proof is to be used up, once, even if several schemes find the same one."""
    if all(known.proof != proof.proof for known in exchange.single_use):
        exchange.single_use.append(proof)


def once_check(replays: Callable[[], Replays]) -> Check:
    """The check that uses up what `authenticate` noted in `exchange.single_use`.

    It stands right behind the proof, so that a proof that does not hold uses up nothing.
    """

    def check(exchange: Exchange) -> None:
        proofs = exchange.single_use
        while proofs:
            sight = replays().claim(exchange, proofs[0])
            if sight != "first":
                # Whoever repeats a proof is not the one it proves: nothing is put down to them, nor encrypted to them.
                exchange.caller = exchange.seal_answer = None
            if sight == "seen":
                raise proofs[0].refusal
            if sight == "unknown":
                raise proofs[0].unknown or unavailable("nobody can tell whether this proof was used before")
            del proofs[0]

    return check
