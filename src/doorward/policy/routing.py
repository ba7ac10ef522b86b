"""The operation a request is for. Cost grows with the number of path segments, not with the number of operations."""

import re
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar
from urllib.parse import unquote_to_bytes

from doorward.denial import Denied
from doorward.errors import PolicyError

T = TypeVar("T")

_PERCENT: Final = 0x25
_EXPRESSION: Final = re.compile(r"\{([^{}/]+)\}")


class _Leaf(NamedTuple, Generic[T]):
    """One operation, and the names of its path parameters in order."""

    names: tuple[str, ...]
    target: T
    template: str


class _Pattern(NamedTuple):
    """A segment with parameters in it: `{id}`, `{name}.json`, `{lat},{lng}`: literals around and between them."""

    literals: tuple[bytes, ...]

    def match(self, segment: bytes) -> list[bytes] | None:
        """The values of the parameters, each at least one byte, leftmost shortest; None when it does not fit.

        Linear: a literal is searched for from the left once and never again.
        """
        first, *between, last = self.literals
        end = len(segment) - len(last)
        if not segment.startswith(first) or not segment.endswith(last):
            return None
        values: list[bytes] = []
        start = len(first)
        for literal in between:
            found = segment.find(literal, start + 1, end)
            if found < 0:
                return None
            values.append(segment[start:found])
            start = found + len(literal)
        if start >= end:
            return None
        values.append(segment[start:end])
        return values


class _Node(Generic[T]):
    """One segment deep in the tree of templates."""

    __slots__ = ("leaves", "literal", "patterns")

    def __init__(self) -> None:
        self.literal: dict[bytes, _Node[T]] = {}
        self.patterns: list[tuple[_Pattern, _Node[T]]] = []
        self.leaves: dict[str, _Leaf[T]] = {}


class Router(Generic[T]):
    """Finds the target of (method, path); literal segments win over templated ones (OpenAPI 3.1 section 4.8.8.2).

    >>> router = Router([("GET", "/orders/{id}", "one"), ("GET", "/orders/open", "open")])
    >>> router.find("GET", b"/orders/open"), router.find("GET", b"/orders/a%20b")
    (('open', {}), ('one', {'id': 'a b'}))
    """

    __slots__ = ("_fixed", "_root")

    def __init__(self, operations: Sequence[tuple[str, str, T]]) -> None:
        """Errors: PolicyError for a template that is none, and for two operations that no request can tell apart."""
        self._root: _Node[T] = _Node()
        self._fixed: dict[bytes, dict[str, _Leaf[T]]] = {}
        for method, template, target in operations:
            self._add(method, template, target)
        _sort(self._root)

    def find(self, method: str, path: bytes) -> tuple[T, dict[str, str]]:
        """The target, and the path parameters percent-decoded once.

        Errors: Denied `validate.path_unknown`; `validate.method` with `Allow`; `validate.parameter` for a value
        that is not UTF-8.
        """
        leaves = self._fixed.get(path)
        if leaves is not None:
            leaf = leaves.get(method)
            if leaf is None:
                raise _method_not_allowed(method, leaves)
            return leaf.target, {}
        segments = path.split(b"/")
        if _PERCENT in path:
            segments = [unquote_to_bytes(segment) for segment in segments]
        values: list[bytes] = []
        found = _search(self._root, segments, 1, values)
        if found is None:
            raise Denied("validate.path_unknown", "no path of the API description fits")
        leaf = found.get(method)
        if leaf is None:
            raise _method_not_allowed(method, found)
        try:
            texts = [value.decode() for value in values]
        except UnicodeDecodeError:
            raise Denied("validate.parameter", "a path parameter is not UTF-8") from None
        return leaf.target, dict(zip(leaf.names, texts, strict=True))

    def methods(self, path: bytes) -> list[str]:
        """The methods that the path has, in order. Errors: Denied `validate.path_unknown`."""
        leaves = self._fixed.get(path)
        if leaves is None:
            leaves = _search(self._root, [unquote_to_bytes(segment) for segment in path.split(b"/")], 1, [])
        if leaves is None:
            raise Denied("validate.path_unknown", "no path of the API description fits")
        return sorted(leaves)

    def _add(self, method: str, template: str, target: T) -> None:
        if not template.startswith("/"):
            hint = "write it as /path"
            raise PolicyError(f"the path {template!r} does not start with a slash", key=template, hint=hint)
        node = self._root
        names: list[str] = []
        segments = template.split("/")[1:]
        _refuse_detours(template, segments)
        for segment in segments:
            pieces = _EXPRESSION.split(segment)
            literals = tuple(unquote_to_bytes(piece) for piece in pieces[0::2])
            if any(b"{" in literal or b"}" in literal for literal in literals):
                raise PolicyError(f"the path {template!r} has an unbalanced brace", key=template)
            if len(pieces) == 1:
                node = node.literal.setdefault(literals[0], _Node())
                continue
            if any(not literal for literal in literals[1:-1]):
                hint = "put a literal between them"
                raise PolicyError(f"two parameters of {template!r} touch each other", key=template, hint=hint)
            names.extend(pieces[1::2])
            node = _child(node, _Pattern(literals))
        if len(set(names)) != len(names):
            raise PolicyError(f"the path {template!r} names a parameter twice", key=template)
        if method in node.leaves:
            other = node.leaves[method].template
            problem = f"{method} {template} and {method} {other} answer the same requests"
            raise PolicyError(problem, key=template, hint="keep one of them")
        node.leaves[method] = _Leaf(tuple(names), target, template)
        if not names:
            self._fixed[template.encode()] = node.leaves


def _refuse_detours(template: str, segments: list[str]) -> None:
    """A template that names another path to servers that tidy paths up guards nothing there (hostile input P9)."""
    decoded = [unquote_to_bytes(segment) for segment in segments]
    if b"" in decoded[:-1] or any(segment in {b".", b".."} or b"/" in segment for segment in decoded):
        raise PolicyError(
            f"the path {template!r} has an empty segment, a dot segment or an encoded slash",
            key=template,
            hint="write the path that requests have; a request with such a segment is refused",
        )


def _child(node: _Node[T], pattern: _Pattern) -> _Node[T]:
    for known, child in node.patterns:
        if known == pattern:
            return child
    child = _Node[T]()
    node.patterns.append((pattern, child))
    return child


def _sort(node: _Node[T]) -> None:
    # The more literal text, the more specific: `{name}.json` before `{name}`.
    node.patterns.sort(key=lambda entry: -sum(map(len, entry[0].literals)))
    for child in [*node.literal.values(), *(child for _, child in node.patterns)]:
        _sort(child)


def _search(node: _Node[T], segments: list[bytes], index: int, values: list[bytes]) -> dict[str, _Leaf[T]] | None:
    """The methods of the best template. Each node of the tree is visited once at most, whatever the path."""
    if index == len(segments):
        return node.leaves or None
    segment = segments[index]
    child = node.literal.get(segment)
    if child is not None:
        found = _search(child, segments, index + 1, values)
        if found is not None:
            return found
    for pattern, child in node.patterns:
        parts = pattern.match(segment)
        if parts is not None:
            mark = len(values)
            values.extend(parts)
            found = _search(child, segments, index + 1, values)
            if found is not None:
                return found
            del values[mark:]
    return None


def _method_not_allowed(method: str, leaves: dict[str, _Leaf[T]]) -> Denied:
    allowed = ", ".join(sorted(leaves))
    detail = f"{method} is not described for this path; it has {allowed}"
    return Denied("validate.method", detail, headers=((b"allow", allowed.encode()),))
