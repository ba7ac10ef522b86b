"""What workers tell the control process of API keys: when each was last used, in batches, now and then.

One batch (framed as those of `limit_messages`) is one mapping of ids to Unix seconds; the answer is an empty batch.
"""

from typing import Final

import msgspec

from doorward.gateway.limit_messages import framed

SOCKET_NAME: Final = "key-uses.sock"
TAKEN: Final = framed(b"")
"""The answer to a batch that was taken."""
IDS_MOST: Final = 50_000
"""Most keys told of at once: 60 bytes each, so that a batch stays below what the socket takes."""

_uses: Final = msgspec.msgpack.Decoder(dict[str, float])
_encoder: Final = msgspec.msgpack.Encoder()


def pack_uses(uses: dict[str, float]) -> bytes:
    """The batch as it goes over the socket."""
    return framed(_encoder.encode(uses))


def read_uses(body: bytes) -> dict[str, float]:
    """The uses in a batch. Errors: msgspec.DecodeError."""
    return _uses.decode(body)
