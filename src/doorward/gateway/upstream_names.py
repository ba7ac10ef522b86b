"""The addresses behind a target's name: looked up in the background, again and again, and kept while nobody answers."""

import asyncio
import ipaddress
import math
import socket
from collections.abc import Awaitable, Callable
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from doorward.gateway.upstream import UpstreamPool

Resolve = Callable[[str, int], Awaitable[list[str]]]
STALE_S: Final = 300.0
"""Beyond `resolve_s`, how long the last good answer serves while there is no new one, in seconds (fault 8)."""
_AGAIN_S: Final = 1.0
"""Least time between two lookups for failed connections, in seconds: a dead upstream must not flood a name server."""
_PATIENCE_S: Final = 0.25
"""Time a new connection waits for a lookup while older addresses are known, in seconds."""
_log: Final = structlog.get_logger()


async def resolve_by_system(host: str, port: int) -> list[str]:
    """Every address of a host, best first, by the system's resolver, in a thread. Errors: OSError, ValueError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Addresses:
    """Where one target is to be reached. `moved` is called with the addresses when they have changed.

    An answer that names this host, its link or a group of hosts is refused whole, and the last good one stays: a name
    server must not turn the gateway against what listens only on loopback, or against a cloud's metadata service.
    Whoever means such an address writes it into the policy as an address; `localhost` may be loopback.
    Source: hostile inputs, fault 8; RFC 6761 section 6.3; RFC 8305 (order).
    """

    __slots__ = (
        "_answered_at",
        "_bad",
        "_is_doubtful",
        "_is_literal",
        "_looked_up_at",
        "_lookup",
        "_moved",
        "_pool",
        "_problem",
        "_resolve",
        "_resolve_s",
        "_turn",
        "deadline",
        "host",
        "known",
        "port",
    )

    def __init__(
        self,
        pool: "UpstreamPool",
        host: str,
        port: int,
        *,
        resolve: Resolve,
        resolve_s: float,
        moved: Callable[[tuple[str, ...]], None],
    ) -> None:
        self.host, self.port = host, port
        self._pool, self._resolve, self._resolve_s, self._moved = pool, resolve, resolve_s, moved
        self._is_literal = _is_address(host)
        self.known: tuple[str, ...] = (host,) if self._is_literal else ()
        """The addresses of the last good answer."""
        self._bad: set[str] = set()
        self._is_doubtful = False
        self._problem = ""
        self._lookup: asyncio.Task[None] | None = None
        self._looked_up_at = self._answered_at = -math.inf
        self._turn = 0
        self.deadline = 0.0
        if not self._is_literal:
            pool.deadlines.add(self)

    def stop(self) -> None:
        """Look up no more by itself."""
        self._pool.deadlines.discard(self)

    def expire(self) -> None:
        """Time for the next lookup."""
        self._look_up(self._pool.deadlines.now())

    async def in_order(self) -> list[str]:
        """The addresses to try, best first. Errors: OSError when none is known."""
        if not self._is_literal:
            await self._refresh()
        good = [address for address in self.known if address not in self._bad] or list(self.known)
        if len(good) == 1:
            return good
        is_v6 = ":" in good[0]
        first = [address for address in good if (":" in address) is is_v6]
        other = [address for address in good if (":" in address) is not is_v6]
        self._turn += 1  # every address gets its share of the connections
        start = self._turn % len(first)
        return [one for pair in zip_longest(first[start:] + first[:start], other) for one in pair if one is not None]

    def failed(self, address: str) -> None:
        """No connection could be made to it: others first, and the name is asked again before the next one."""
        self._bad.add(address)
        self._is_doubtful = True

    async def _refresh(self) -> None:
        now = self._pool.deadlines.now()
        is_stale = now - self._answered_at > self._resolve_s + STALE_S
        if self.known and not is_stale and not (self._is_doubtful and now - self._looked_up_at > _AGAIN_S):
            return
        await asyncio.wait({self._look_up(now)}, timeout=None if is_stale else _PATIENCE_S)
        if now - self._answered_at > self._resolve_s + STALE_S:
            self.known = ()
        if not self.known:
            raise OSError(self._problem or f"{self.host} could not be looked up")

    def _look_up(self, now: float) -> asyncio.Task[None]:
        # One at a time: a lookup occupies a thread, and cannot be stopped while a name server keeps silent.
        if self._lookup is None or self._lookup.done():
            self._looked_up_at = now
            self._is_doubtful = False
            self._lookup = self._pool.run(self._ask())
        self.deadline = now + self._resolve_s
        return self._lookup

    async def _ask(self) -> None:
        try:
            found = tuple(dict.fromkeys(await self._resolve(self.host, self.port)))
            _judge(self.host, found)
        except (OSError, ValueError) as error:
            problem = f"{self.host}: {error}"
            if not self._problem:
                _log.warning("name of a target not resolved, the last good answer stays", reason=problem)
            self._problem = problem
            return
        self._problem = ""
        self._answered_at = self._pool.deadlines.now()
        self._bad.clear()
        if set(found) == set(self.known):
            return
        if self.known:
            _log.info("target moved", target=self.host, before=self.known, now=found)
        self.known = found
        self._moved(found)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _judge(host: str, found: tuple[str, ...]) -> None:
    """Nothing, for an answer that may be believed. Errors: ValueError."""
    if not found:
        raise ValueError("no address")
    is_local = host == "localhost" or host.endswith(".localhost")
    for text in found:
        address = ipaddress.ip_address(text.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        is_here = address.is_loopback and not is_local
        if is_here or address.is_link_local or address.is_multicast or address.is_unspecified:
            raise ValueError(f"{text} is no address for a name to have; if it is meant, write it into the policy")
