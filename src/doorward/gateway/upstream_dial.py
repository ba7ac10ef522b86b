"""Opens connections to a target, TLS included: to its only address, or to the first of several that answers."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

from doorward.controls.forward import ForwardPolicy, Upstream
from doorward.gateway.tls import upstream_context
from doorward.gateway.upstream_names import Addresses

_HEAD_START_S: Final = 0.25
"""Time an address has before the next is tried beside it, in seconds (RFC 8305 section 5)."""
ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)


class Dialer:
    """Connects as the policy says."""

    __slots__ = ("_context", "_loop", "_policy", "_upstream")

    def __init__(self, policy: ForwardPolicy, upstream: Upstream, loop: asyncio.AbstractEventLoop) -> None:
        """Errors: PolicyError for a CA, certificate or key file that cannot be used."""
        self._policy, self._upstream, self._loop = policy, upstream, loop
        self._context = upstream_context(policy) if upstream.scheme == "https" else None

    def renew(self) -> None:
        """Use what the files with certificates hold now. Errors: PolicyError, and then the ones in force stay."""
        if self._context is not None:
            self._context = upstream_context(self._policy)

    async def connect(self, addresses: Addresses, factory: Callable[[], ProtocolT]) -> tuple[str, ProtocolT]:
        """The address that answered, and what speaks over the new connection.

        Errors: OSError (ssl.SSLError among them), TimeoutError.
        """
        name = None if self._context is None else self._upstream.host
        async with asyncio.timeout(self._policy.connect_s):
            candidates = await addresses.in_order()
            chosen = candidates[0]
            try:
                if len(candidates) == 1:
                    _, made = await self._loop.create_connection(
                        factory, chosen, addresses.port, ssl=self._context, server_hostname=name
                    )
                    return chosen, made
                chosen, reached = await self._first_of(candidates, addresses)
                try:
                    _, made = await self._loop.create_connection(
                        factory, sock=reached, ssl=self._context, server_hostname=name
                    )
                except BaseException:
                    reached.close()
                    raise
            except (OSError, asyncio.CancelledError):
                # Cancelled: by the timeout above, most of all. Then too the address did not do.
                addresses.failed(chosen)
                raise
            return chosen, made

    async def _first_of(self, candidates: list[str], addresses: Addresses) -> tuple[str, socket.socket]:
        """A connected socket to the first address that answers; each has a head start on the next."""
        waiting = deque(candidates)
        attempts: dict[asyncio.Task[socket.socket], str] = {}
        problem: OSError | None = None
        try:
            while waiting or attempts:
                if waiting:
                    address = waiting.popleft()
                    attempts[self._loop.create_task(self._reach(address, addresses.port))] = address
                timeout = _HEAD_START_S if waiting else None
                done, _ = await asyncio.wait(attempts, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                for attempt in done:
                    address = attempts.pop(attempt)
                    error = attempt.exception()
                    if error is None:
                        return address, attempt.result()
                    if not isinstance(error, OSError):
                        raise error
                    addresses.failed(address)
                    problem = error
        finally:
            for attempt in attempts:
                if not attempt.cancel() and attempt.exception() is None:
                    attempt.result().close()
        raise problem or OSError("no address")

    async def _reach(self, address: str, port: int) -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            await self._loop.sock_connect(made, (address, port))
        except BaseException:
            made.close()
            raise
        return made
