"""YAML and JSON text as plain data, with the line of every key. It must not expand, guess types or run anything.

Scalars follow the YAML 1.2 core schema, so `off`, `no` and `12:30` stay text, as an operator (and OpenAPI) means them.
"""

import re
from collections.abc import Hashable
from typing import Any, Final, NamedTuple, TypeAlias

import jiter
import yaml

from doorward.errors import PolicyError

Place: TypeAlias = tuple[Hashable, ...]
"""Keys and indexes from the root to a value."""

_DEPTH: Final = 200
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,400}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]{1,400}|[0-9]{1,400}(?:\.[0-9]{0,400})?)(?:[eE][-+]?[0-9]{1,5})?")
_TAGS: Final = {
    "tag:yaml.org,2002:str",
    "tag:yaml.org,2002:int",
    "tag:yaml.org,2002:float",
    "tag:yaml.org,2002:bool",
    "tag:yaml.org,2002:null",
    "tag:yaml.org,2002:timestamp",
    "tag:yaml.org,2002:value",
    "tag:yaml.org,2002:map",
    "tag:yaml.org,2002:seq",
}


class Text(NamedTuple):
    """A document and where its parts stand."""

    data: Any
    lines: dict[Place, int]
    """Line of every key and item, counted from 1."""

    def line(self, place: Place) -> int:
        """Line of a value, or of the nearest one around it that is known."""
        for length in range(len(place), -1, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return 0


def read_yaml(text: str, file: str, *, aliases: bool = False, values: int = 100_000) -> Text:
    """The text as data. At most `values` values, aliases written out included.

    Errors: PolicyError for syntax, a key written twice, an alias where none may be, too much or too deep.
    """
    loader = yaml.CSafeLoader(text)
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        problem = " ".join(part for part in (error.problem, error.context) if part) or "is not YAML"
        raise PolicyError(f"not YAML: {problem}", file=file, line=line, hint=_syntax_hint(text, line)) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise PolicyError(f"not YAML: {error}", file=file) from None
    finally:
        loader.dispose()
    builder = _Builder(file, aliases=aliases, values=values, last_line=max(1, len(text.splitlines())))
    data = None if node is None else builder.value(node, ())
    return Text(data, builder.lines)


def read_json(content: bytes, file: str) -> Any:
    """The text as data. Errors: PolicyError for syntax and for a member written twice."""
    try:
        return jiter.from_json(content, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True)
    except ValueError as error:
        found = re.search(r"line ([0-9]{1,9})", str(error))
        raise PolicyError(f"not JSON: {error}", file=file, line=int(found[1]) if found else 0) from None


def _syntax_hint(text: str, line: int) -> str:
    lines = text.splitlines()
    if 0 < line <= len(lines) and "\t" in lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]:
        return "indent with spaces, not with tabs"
    return "quote values that start with one of * & ! % @ { [ or hold ': '"


class _Builder:
    """Node tree to data; counts what it makes, so that aliases cannot blow a short text up."""

    def __init__(self, file: str, *, aliases: bool, values: int, last_line: int) -> None:
        self.file, self.aliases, self.left, self.last_line = file, aliases, values, last_line
        self.lines: dict[Place, int] = {}
        self.seen: set[int] = set()

    def value(self, node: yaml.Node, place: Place) -> Any:
        # a document that holds nothing stands behind the last line, as libyaml counts
        line = min(node.start_mark.line + 1, self.last_line)
        self.lines.setdefault(place, line)
        self.left -= 1
        if self.left < 0:
            raise PolicyError("has too many values", file=self.file, line=line)
        if len(place) > _DEPTH:
            raise PolicyError(f"is nested deeper than {_DEPTH}", file=self.file, line=line)
        if node.tag not in _TAGS:
            raise self._mistake(f"tag {node.tag!r} is not supported", place, line)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if id(node) in self.seen and not self.aliases:
            raise self._mistake("an alias (*name) is not supported here", place, line, hint="write the value out")
        self.seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*place, index)) for index, item in enumerate(node.value)]
        return self._mapping(node, place)

    def _mapping(self, node: Any, place: Place) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._mistake("a key must be plain text", place, line)
            key = key_node.value
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise self._mistake("a merge key (<<) is not supported", place, line, hint="write the members out")
            here = (*place, key)
            if key in made:
                raise self._mistake(f"{key!r} is written twice, first on line {self.lines[here]}", here, line)
            self.lines[here] = line
            made[key] = self.value(value_node, here)
        return made

    def _mistake(self, problem: str, place: Place, line: int, hint: str = "") -> PolicyError:
        return PolicyError(problem, key=dotted(place), file=self.file, line=line, hint=hint)


def dotted(place: Place) -> str:
    """A place as people read it.

    >>> dotted(("limits", "quota", 0)), dotted(("operations", "GET /a.json", "public"))
    ('limits.quota[0]', 'operations."GET /a.json".public')
    """
    parts: list[str] = []
    for part in place:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        else:
            name = str(part)
            plain = re.fullmatch(r"[A-Za-z0-9_-]+", name)
            parts.append(f"{'.' if parts else ''}{name if plain else chr(34) + name + chr(34)}")
    return "".join(parts)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style in {"'", '"', "|", ">"}:
        return text
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
