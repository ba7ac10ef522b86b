"""Many patterns over one text in a single pass of linear time, for judges that know long lists of constructs.

Hyperscan, as in the prefilter: Python's engine tries each alternative at each place, which for hundreds of them costs
milliseconds a kibibyte.
"""

from typing import Any, Final, NamedTuple

from doorward.automata import automaton


class Hit(NamedTuple):
    """Where a construct ends, which one it is and how sure that is."""

    end: int
    """In characters."""
    reason: str
    score: int


class Constructs:
    """A compiled set of constructs: (pattern, reason, score) each."""

    __slots__ = ("_database", "_meaning")

    def __init__(self, *constructs: tuple[str, str, int], ignore_case: bool = False) -> None:
        self._meaning: Final = tuple((reason, score) for _, reason, score in constructs)
        self._database = automaton([pattern for pattern, _, _ in constructs], ignore_case=ignore_case)

    def hits(self, text: str) -> list[Hit]:
        """The constructs in the text, each once, where it is first complete."""
        data = text.encode("utf-8", "replace")
        found: list[tuple[int, int]] = []
        self._database.scan(data, match_event_handler=_note, context=found)
        is_ascii = len(data) == len(text)
        return [
            Hit(end if is_ascii else len(data[:end].decode("utf-8", "replace")), *self._meaning[index])
            for index, end in found
        ]


def _note(index: int, _start: int, end: int, _flags: int, found: Any) -> None:
    found.append((index, end))
