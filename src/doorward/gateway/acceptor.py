"""Accepting: each connection is counted before it has said a word, then comes its PROXY header, then its handshake."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final, Protocol, cast

import structlog

from doorward.controls.transport.proxy_header import Announced, Malformed
from doorward.denial import Denied
from doorward.exchange import Source
from doorward.gateway.client_certificate import Unacceptable
from doorward.gateway.failed_handshakes import FailedHandshakes
from doorward.gateway.house import House
from doorward.gateway.proxy_announcement import read_announcement
from doorward.gateway.source import counted_as, plain_address

Speaker = Callable[[asyncio.Transport, Source], asyncio.Protocol]
"""Chooses who speaks with a client once its handshake is done."""
_AT_ONCE: Final = 64
"""Most connections taken from the kernel in one go, so that those that stand get their turn."""
_PAUSE_S: Final = 0.05
"""Time without accepting when the system refuses, in seconds."""
_ALERTS: Final = {
    "CALLBACK_FAILED": ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME,
    "NO_PROTOCOLS_AVAILABLE": ssl.ALERT_DESCRIPTION_PROTOCOL_VERSION,
    "NO_SHARED_CIPHER": ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE,
    "NO_SHARED_SIGNATURE_ALGORITHMS": ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE,
    "NO_SUITABLE_KEY_SHARE": ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE,
    "NO_SUITABLE_SIGNATURE_ALGORITHM": ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE,
    "UNKNOWN_PROTOCOL": ssl.ALERT_DESCRIPTION_PROTOCOL_VERSION,
    "UNSUPPORTED_PROTOCOL": ssl.ALERT_DESCRIPTION_PROTOCOL_VERSION,
    "VERSION_TOO_LOW": ssl.ALERT_DESCRIPTION_PROTOCOL_VERSION,
    "WRONG_VERSION_NUMBER": ssl.ALERT_DESCRIPTION_PROTOCOL_VERSION,
}
"""OpenSSL's word for a ClientHello that cannot be answered, and the alert that says so."""
_LEFT: Final = "left by the client"
_NO_SUCH_NAME: Final = "a server name no certificate has"
"""What `tls.unknown_names: refuse` refuses: the only callback of ours in a handshake."""
_log: Final = structlog.get_logger()


class Handshakes(Protocol):
    """The contexts of a listener's handshakes; `ServerTls` is one."""

    def take(self) -> ssl.SSLContext:
        """The context for one connection to begin with."""

    def give_back(self, context: ssl.SSLContext, version: str | None) -> None:
        """The handshake is over."""


class Acceptor:
    """Accepts on a listening socket until it is closed.

    A connection in its handshake counts as one that stands: against the limit in all, and that of its address. So
    nobody can hold more of them by never finishing (hostile inputs D1, D3).
    """

    def __init__(
        self,
        house: House,
        listener: socket.socket,
        tls: Handshakes | None,
        loop: asyncio.AbstractEventLoop,
        speaker: Speaker,
        *,
        proxy_protocol: bool,
        within_s: float,
        shutdown_s: float,
        failed: FailedHandshakes | None = None,
    ) -> None:
        """Units: `within_s` is the time for a PROXY header, and again for a handshake; both times in seconds.

        `failed` tells of what was turned away here and by others; None: by nobody else.
        """
        self._house, self._listener, self._tls, self._loop, self._speaker = house, listener, tls, loop, speaker
        self._proxy_protocol, self._within_s, self._shutdown_s = proxy_protocol, within_s, shutdown_s
        self._admitting: set[asyncio.Task[None]] = set()
        self.failed = failed or FailedHandshakes(loop)
        self._resuming: asyncio.TimerHandle | None = None
        loop.add_reader(listener, self._accept)

    def close(self) -> None:
        """Accept no more. A handshake that has begun may end; what comes after it is for the house's drain."""
        if self._resuming is not None:
            self._resuming.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        self.failed.close()

    async def settled(self) -> None:
        """Wait until every handshake that has begun has ended."""
        if self._admitting:
            await asyncio.wait(self._admitting)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, address = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            except OSError as error:
                # Out of descriptors: it would fail again at once, and for as long as somebody waits.
                _log.warning("not accepting for a moment", reason=str(error))
                self._loop.remove_reader(self._listener)
                self._resuming = self._loop.call_later(_PAUSE_S, self._loop.add_reader, self._listener, self._accept)
                return
            self._count(connection, plain_address(address[0]))

    def _count(self, connection: socket.socket, address: str) -> None:
        connection.setblocking(False)
        proxies = self._house.proxies
        if self._proxy_protocol and (proxies is None or not proxies.trusts(address)):
            self._turn_away(connection, address, "not among transport.trusted_proxies")
            return
        counted = counted_as(Source(address=address), proxies)
        try:
            self._house.load.connect(counted)
        except Denied:
            self._turn_away(connection, address, "too many connections")
            return
        door = _Door(self._house, self._speaker, counted, self.failed)
        task = self._loop.create_task(self._admit(door, connection, address))
        self._admitting.add(task)
        task.add_done_callback(self._admitting.discard)

    def _turn_away(self, connection: socket.socket, address: str, reason: str) -> None:
        self._house.turned_away_count += 1
        self.failed.note(address, reason)
        connection.close()

    async def _admit(self, door: "_Door", connection: socket.socket, address: str) -> None:
        context = None if self._tls is None else self._tls.take()
        aside: socket.socket | None = None
        try:
            if self._proxy_protocol:
                async with asyncio.timeout(self._within_s):
                    door.announced = await read_announcement(connection, self._loop)
            if context is not None:
                aside = connection.dup()
            await self._loop.connect_accepted_socket(
                lambda: door,
                connection,
                ssl=context,
                ssl_handshake_timeout=None if context is None else self._within_s,
                # A client that was told of the end and does not end its side is cut off; by default it may take 30 s.
                ssl_shutdown_timeout=None if context is None else self._shutdown_s,
            )
        except (EOFError, ConnectionResetError, BrokenPipeError):
            # Its own doing, and the daily bread of a port that balancers look at: no line in the log.
            self.failed.counts[_LEFT] += 1
        except (Malformed, TimeoutError, OSError) as error:
            self._turn_away(connection, address, _reason(error))
            if aside is not None and isinstance(error, ssl.SSLError):
                _alert(aside, error.reason)
        finally:
            if aside is not None:
                aside.close()
            door.leave()
            if self._tls is not None and context is not None:
                self._tls.give_back(context, door.tls_version)
            if not door.was_passed:
                with contextlib.suppress(OSError):
                    connection.close()


class _Door(asyncio.Protocol):
    """Stands for a connection until its handshake is done, then hands it to who speaks with the client."""

    def __init__(self, house: House, speaker: Speaker, counted: str, failed: FailedHandshakes) -> None:
        self._house, self._speaker, self._counted, self._failed = house, speaker, counted, failed
        self._is_counted = True
        self.announced: Announced | None = None
        self.was_passed = False
        self.tls_version: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done."""
        transport = cast("asyncio.Transport", transport)
        self.was_passed = True
        # Who comes behind counts it anew, under the address that a proxy may have announced.
        self.leave()
        try:
            source = self._house.source_of(transport, self.announced)
        except Unacceptable as error:
            self._house.turned_away_count += 1
            self._failed.note(self._counted, f"client certificate: {error}")
            transport.abort()
            return
        self.tls_version = source.tls_version
        speaker = self._speaker(transport, source)
        transport.set_protocol(speaker)
        speaker.connection_made(transport)

    def leave(self) -> None:
        """Count it no longer."""
        if self._is_counted:
            self._is_counted = False
            self._house.load.disconnect(self._counted)


def _alert(connection: socket.socket, reason: str | None) -> None:
    """Tell a client why its ClientHello was refused, so that it does not guess, and try again with less.

    OpenSSL writes this alert, but uvloop and asyncio let it go when they close. Only what fails before there are keys
    is told: from then on an alert in the clear would be a forgery to the client.
    """
    description = _ALERTS.get(reason or "")
    if description is not None:
        with contextlib.suppress(OSError):
            # A record of TLS 1.2 (RFC 8446 section 5.1) with a fatal alert (section 6).
            connection.send(bytes((21, 3, 3, 0, 2, 2, description)))


def _reason(error: Exception) -> str:
    """What to tell the operator: for a failed handshake OpenSSL's word, as `NO_SHARED_CIPHER`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"client certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return _NO_SUCH_NAME if error.reason == "CALLBACK_FAILED" else error.reason.lower().replace("_", " ")
    if isinstance(error, TimeoutError | ConnectionAbortedError):
        return "not ready in time"
    return str(error) or type(error).__name__
