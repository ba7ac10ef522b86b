"""A part of the document: a value, and the place where it stands."""

from collections.abc import Iterator, Mapping
from typing import Any, Self, TypeVar

from doorward.errors import PolicyError
from doorward.operation import Schema
from doorward.policy import pointer as json_pointer

_T = TypeVar("_T")


class Part:
    """Errors of whatever reads it: PolicyError, its key the JSON pointer of the place."""

    __slots__ = ("_key", "_pointer", "document", "value")

    def __init__(self, document: Mapping[str, Any], value: Any, pointer: str, key: str | int | None = None) -> None:
        """`key`: of the member or item that it is of what stands at `pointer`; None: it stands there itself."""
        self.document, self.value, self._pointer, self._key = document, value, pointer, key

    @classmethod
    def whole(cls, document: Mapping[str, Any]) -> Self:
        """The document itself."""
        return cls(document, document, "#")

    @property
    def pointer(self) -> str:
        """Where it stands: put together when somebody asks, for most parts are never named."""
        if self._key is not None:
            self._pointer, self._key = json_pointer.joined(self._pointer, self._key), None
        return self._pointer

    @property
    def mapping(self) -> Mapping[str, Any]:
        """The value, which has to be an object."""
        return self._of_type(dict, "an object")

    def member(self, key: str, absent: Any = None) -> "Part":
        """A member of the object; `absent` stands for one that nobody wrote."""
        return Part(self.document, self.mapping.get(key, absent), self.pointer, key)

    def member_or_empty(self, key: str) -> "Part":
        """A member of the object; one that is null is as good as absent, and both as an empty object."""
        return Part(self.document, self.mapping.get(key) or {}, self.pointer, key)

    def members(self) -> Iterator[tuple[str, "Part"]]:
        """All members of the object, by name."""
        for name, value in self.mapping.items():
            yield name, Part(self.document, value, self.pointer, name)

    def items(self) -> Iterator["Part"]:
        """All that is in the list."""
        for index, value in enumerate(self._of_type(list, "a list")):
            yield Part(self.document, value, self.pointer, index)

    def followed(self) -> "Part":
        """The object that a chain of `$ref`s leads to, where that is written."""
        if not isinstance(self.value, Mapping) or "$ref" not in self.value:
            return self
        return Part(self.document, *json_pointer.followed(self.document, self.value, self.pointer))

    def schema(self) -> Schema | None:
        """A schema object, None for null; `true` and `false` become the objects that mean the same."""
        if isinstance(self.value, bool):
            return boolean_schema(self.value)
        return None if self.value is None else self.mapping

    def mistake(self, problem: str, hint: str = "") -> PolicyError:
        """What is wrong here, to be raised."""
        return PolicyError(problem, key=self.pointer, hint=hint)

    def _of_type(self, kind: type[_T], wanted: str) -> _T:
        if not isinstance(self.value, kind):
            raise self.mistake(f"is not {wanted}", f"expected {wanted}")
        return self.value


def boolean_schema(value: bool) -> Schema:
    """The object that means the same as `true`, which all values fit, or `false`, which none does."""
    return {} if value else {"not": {}}
