"""Which header fields of a request go on to the upstream, decided by name alone."""

from typing import Final

from doorward.controls.forward.policy import ForwardPolicy
from doorward.operation import Operation
from doorward.wire import CERTIFICATE_PREFIXES, NEVER_FORWARDED

_OURS: Final = frozenset({b"accept-encoding", b"content-length", b"host", b"x-request-id"})
"""Written anew: what the client sent speaks to us, not to the upstream. `accept-encoding` too: what is to be filtered
must not come compressed."""

_PREFIXES: Final = (b"x-forwarded", b"x-original-", b"x-envoy-", b"doorward-", *CERTIFICATE_PREFIXES)
"""Families of `wire.FORWARDING`, `.IDENTITY` and `.CERTIFICATES` that grow with every new proxy (hostile inputs H4,
H7)."""

_KEPT_NAMES: Final = 1_024


class Fields(dict[bytes, bytes | None]):
    """Name -> how its line begins on the wire, or None when it does not go on; filled as names come along.

    Bounded: clients invent names, so it is emptied when it has grown to 1,024.
    """

    __slots__ = ("_dropped", "_identity", "_judged")

    def __init__(
        self,
        operation: Operation,
        policy: ForwardPolicy,
        judged: frozenset[bytes],
        secret: frozenset[bytes] = frozenset(),
    ) -> None:
        super().__init__()
        self._identity = policy.identity_header.encode("ascii")
        self._judged = judged
        dropped = set(NEVER_FORWARDED | _OURS)
        if "206" not in operation.responses:
            # a part of a document cannot be checked against the schema of the whole
            dropped |= {b"range", b"if-range"}
        if not policy.pass_credentials:
            dropped |= {b"authorization", b"dpop", b"x-api-key"} | credential_names(operation, "header") | secret
        self._dropped = frozenset(dropped)

    def __missing__(self, name: bytes) -> bytes | None:
        # `X_Forwarded_For` and `X-Forwarded-For` are one variable to CGI, WSGI and PHP (Traefik CVE-2026-39858).
        plain = name.replace(b"_", b"-").lower()
        drops = plain in self._dropped or plain == self._identity or plain.startswith(_PREFIXES)
        # Nor may an alias stand in for a field that was judged under its declared name.
        drops = drops or (plain != name and name not in self._judged and plain in self._judged)
        if len(self) >= _KEPT_NAMES:
            self.clear()
        self[name] = start = None if drops else b"\r\n" + name + b": "
        return start


def credential_names(operation: Operation, location: str) -> frozenset[bytes]:
    """Lower-case names of the fields or parameters in which this operation takes an API key."""
    return frozenset(
        scheme.parameter.lower().encode("utf-8")
        for requirement in operation.security
        for scheme in requirement
        if scheme.kind == "apiKey" and scheme.location == location
    )


def judged_names(operation: Operation) -> frozenset[bytes]:
    """Names of fields that controls decide on: a client's `Connection` must not make them disappear afterwards."""
    declared = {entry.name.lower().encode("utf-8") for entry in operation.parameters if entry.location == "header"}
    return frozenset(declared | {b"content-encoding", b"content-type", b"cookie"})
