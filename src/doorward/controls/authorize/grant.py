"""One grant of a role: a method and a path template, or everything."""

import difflib
import re
from dataclasses import dataclass
from typing import Final

from doorward.operation import Operation

_METHODS: Final = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY")
_PARAMETER: Final = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Grant:
    """What one line of a role allows.

    >>> Grant.parse("GET /orders/*")
    Grant(method='GET', path='/orders/*')
    """

    method: str
    """A method, or `*` for all."""
    path: str
    """A path template, `*` for all, or a template and `/*` for all below it."""

    @classmethod
    def parse(cls, text: str) -> "Grant":
        """The grant as written in the policy. Errors: ValueError that says what to write."""
        if text == "*":
            return cls("*", "*")
        method, _, path = text.partition(" ")
        if method not in _METHODS:
            near = difflib.get_close_matches(method.upper(), _METHODS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"grant {text!r}: {method!r} is not a method{hint} Write '*', 'GET *' or 'POST /orders'")
        if path != "*" and not (path.startswith("/") and " " not in path and "*" not in path.removesuffix("/*")):
            raise ValueError(f"grant {text!r}: after the method stands a path template, '/orders/*' or '*'")
        return cls(method, path)

    def covers(self, operation: Operation) -> bool:
        """Whether the operation is within this grant. Names of path parameters do not matter, their places do."""
        if self.method not in ("*", operation.method):
            return False
        if self.path == "*":
            return True
        granted, wanted = segments(self.path), segments(operation.template)
        if granted[-1] == "*":
            return len(wanted) >= len(granted) and wanted[: len(granted) - 1] == granted[:-1]
        return granted == wanted


def segments(template: str) -> list[str]:
    """The segments of a path template with parameters reduced to `{}`.

    >>> segments("/orders/{order_id}/items")
    ['', 'orders', '{}', 'items']
    """
    return _PARAMETER.sub("{}", template).split("/")


def parameter_names(segment: str) -> list[str]:
    """The parameters in one segment of a template, in order.

    >>> parameter_names("{year}-{month}")
    ['year', 'month']
    """
    return [match[1:-1] for match in _PARAMETER.findall(segment)]
