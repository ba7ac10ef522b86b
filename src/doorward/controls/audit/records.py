"""What records hold: one array-like MessagePack struct an event type, and how a reader gets it back.

Only add fields at the end, with a default: a reader of a newer version reads older records, and the other way round.
"""

from enum import IntEnum
from typing import Final, TypeAlias

import msgspec

PAYLOAD_BYTES: Final = 16 * 1024
"""No payload is larger, whatever a request holds: the caps of all fields together stay below it."""


class Kind(IntEnum):
    """What a record tells. A number never changes its meaning."""

    INTENT = 1
    """A state-changing request is about to be forwarded."""
    OUTCOME = 2
    """An exchange is about to be answered with what the upstream said."""
    CLOSED = 3
    """A streamed answer has ended."""
    REFUSED = 4
    """A denial or a fault is about to be answered."""
    RECOVERED = 5
    """The intent of this request has no outcome: Doorward stopped between the two."""
    LIFECYCLE = 6
    """The writer started, stopped, changed its shard or cut a torn tail."""
    COALESCED = 8
    """So many refusals of one network and code in one second, beyond those with records of their own."""
    IDENTITY = 9
    """Something happened to a user, client, key or session of the identity provider."""
    CARRIED = 7
    """First in a segment that continues another: the intents that have no end yet."""


class Intent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is about to be forwarded; small, because a state-changing request pays for two records."""

    request_id: bytes
    at_ms: int
    """When the request's head was complete: Unix time in milliseconds."""
    operation: str
    method: str
    path: str
    caller: str
    """`issuer|subject`; empty for an anonymous request."""
    address: str
    content_tag: bytes
    """HMAC-SHA256 over query and body as held in memory; empty when there is neither."""
    policy_version: str


class Outcome(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What was decided and answered; the same for an answered and for a refused exchange."""

    request_id: bytes
    at_ms: int
    operation: str
    """Empty when none was matched."""
    method: str
    path: str
    status: int
    caller: str
    caller_kind: str
    credential_id: str
    roles: tuple[str, ...]
    address: str
    port: int
    tls_version: str
    policy_version: str
    upstream_us: int
    """Time spent waiting for the upstream, in microseconds."""
    bytes_in: int
    bytes_out: int
    content_tag: bytes
    """As in `Intent`; empty where an intent holds it already."""
    user_agent: str
    findings: tuple[str, ...] = ()
    code: str = ""
    """The denial code; empty for an answered exchange and for a fault."""
    detail: str = ""
    """Why: the denial's detail, or what broke."""
    credential_tag: bytes = b""
    """HMAC-SHA256 of a credential that was refused, so that a known value can be looked for."""


class Closed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How a streamed answer ended."""

    request_id: bytes
    complete: bool
    bytes_in: int
    bytes_out: int
    detail: str = ""
    """Why it ended, where that is known."""


class Recovered(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Stands in for the outcome that was never recorded."""

    request_id: bytes
    reason: str


class Lifecycle(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Something that happened to the trail itself. `event` is one of a fixed set of words, `detail` explains."""

    event: str
    detail: str


class Coalesced(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Refusals that have no records of their own, by their exact number."""

    request_id: bytes
    """Of the first of them."""
    at_ms: int
    """When the first came: Unix time in milliseconds."""
    until_ms: int
    """When the last came."""
    network: str
    """Where from: /24 or /56, under a wide flood /16 or /48, or `others`."""
    code: str
    count: int
    last_request_id: bytes
    address: str
    path: str
    last_address: str
    last_path: str
    policy_version: str


class Carried(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Requests under way when a segment was full: whoever recovers need not read the segments before."""

    request_ids: tuple[bytes, ...]


class Identity(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One event of the identity provider, as it stood in its store."""

    event_id: bytes
    """The same in store and trail: a record that came twice shows by it."""
    at_ms: int
    """When it happened: Unix time in milliseconds."""
    event: str
    """As `login.ok`, `client.changed`."""
    subject: str
    """Whom it is about; empty where that is nobody known."""
    actor: str
    """Who did it, where that is not the subject: `cli:root`, `admin:alice`."""
    address: str
    details: dict[str, str]


Entry: TypeAlias = Intent | Outcome | Closed | Recovered | Lifecycle | Coalesced | Carried | Identity

_DECODERS: Final[dict[int, msgspec.msgpack.Decoder[Entry]]] = {
    Kind.INTENT: msgspec.msgpack.Decoder(Intent),
    Kind.OUTCOME: msgspec.msgpack.Decoder(Outcome),
    Kind.CLOSED: msgspec.msgpack.Decoder(Closed),
    Kind.REFUSED: msgspec.msgpack.Decoder(Outcome),
    Kind.RECOVERED: msgspec.msgpack.Decoder(Recovered),
    Kind.LIFECYCLE: msgspec.msgpack.Decoder(Lifecycle),
    Kind.COALESCED: msgspec.msgpack.Decoder(Coalesced),
    Kind.CARRIED: msgspec.msgpack.Decoder(Carried),
    Kind.IDENTITY: msgspec.msgpack.Decoder(Identity),
}


class UnreadableRecord(Exception):
    """The payload is not what its kind says, or the kind is not known to this version."""


def decode(kind: int, payload: bytes) -> Entry:
    """What the record tells. Errors: UnreadableRecord."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise UnreadableRecord(f"records of kind {kind} are not known to this version")
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, ValueError) as error:
        raise UnreadableRecord(f"a record of kind {kind} does not decode: {error}") from None
