"""Which trouble the control process outlives: decided here and nowhere else.

What an operator, a disk or the store can cause, and can mend, is told in the log; what is in force stays, and the work
is tried again at its next turn. Anything else is a mistake of ours: it ends the process, and the supervisor starts a
new one, while workers serve on. Before it serves, nothing is outlived: `run` sees what is wrong.
"""

from types import TracebackType
from typing import Final, Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from doorward.errors import PolicyError, PolicyErrors

MISTAKES: Final = (PolicyError,)
"""The operator's."""
TROUBLE: Final = (*MISTAKES, OSError, SQLAlchemyError)
"""Theirs, and that of the disk and the store."""

_log = structlog.get_logger()


class Attempt:
    """Work whose trouble is outlived: `with Attempt(outcome) as made: ...`, after which `made.succeeded` tells."""

    __slots__ = ("_outcome", "_outlives", "succeeded")

    def __init__(self, outcome: str, outlives: tuple[type[Exception], ...] = TROUBLE) -> None:
        """`outcome` says in the log what becomes of it when it fails.

        `outlives` is less for a part of other work that is tried again: that must hear of what a part met with.
        """
        self._outcome, self._outlives = outcome, outlives
        self.succeeded = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        self.succeeded = error is None
        if not isinstance(error, self._outlives):
            return False
        tell(error, self._outcome)
        return True


def tell(error: Exception, outcome: str) -> None:
    """Log what went wrong; an operator's mistake so that it can be found in the file it stands in."""
    if not isinstance(error, PolicyError):
        _log.error(outcome, reason=str(error))
        return
    for mistake in error.errors if isinstance(error, PolicyErrors) else [error]:
        place = f"{mistake.file}:{mistake.line}" if mistake.line else mistake.file
        _log.error(outcome, key=mistake.key, problem=mistake.problem, place=place, hint=mistake.hint)
