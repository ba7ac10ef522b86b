"""What the demonstration tries: real breaches of the bare bank, each with a twin that must go on working."""

from typing import Final

from doorward.demo.breaches import abuse, access, identity, injection, languages
from doorward.demo.breaches.case import Answers, Breach

__all__ = ["BREACHES", "Answers", "Breach"]

_LAST: Final = "guessed-pin"
"""It uses up a limit, so nothing that needs the same limit may come after it."""

BREACHES: Final[tuple[Breach, ...]] = tuple(
    sorted(
        (*identity.BREACHES, *access.BREACHES, *injection.BREACHES, *languages.BREACHES, *abuse.BREACHES),
        key=lambda breach: breach.id == _LAST,
    )
)
"""In the order in which they run: who is calling, what they may do, what they send."""
