"""The servers that are compared. One file each: how it is configured and started."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.peers import caddy, doorward, envoy, haproxy, modsecurity, nginx, traefik
from bench.testbed import Command, Site, binary


@dataclass(frozen=True, slots=True)
class Peer:
    """One row of the table."""

    name: str
    rung: str
    program: str
    command: Callable[[str, Site], Command]
    """The command, given the program's path and the site."""

    @property
    def path(self) -> str | None:
        """Where its program is; None when it is not installed."""
        return binary(self.program)


_TOKENS = ("transport", "authenticate", "authorize")
PEERS = (
    Peer("nginx", "plain", "nginx", nginx.command),
    Peer("haproxy", "plain", "haproxy", haproxy.command),
    Peer("envoy", "plain", "envoy", envoy.command),
    Peer("envoy", "JWT cached, RBAC, limit, log", "envoy", envoy.filtered),
    Peer("envoy", "JWT, RBAC, limit, log", "envoy", envoy.filtered_uncached),
    Peer("nginx", "ModSecurity + CRS", "nginx", modsecurity.command),
    Peer("traefik", "plain", "traefik", traefik.command),
    Peer("caddy", "plain", "caddy", caddy.command),
    Peer("doorward", "bare, compiled", "doorward", doorward.compiled(doorward.with_controls())),
    Peer("doorward", "+ JWT, roles, compiled", "doorward", doorward.compiled(doorward.with_controls(*_TOKENS))),
    Peer("doorward", "+ limits, compiled", "doorward", doorward.compiled(doorward.with_controls(*_TOKENS, "limits"))),
    Peer(
        "doorward",
        "+ schemas, compiled",
        "doorward",
        doorward.compiled(doorward.with_controls(*_TOKENS, "limits", "validate")),
    ),
    Peer("doorward", "everything, compiled", "doorward", doorward.compiled(doorward.with_controls(*doorward.ALL))),
    Peer(
        "doorward",
        "everything, 2 workers, compiled",
        "doorward",
        doorward.compiled(doorward.with_controls(*doorward.ALL, workers=2)),
    ),
    Peer("doorward", "bare", "doorward", doorward.with_controls()),
    Peer("doorward", "everything", "doorward", doorward.with_controls(*doorward.ALL)),
)
