"""One limit's numbers: this process's own, or what all processes count together.

A shared count is kept by one process (`Link` leads to it). Far from the limit a process decides by what it knows and
tells afterwards, in batches; near the limit it asks first. So with `parties` processes, at any moment:

- never more is let through than the limit and `(parties - 1) * slack` requests, and what was too much is owed: the
  next requests pay for it. A limit too small to have slack is exact.
- a refusal is always right: the shared number is never smaller than what is known of it here.
- when the way to the count is lost, each process gives out its share of what was left, until the way is back.
- when the count itself is lost, it comes back from what the processes know of it.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from doorward.controls.limits.ledger import Ledger
from doorward.controls.limits.meters import Meter
from doorward.exchange import Pending

SLACK: Final = 0.1
"""What all processes together may have let through without having told, as a part of the limit."""
_MANY: Final = 1 << 40
KEPT_KEYS: Final = 4_096
"""Keys with something left to say: untold while the way is lost, or granted to a request that another limit refused."""


class Bucket:
    """A limit that this process counts alone.

    Ask `after` and the meter's `left`; then `settle`; then, once every limit agreed, `charge`.
    """

    __slots__ = ("ledger", "meter")

    def __init__(self, meter: Meter, ledger: Ledger) -> None:
        self.meter = meter
        self.ledger = ledger

    def after(self, key: str, now_ns: int, cost: int = 1) -> int:
        """The number of a key after one more request of this cost."""
        return self.meter.spend(self.ledger.get(key), now_ns, cost)

    def left(self, number: int, now_ns: int) -> int:
        """As `Meter.left`."""
        return self.meter.left(number, now_ns)

    def wait_ns(self, number: int, now_ns: int) -> int:
        """As `Meter.wait_ns`."""
        return self.meter.wait_ns(number, now_ns)

    def settle(self, key: str, left: int, cost: int = 1) -> None:
        """Nothing, when the request may be charged now. Errors: Pending, when somebody must be asked first."""

    def charge(self, key: str, after: int, now_ns: int, cost: int = 1) -> None:  # noqa: ARG002 - used where shared
        """Keep the number that the request led to."""
        self.ledger.put(key, after)

    def look_again(self, key: str) -> None:
        """A request was refused by what is known here: have that looked after, where it is known from elsewhere."""

    def shown(self, key: str, now_ns: int) -> int:  # noqa: ARG002 - used where shared
        """The number for those who count by what they are told here."""
        return self.ledger.get(key)

    def give_back(self, key: str, cost: int = 1) -> None:
        """What was charged is over (a slot). For a `Tally`."""
        self.ledger.put(key, max(0, self.ledger.get(key) - cost))


class Account:
    """What the one who keeps the count does not know yet of a key, and what it granted in advance."""

    __slots__ = ("granted", "known", "refused", "sent", "untold")

    def __init__(self, known: int) -> None:
        self.known = known
        """The number without what is untold or sent: who lost the count gets it back from here."""
        self.untold = 0
        """Charged here, not sent yet. Negative for what was given back."""
        self.sent = 0
        """Sent, not confirmed yet."""
        self.granted = 0
        """Counted there already, not used here yet."""
        self.refused = 0
        """Wishes that were not granted and whose requests do not know yet (slots only)."""


class Link(Protocol):
    """The way to the one who keeps the count. Its methods wait for nothing."""

    is_up: bool

    def tell(self, bucket: "SharedBucket", key: str, *, at_once: bool = False) -> None:
        """Have what is untold of this key sent soon, or `at_once`."""

    def ask(self, bucket: "SharedBucket", key: str, cost: int, known: Callable[[], None]) -> None:
        """Have it sent now, with the wish for `cost` more; `known` is called with the answer, or when none comes."""


class SharedBucket(Bucket):
    """A limit that several processes count together."""

    __slots__ = ("_alone", "_link", "_margin", "_parties", "_slack", "accounts", "name", "until_s")

    def __init__(
        self, name: str, meter: Meter, ledger: Ledger, link: Link, alone: Bucket, limit: int, parties: int
    ) -> None:
        """`limit` is how much the meter allows at once, `alone` what this process gives out when it is cut off."""
        super().__init__(meter, ledger)
        self.name = name
        self._link = link
        self._alone = alone
        self._parties = parties
        self._slack = int(limit * SLACK / parties)
        self._margin = self._slack * (parties - 1)
        self.accounts: dict[str, Account] = {}
        self.until_s = 0
        """Unix seconds after which nobody counts by it any more (a quota's window is over); 0 for never."""

    def after(self, key: str, now_ns: int, cost: int = 1) -> int:
        """As `Bucket`; what was granted for this request is in the number already."""
        known = self.ledger.get(key)
        if not self._link.is_up:
            own = max(self._alone.ledger.get(key), self.meter.divided(known, self._parties))
            return self._alone.meter.spend(own, now_ns, cost)
        account = self.accounts.get(key)
        if account is not None and account.granted >= cost:
            # Granted a moment after `now_ns`: seen from then, a full bucket may look fuller than full.
            return min(known, self.meter.full(now_ns))
        return self.meter.spend(known, now_ns, cost)

    def left(self, number: int, now_ns: int) -> int:
        """As `Bucket`."""
        return self.meter.left(number, now_ns) if self._link.is_up else self._alone.left(number, now_ns)

    def wait_ns(self, number: int, now_ns: int) -> int:
        """As `Bucket`."""
        return self.meter.wait_ns(number, now_ns) if self._link.is_up else self._alone.wait_ns(number, now_ns)

    def settle(self, key: str, left: int, cost: int = 1) -> None:
        """As `Bucket`."""
        if not self._link.is_up:
            return
        account = self.accounts.get(key)
        untold = 0
        if account is not None:
            if account.granted >= cost:
                return
            untold = account.untold + account.sent
        if left < self._margin or untold + cost > self._slack:
            raise Pending(partial(self._link.ask, self, key, cost))

    def charge(self, key: str, after: int, now_ns: int, cost: int = 1) -> None:
        """As `Bucket`."""
        account = self.accounts.get(key)
        if not self._link.is_up:
            self._alone.charge(key, after, now_ns, cost)
            # Without room for what would be told later, it is not told: this process's share holds all the same.
            if account is not None or len(self.accounts) < KEPT_KEYS:
                self._account(key).untold += cost
                self._link.tell(self, key)
            self.ledger.put(key, self.meter.spend(self.ledger.get(key), now_ns, cost))
            return
        account = self._account(key)
        if account.granted >= cost:
            account.granted -= cost
            if not (account.granted or account.untold or account.sent):
                del self.accounts[key]
            return
        self.ledger.put(key, after)
        account.untold += cost
        self._link.tell(self, key)

    def look_again(self, key: str) -> None:
        """As `Bucket`: the count may have been corrected."""
        if self._link.is_up:
            self._link.tell(self, key)

    def shown(self, key: str, now_ns: int) -> int:
        """As `Bucket`; cut off, what leaves as much as this process may give out."""
        if self._link.is_up:
            return self.ledger.get(key)
        return self.meter.leaving(self._alone.left(self.after(key, now_ns, 0), now_ns), now_ns)

    # -- used by the link -----------------------------------------------------------------------------------------

    def take_untold(self, key: str) -> tuple[int, int]:
        """The number as it was last known, and what is untold of this key, which counts as sent from now on."""
        account = self._account(key)
        untold, account.untold = account.untold, 0
        account.sent += untold
        return account.known, untold

    def confirmed(self, key: str, sent: int, number: int, granted: int, now_ns: int) -> None:
        """What was sent is counted, and with it the number is this. `granted` of it is for requests to come."""
        account = self._account(key)
        account.sent -= sent
        account.granted += granted
        account.known = number
        waiting = account.untold + account.sent
        self.ledger.put(key, self.meter.spend(number, now_ns, waiting) if waiting > 0 else number)
        if not (account.granted or waiting):
            del self.accounts[key]
        elif granted and len(self.accounts) > KEPT_KEYS:
            self._forget_a_grant(key)

    def unconfirmed(self, key: str, sent: int) -> None:
        """What was sent may not have arrived: it is told again. Should it have arrived, it counts twice."""
        account = self._account(key)
        account.sent -= sent
        account.untold += sent

    def refused(self, key: str) -> None:
        """A wish was not granted: the number says so."""

    def _account(self, key: str) -> Account:
        account = self.accounts.get(key)
        if account is None:
            account = self.accounts[key] = Account(self.ledger.get(key))
        return account

    def _forget_a_grant(self, but: str) -> None:
        for key, account in self.accounts.items():
            if account.granted and not account.untold and not account.sent and key != but:
                del self.accounts[key]
                return


class SharedSlots(SharedBucket):
    """What is under way in all processes. It falls when others are done, so nothing is refused without asking."""

    __slots__ = ()

    def __init__(self, name: str, meter: Meter, ledger: Ledger, link: Link, alone: Bucket) -> None:
        super().__init__(name, meter, ledger, link, alone, 0, 1)

    def after(self, key: str, now_ns: int, cost: int = 1) -> int:
        """As `Bucket`: within the limit, unless the answer was that it is reached."""
        if not self._link.is_up:
            return self._alone.after(key, now_ns, cost)
        account = self.accounts.get(key)
        if account is None or account.granted >= cost or not account.refused:
            return 0
        account.refused -= 1
        if not (account.refused or account.granted or account.untold or account.sent):
            del self.accounts[key]
        return _MANY

    def charge(self, key: str, after: int, now_ns: int, cost: int = 1) -> None:
        """As `Bucket`."""
        super().charge(key, 0 if self._link.is_up else after, now_ns, cost)

    def give_back(self, key: str, cost: int = 1) -> None:
        """As `Bucket`."""
        account = self._account(key)
        account.untold -= cost
        self._alone.give_back(key, cost)
        self._link.tell(self, key, at_once=True)

    def confirmed(self, key: str, sent: int, number: int, granted: int, now_ns: int) -> None:  # noqa: ARG002
        """As `SharedBucket`; the number is of no use here."""
        account = self._account(key)
        account.sent -= sent
        account.granted += granted
        if not (account.refused or account.granted or account.untold or account.sent):
            del self.accounts[key]

    def refused(self, key: str) -> None:
        """As `SharedBucket`."""
        account = self._account(key)
        account.refused += 1
