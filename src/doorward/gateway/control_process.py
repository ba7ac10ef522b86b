"""The control process: keeps the store, runs the identity provider, publishes snapshots. No request passes through it.

Workers live without it: they serve, and restart, from the last good snapshot. Its parts are in `gateway.control`.
"""

import argparse
import asyncio
import signal
import socket
import sys
import time
from pathlib import Path

import uvloop

from doorward import logs
from doorward.errors import PolicyError
from doorward.freshness import Confirming
from doorward.gateway.control.following import Following
from doorward.gateway.control.in_force import InForce
from doorward.gateway.control.outliving import tell
from doorward.gateway.control.servers import Listeners, Servers
from doorward.gateway.control.services import Services
from doorward.gateway.control.state import State
from doorward.gateway.issuer_server import allow_files
from doorward.gateway.liveness import Heartbeat
from doorward.gateway.public_certificate import PublicCertificate


class ControlProcess:
    """Everything that goes on beside the requests.

    Errors: PolicyError when nothing can be started from: no good policy, and no good snapshot of an earlier run.
    """

    def __init__(self, policy_file: Path, state: Path, workers: int) -> None:
        """`policy_file` and `state` are absolute; `workers` is how many there are."""
        self._policy_file = policy_file
        self._in_force = InForce(policy_file, state, workers)
        self._state = State(state, self._in_force.policy.store)
        self._servers = Servers(self._state, self._in_force)
        self._certificate = PublicCertificate(
            state,
            self._state.secret,
            lambda: self._in_force.acme,
            self._servers.renew_certificate,
            plain=lambda: self._in_force.policy.plain_redirect or "",
        )
        self._confirming = Confirming(state)
        self._following = Following(self._state, self._in_force, self._confirming, self.publish)

    async def run(self, listeners: Listeners, status: int) -> None:
        """Serve until SIGTERM, or until the supervisor is gone. Errors: whatever broke; the supervisor starts anew."""
        # Asked before the store is read: a change between the two is published twice rather than never.
        published = await self._state.watch.version()
        self.publish()
        self._confirming.confirm()
        self._servers.open(listeners)
        services = Services(self._state, self._in_force)
        heart = Heartbeat(status, asyncio.get_running_loop(), self._servers.stop)
        reload_asked, has_started = asyncio.Event(), asyncio.Event()
        self._obey_signals(reload_asked)

        def started() -> None:
            # Not before: a process that still starts keeps whoever asks waiting.
            services.start()
            heart.ready()
            has_started.set()

        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(work)
                for work in (
                    *self._following.work(published),
                    self._following.policy(self._policy_file, reload_asked, self._take_up),
                    self._certificate.run(has_started),
                    *services.work(),
                )
            ]
            await self._servers.serve(started)
            heart.stop()
            for task in beside:
                task.cancel()
        await services.close()
        self._state.close()

    def publish(self) -> None:
        """Bring the servers' trust and the snapshot up to what policy, store and keys say now.

        Errors: OSError, PolicyError, SQLAlchemyError.
        """
        self._servers.follow()
        acme = self._in_force.acme
        thumbprint = "" if acme is None else self._certificate.thumbprint(acme)
        self._in_force.publish(self._state, time.time(), acme_thumbprint=thumbprint)

    def _take_up(self) -> None:
        """What a new policy changes beside the snapshot. Errors: OSError."""
        self._certificate.wake()
        self._servers.take_up_limits()
        self._servers.renew_certificate()

    def _obey_signals(self, reload_asked: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, reload_asked.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._servers.stop)


def main() -> None:
    """The program, as `doorward run` starts it."""
    parser = argparse.ArgumentParser(prog="doorward-control")
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--issuer-fd", type=int, required=True)
    parser.add_argument("--admin-fd", type=int)
    parser.add_argument("--mtls-fd", type=int)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--status-fd", type=int, required=True)
    arguments = parser.parse_args()
    logs.configure("control")
    allow_files()
    try:
        # a connection over TLS takes 48 KiB of memory in it, 280 in asyncio's own loop (measured)
        uvloop.run(_run(arguments))
    except PolicyError as error:
        tell(error, "the control process cannot start")
        sys.exit(2)


async def _run(arguments: argparse.Namespace) -> None:
    listeners = Listeners(
        issuer=socket.socket(fileno=arguments.issuer_fd),
        admin=None if arguments.admin_fd is None else socket.socket(fileno=arguments.admin_fd),
        mtls=None if arguments.mtls_fd is None else socket.socket(fileno=arguments.mtls_fd),
    )
    process = ControlProcess(arguments.policy, arguments.state, arguments.workers)
    await process.run(listeners, arguments.status_fd)


if __name__ == "__main__":
    main()
