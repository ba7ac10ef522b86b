"""What one worker carries at a time: open connections and buffered bytes. Counts only; refuses beyond the policy."""

from doorward.controls.limits.counters import address_key
from doorward.controls.limits.policy import LimitsPolicy
from doorward.controls.limits.pressure import NO_CONNECTIONS, Pressure, overloaded


class Load:
    """The connections and body bytes of one worker, within its limits.

    Every `connect` that returned is matched by one `disconnect`, every `hold` by a `release` of as many bytes.
    """

    __slots__ = ("_by_address", "_pressure", "buffered_bytes", "connections", "policy")

    def __init__(self, policy: LimitsPolicy, pressure: Pressure) -> None:
        self._pressure = pressure
        self.policy = policy
        """May be replaced on reload: what is open stays open, what comes next is measured by the new one."""
        self.connections = 0
        self.buffered_bytes = 0
        self._by_address: dict[str, int] = {}

    def connect(self, address: str) -> None:
        """Nothing, having counted one more connection; without an address only in all.

        Errors: Denied `limits.overload`.
        """
        if self._pressure.level >= NO_CONNECTIONS:
            raise overloaded(f"pressure of level {self._pressure.level}")
        if not address:
            if self.connections >= self.policy.connections:
                raise overloaded(f"{self.connections} connections are open")
            self.connections += 1
            return
        key = address_key(address)
        open_before = self._by_address.get(key, 0)
        if self.connections >= self.policy.connections:
            raise overloaded(f"{self.connections} connections are open")
        if open_before >= self.policy.connections_per_address:
            raise overloaded(f"{open_before} connections are open from {key}")
        self.connections += 1
        self._by_address[key] = open_before + 1

    def disconnect(self, address: str) -> None:
        """Nothing, having counted one connection less."""
        self.connections -= 1
        if not address:
            return
        key = address_key(address)
        still_open = self._by_address[key] - 1
        if still_open:
            self._by_address[key] = still_open
        else:
            del self._by_address[key]

    def hold(self, size: int) -> None:
        """Nothing, having counted `size` more body bytes in memory. Errors: Denied `limits.overload`."""
        if self.buffered_bytes + size > self.policy.buffered_bytes:
            raise overloaded(f"{self.buffered_bytes} body bytes are held, {size} more do not fit")
        self.buffered_bytes += size

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more may be held."""
        return self.buffered_bytes + size <= self.policy.buffered_bytes

    def release(self, size: int) -> None:
        """Nothing, having counted `size` body bytes less."""
        self.buffered_bytes -= size
