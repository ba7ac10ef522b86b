"""Every parser of ours that reads what others wrote, under its property."""

from typing import Final

from tests.fuzz import archives, files, framing, hostile_text, places, proofs, sealed, signing, trail, values
from tests.fuzz.target import Target

TARGETS: Final[dict[str, Target]] = {
    name: target
    for module in (framing, places, values, hostile_text, proofs, sealed, signing, files, archives, trail)
    for name, target in sorted(module.TARGETS.items())
}
