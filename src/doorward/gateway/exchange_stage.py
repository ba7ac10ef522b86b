"""The stages of an exchange.

    HEAD ─► ADMITTED ─┬─► BODY ─► WHOLE ─┬─► CLEARED ─┬─► SCAN ─┬─► INTENT ─┬─► UPSTREAM ─┬─► RECORD ───────────► DONE
                      └── none is held ──┘            └─────────┴───────────┘             └─► OPEN ─► STREAM ───► DONE

Every stage before RECORD may end in RECORD: with a refusal, a fault, an answer of our own, or nobody there any more.
An exchange only ever goes forward. Numbers, not an Enum: to look up a member of one takes longer than most steps.
"""

from typing import Final, TypeAlias

Stage: TypeAlias = int

HEAD: Final = 1
"""The checks that need only the head; one may have to wait for an answer."""
ADMITTED: Final = 2
"""The head is admitted, perhaps only after a delay."""
BODY: Final = 3
"""The body is coming, to be held whole."""
WHOLE: Final = 4
"""The checks that need the body; one may have to wait for an answer."""
CLEARED: Final = 5
"""The request is admitted, perhaps only after a delay."""
SCAN: Final = 6
"""The virus scanner has its files."""
INTENT: Final = 7
"""The record of what it is about to do is being made durable."""
UPSTREAM: Final = 8
"""The upstream's turn."""
RECORD: Final = 9
"""A whole answer waits for its record. From here on it is too late to refuse."""
OPEN: Final = 10
"""The head of a streamed answer waits for its record."""
STREAM: Final = 11
"""The body of the answer leaves while it comes."""
DONE: Final = 12
