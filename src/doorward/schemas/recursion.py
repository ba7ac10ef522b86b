"""Whether telling why a value does not fit could take far longer than telling that it does not.

A validator that explains a union tells the errors of each of its branches. Where two branches lead back to the union,
each level of the value doubles them: 300 bytes take minutes. Whether a value fits is linear all the same.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_UNIONS: Final = ("oneOf", "anyOf")
_PREFIX: Final = "#/$defs/"


def explains_exponentially(schema: Mapping[str, Any] | bool) -> bool:
    """Whether a union of the built schema has two branches that lead back to it."""
    if isinstance(schema, bool):
        return False
    definitions: Mapping[str, Any] = schema.get("$defs", {})
    targets = {name: frozenset(_references(value)) for name, value in definitions.items()}
    reached: dict[str, frozenset[str]] = {}
    for name, value in definitions.items():
        for union in _unions(value):
            if _recursive_branches(union, name, targets, reached) > 1:
                return True
    return False


def _recursive_branches(
    union: list[Any], name: str, targets: dict[str, frozenset[str]], reached: dict[str, frozenset[str]]
) -> int:
    count = 0
    for branch in union:
        leads_to = {target for first in _references(branch) for target in _reached(first, targets, reached)}
        count += name in leads_to
    return count


def _reached(name: str, targets: dict[str, frozenset[str]], reached: dict[str, frozenset[str]]) -> frozenset[str]:
    """The definitions that can be come to from this one, itself included."""
    found = reached.get(name)
    if found is None:
        seen = {name}
        waiting = [name]
        while waiting:
            for target in targets.get(waiting.pop(), frozenset()):
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        found = reached[name] = frozenset(seen)
    return found


def _references(value: Any) -> Iterator[str]:
    for part in _parts(value):
        reference = part.get("$ref")
        if isinstance(reference, str) and reference.startswith(_PREFIX):
            yield reference.removeprefix(_PREFIX)


def _unions(value: Any) -> Iterator[list[Any]]:
    for part in _parts(value):
        for key in _UNIONS:
            if isinstance(part.get(key), list):
                yield part[key]


def _parts(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every object in a schema."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
