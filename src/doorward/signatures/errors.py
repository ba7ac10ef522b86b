"""Why a signed message is not believed."""

from typing import Literal

SignatureReason = Literal["missing", "invalid", "uncovered", "expired", "digest"]


class SignatureRefused(ValueError):
    """The message does not prove what it must. `reason` is stable, `problem` is for the record."""

    def __init__(self, reason: SignatureReason, problem: str) -> None:
        super().__init__(f"{reason}: {problem}")
        self.reason: SignatureReason = reason
        self.problem = problem
