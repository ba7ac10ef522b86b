"""The two errors that are not denials: the operator's mistake, and our own fault."""


class PolicyError(Exception):
    """The operator's mistake. Refused at load; on reload the old policy serves on.

    `key` is the dotted path of the offending key (`limits.per_caller`), `line` counts from 1 (0: not known),
    `hint` says what to write instead.
    """

    def __init__(self, problem: str, *, key: str = "", file: str = "", line: int = 0, hint: str = "") -> None:
        super().__init__(problem)
        self.problem, self.key, self.file, self.line, self.hint = problem, key, file, line, hint

    def at(self, *, file: str = "", line: int = 0, key: str = "") -> "PolicyError":
        """The same mistake with its place filled in where it was not known yet."""
        return PolicyError(
            self.problem,
            key=self.key or key,
            file=self.file or file,
            line=self.line or line,
            hint=self.hint,
        )

    def __str__(self) -> str:
        place = f" ({self.file}:{self.line})" if self.line else f" ({self.file})" if self.file else ""
        return f"{self.key}: {self.problem}{place}" if self.key else f"{self.problem}{place}"


class Missing(PolicyError):
    """What the operator named is not there."""


class Taken(PolicyError):
    """What the operator wants to make is there already."""


class PolicyErrors(PolicyError):
    """Several mistakes found in one pass, first one first."""

    def __init__(self, errors: list[PolicyError]) -> None:
        first = errors[0]
        super().__init__(first.problem, key=first.key, file=first.file, line=first.line, hint=first.hint)
        self.errors = errors


class Fault(Exception):
    """We broke. The request is refused with 500 (fail closed), recorded, and the operator told."""
