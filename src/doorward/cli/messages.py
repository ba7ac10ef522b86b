"""What the operator is told of a mistake."""

from doorward.errors import PolicyError, PolicyErrors


def error_lines(error: PolicyError) -> list[str]:
    """An operator's mistake as lines for a terminal: where, what, and what to write instead.

    >>> error_lines(PolicyError("'alow' is not a mode", key="modes.inspect", file="doorward.yaml", line=12, hint="try"))
    ["error: modes.inspect: 'alow' is not a mode (doorward.yaml:12)", 'hint:  try']
    """
    lines: list[str] = []
    for mistake in error.errors if isinstance(error, PolicyErrors) else [error]:
        lines.append(f"error: {mistake}")
        if mistake.hint:
            lines.append(f"hint:  {mistake.hint}")
    return lines
