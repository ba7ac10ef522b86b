"""One worker process: serves from the snapshot, follows its changes, drains on SIGTERM.

Started by the supervisor as `python -m doorward.gateway.worker --snapshot FILE --listen-fd FD [--plain-fd FD]
--workers COUNT --slot N --status-fd FD`. It reads no policy file and asks nobody: with the control process down it
serves on.
"""

import argparse
import asyncio
import contextlib
import gc
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Final

import structlog
import uvloop

from doorward import logs
from doorward.audit.writer import AuditWriter
from doorward.controls.authenticate import OwnReplays
from doorward.controls.forward import ForwardPolicy
from doorward.errors import Fault, PolicyError
from doorward.file_stamp import Stamp, stamp
from doorward.gateway.acceptor import Acceptor
from doorward.gateway.deadlines import Deadlines
from doorward.gateway.gateway import Gateway
from doorward.gateway.gauges import Gauges, Memory
from doorward.gateway.key_use_link import KeyUseLink
from doorward.gateway.key_use_messages import SOCKET_NAME as KEY_USE_SOCKET_NAME
from doorward.gateway.limit_link import SOCKET_NAME, LimitLink
from doorward.gateway.listener import listen, redirect_to_https
from doorward.gateway.liveness import Heartbeat
from doorward.gateway.proxied_certificate import ProxiedCertificates
from doorward.gateway.public_certificate import ShownCertificate
from doorward.gateway.replay_link import ReplayLink
from doorward.gateway.replay_messages import SOCKET_NAME as REPLAY_SOCKET_NAME
from doorward.gateway.server_tls import ServerTls, overlook_undecodable_names
from doorward.gateway.upstream import UpstreamPool
from doorward.serving import Serving

POLL_S: Final = 0.2
"""Time between two looks at snapshot and certificate, in seconds; a revocation must be in force within 1 s."""
DRAIN_S: Final = 25.0
"""Time exchanges have to finish after SIGTERM, in seconds; less than the supervisor waits."""
GC_ALLOCATIONS: Final = 20_000
"""Objects made before the collector looks for cycles: an exchange leaves none, an error leaves a few."""
_log = structlog.get_logger()


class Worker:
    """The pieces of one worker, put together from its snapshot."""

    def __init__(self, snapshot: Path, workers: int, slot: int, loop: asyncio.AbstractEventLoop) -> None:
        """`workers`: how many there are, this one included.

        Errors: SnapshotRefused, PolicyError, OSError (the trail is in use or cannot be read).
        """
        self._loop = loop
        self._link = LimitLink(snapshot.parent / SOCKET_NAME, loop)
        self._replays = ReplayLink(snapshot.parent / REPLAY_SOCKET_NAME, loop)
        alone = OwnReplays(born_at=time.time())
        self._serving = Serving(snapshot, self._link, workers=workers)
        policy = self._serving.policy
        if policy.remembers_together:
            self._replays.start()
        self._serving.credentials.replays = self._replays if policy.remembers_together else alone
        if policy.counts_together:
            self._link.start()
        self._key_uses = KeyUseLink(snapshot.parent / KEY_USE_SOCKET_NAME, self._serving.credentials.used_keys)
        self._serving.ask_issuers(loop)
        self._upstream_stamps = _upstream_stamps(policy.forward)
        self._shown, self._proxied = ShownCertificate(snapshot.parent), ProxiedCertificates()
        self._tls = None
        if policy.tls is not None:
            self._tls = ServerTls(
                self._shown.settings(policy.tls), self._own_authorities(), http2=policy.transport.http2
            )
            self._serving.credentials.certificates.foreign = self._tls.lists
            self._serving.credentials.certificates.anchors = self._tls.anchors
            self._proxied.follow(self._tls.authorities)
        self._deadlines = Deadlines(loop)
        self._upstream = UpstreamPool(policy.forward, self._deadlines, loop)
        self._audit = AuditWriter.open(snapshot.parent, slot, policy.audit, loop=loop)
        self._gauges = Gauges(
            self._serving.counters.pressure, Memory(policy.limits.memory_bytes), lambda: self._audit.load, loop
        )
        self._gateways = [self._gateway("http" if policy.tls is None else "https")]

    async def run(self, listener: socket.socket, plain: socket.socket | None, status_fd: int) -> None:
        """Serve until SIGTERM, then finish what is under way."""
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stopping.set)
        speaks = self._serving.policy.transport.proxy_protocol
        servers = [await listen(self._gateways[0], listener, self._tls, self._loop, proxy_protocol=speaks)]
        if plain is not None:
            port = listener.getsockname()[1]
            redirecting = self._gateway("http", redirects_to=port)
            self._gateways.append(redirecting)
            servers.append(await listen(redirecting, plain, None, self._loop, proxy_protocol=speaks))
        _settle()
        heartbeat = Heartbeat(status_fd, self._loop, stopping.set)
        self._key_uses.start()
        heartbeat.ready()
        while not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), POLL_S)
            self._follow()
        for server in servers:
            server.close()
        handshakes = [server.settled() for server in servers if isinstance(server, Acceptor)]
        await asyncio.gather(*handshakes, self._drain())
        # Once more, for those who came out of a handshake meanwhile: their requests are answered too.
        await self._drain()
        await self._upstream.close()
        self._deadlines.close()
        for gateway in self._gateways:
            gateway.tell_counts(self._loop.time() + 1)
        self._gauges.stop()
        self._link.close()
        self._replays.close()
        self._serving.ask_issuers(None)
        await self._key_uses.close()
        self._audit.close()
        heartbeat.stop()

    async def _drain(self) -> None:
        await asyncio.gather(*(gateway.drain(DRAIN_S) for gateway in self._gateways))

    def _gateway(self, scheme: str, *, redirects_to: int = 0) -> Gateway:
        policy = self._serving.policy
        return Gateway(
            self._serving.pipeline,
            self._audit,
            self._upstream,
            limits=policy.limits,
            forward=policy.forward,
            proxies=policy.transport.proxies(),
            certificates=self._proxied,
            pressure=self._serving.counters.pressure,
            deadlines=self._deadlines,
            scheme="https" if scheme == "https" else "http",
            local_answer=redirect_to_https(policy.transport, redirects_to, lambda: self._serving.acme_thumbprint)
            if redirects_to
            else None,
        )

    def _follow(self) -> None:
        self._renew_upstream()
        forward_before = self._serving.policy.forward
        has_new_policy = self._serving.refresh()
        self._renew()
        if not has_new_policy:
            return
        policy = self._serving.policy
        if policy.forward != forward_before:
            try:
                upstream = UpstreamPool(policy.forward, self._deadlines, self._loop)
            except PolicyError as error:
                _log.error("upstream settings refused, the ones in force stay", reason=str(error))
            else:
                self._upstream.retire()
                self._upstream = upstream
        for gateway in self._gateways:
            gateway.upstream = self._upstream
            gateway.replace(
                self._serving.pipeline,
                limits=policy.limits,
                forward=policy.forward,
                proxies=policy.transport.proxies(),
            )
        _settle()

    def _renew(self) -> None:
        settings = self._serving.policy.tls
        if settings is not None and self._tls is not None:
            self._tls.follow(self._shown.settings(settings), self._own_authorities())
            self._serving.credentials.certificates.foreign = self._tls.lists
            self._serving.credentials.certificates.anchors = self._tls.anchors
            self._proxied.follow(self._tls.authorities)

    def _own_authorities(self) -> tuple[str, ...]:
        return tuple(self._serving.credentials.certificates.authorities.values())

    def _renew_upstream(self) -> None:
        stamps = _upstream_stamps(self._serving.policy.forward)
        if stamps == self._upstream_stamps:
            return
        self._upstream_stamps = stamps
        try:
            self._upstream.renew()
        except PolicyError as error:
            _log.error("certificates for the upstream refused, the ones in force stay", reason=str(error))


def _settle() -> None:
    """Hide what was made to last, plans above all, from the garbage collector; let go of what it replaced."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 10, 10)


def _upstream_stamps(policy: ForwardPolicy) -> tuple[Stamp, ...]:
    return tuple(stamp(Path(file)) for file in (policy.ca_file, policy.certificate, policy.key) if file is not None)


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(prog="doorward-worker")
    parser.add_argument("--snapshot", type=Path, required=True)
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--plain-fd", type=int)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--slot", type=int, required=True)
    parser.add_argument("--status-fd", type=int, required=True)
    arguments = parser.parse_args()
    logs.configure(f"worker-{arguments.slot}")
    overlook_undecodable_names()
    try:
        uvloop.run(_run(arguments))
    except (Fault, PolicyError, OSError) as error:
        _log.error("the worker cannot serve", reason=f"{type(error).__name__}: {error}")
        sys.exit(2)


async def _run(arguments: argparse.Namespace) -> None:
    listener = socket.socket(fileno=arguments.listen_fd)
    plain = None if arguments.plain_fd is None else socket.socket(fileno=arguments.plain_fd)
    worker = Worker(arguments.snapshot, arguments.workers, arguments.slot, asyncio.get_running_loop())
    await worker.run(listener, plain, arguments.status_fd)


if __name__ == "__main__":
    main()
