"""What workers and the control process say to each other about proofs that may be used once.

Batches over a Unix socket, framed as those of `limit_messages`: a batch of proofs, answered by as many words, in order.
"""

from typing import Final, Literal

import msgspec

from doorward.gateway.limit_messages import framed

SOCKET_NAME: Final = "replays.sock"


class Proof(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A proof that one worker was shown."""

    proof: bytes
    usable_from: float
    until: float
    holder: str = ""
    here: bool = False
    """No other host would accept it."""
    ahead_s: float = 0.0


Word = Literal["first", "seen", "unknown"]
_proofs: Final = msgspec.msgpack.Decoder(list[Proof])
_words: Final = msgspec.msgpack.Decoder(list[Word])
_encoder: Final = msgspec.msgpack.Encoder()


def pack_batch(batch: list[Proof] | list[Word]) -> bytes:
    """The batch as it goes over the socket."""
    return framed(_encoder.encode(batch))


def read_proofs(body: bytes) -> list[Proof]:
    """The proofs in a batch. Errors: msgspec.DecodeError."""
    return _proofs.decode(body)


def read_words(body: bytes) -> list[Word]:
    """The answers in a batch. Errors: msgspec.DecodeError."""
    return _words.decode(body)
