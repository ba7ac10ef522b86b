"""Floods of refusals: the first few of a source are recorded one by one, the rest of its second by their exact number.

So nobody fills the trail's disk with requests that cost them nothing (hostile input D11). Refusals of a known caller
are never coalesced: that caller's own limits bound them.
"""

from ipaddress import ip_network
from typing import Final

from doorward.controls.audit.record import Record, encode
from doorward.controls.audit.records import Coalesced, Kind
from doorward.controls.audit.sanitise import clean, clean_bytes
from doorward.exchange import Exchange

RECORDED: Final = 3
"""Refusals of one key and second that get a record of their own, each before its answer."""
KEYS: Final = 64
"""Keys of one width a second; beyond them a wider network, and beyond those everybody else, counts as one."""
_NARROW: Final = {4: 24, 6: 56}
_WIDE: Final = {4: 16, 6: 48}
_OTHERS: Final = "others"
_PATH_BYTES: Final = 256
_KIND: Final = int(Kind.COALESCED)

Key = tuple[str, str]
"""Network and denial code."""


class _Count:
    """What came of one key in the second under way."""

    __slots__ = ("beyond", "first", "last", "seen")

    def __init__(self) -> None:
        self.seen = 0
        self.beyond = 0
        """Those without a record of their own."""
        self.first: Exchange | None = None
        self.last: Exchange | None = None


class Coalescing:
    """The refusals of one worker in the second under way."""

    __slots__ = ("_counts", "_networks", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._counts: dict[Key, _Count] = {}
        self._networks: dict[str, tuple[str, str]] = {}

    def takes(self, exchange: Exchange) -> bool:
        """Whether this refusal is counted instead of recorded. Call `due` before, with the same time."""
        denied = exchange.denied
        if denied is None or exchange.caller is not None:
            return False
        count = self._count_of(exchange.source.address, denied.code)
        count.seen += 1
        if count.seen <= RECORDED:
            return False
        count.beyond += 1
        count.last = exchange
        if count.first is None:
            count.first = exchange
        return True

    def due(self, ticks: float) -> list[tuple[Record, int]]:
        """The records of the seconds that are over at `ticks` (monotonic, in seconds), each with its number."""
        second = int(ticks)
        if second == self._second:
            return []
        self._second = second
        counts, self._counts = self._counts, {}
        return [
            (_record(network, code, count), count.beyond) for (network, code), count in counts.items() if count.beyond
        ]

    @property
    def is_counting(self) -> bool:
        """Whether something waits for its second to be over."""
        return any(count.beyond for count in self._counts.values())

    def _count_of(self, address: str, code: str) -> _Count:
        counts = self._counts
        known = self._networks.get(address)
        if known is None:
            if len(self._networks) >= KEYS * KEYS:
                self._networks.clear()
            known = self._networks[address] = _networks_of(address)
        for network in (*known, _OTHERS):
            key = network, code
            count = counts.get(key)
            if count is not None:
                return count
            # Codes are few and ours; only networks are the attacker's to choose.
            if network is known[0] and len(counts) >= KEYS:
                continue
            if network is known[1] and len(counts) >= 2 * KEYS:
                continue
            count = counts[key] = _Count()
            return count
        raise AssertionError("the last network takes everybody")


def _networks_of(address: str) -> tuple[str, str]:
    try:
        version = 6 if ":" in address else 4
        plain = address.partition("%")[0]
        narrow = ip_network(f"{plain}/{_NARROW[version]}", strict=False)
        wide = ip_network(f"{plain}/{_WIDE[version]}", strict=False)
    except ValueError:
        return _OTHERS, _OTHERS
    return str(narrow), str(wide)


def _record(network: str, code: str, count: _Count) -> Record:
    first, last = count.first, count.last
    if first is None or last is None:
        raise AssertionError("a count without samples")
    return encode(
        _KIND,
        Coalesced(
            bytes.fromhex(first.id),
            int(first.now * 1000),
            int(last.now * 1000),
            network,
            code,
            count.beyond,
            bytes.fromhex(last.id),
            clean(first.source.address),
            clean_bytes(first.request.path, _PATH_BYTES),
            clean(last.source.address),
            clean_bytes(last.request.path, _PATH_BYTES),
            first.policy_version,
        ),
    )
