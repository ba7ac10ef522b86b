"""JSON pointers into a document, as `$ref` writes them (RFC 6901 section 6)."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from doorward.errors import PolicyError
from doorward.policy.yaml_text import Place

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_HOPS: Final = 64
"""Longest chain of references. A longer one is a circle."""


def joined(pointer: str, *keys: str | int) -> str:
    """The pointer of a member below.

    >>> joined("#/paths", "/a/{b}", "get")
    '#/paths/~1a~1{b}/get'
    """
    return "/".join([pointer, *(str(key).replace("~", "~0").replace("/", "~1") for key in keys)])


def split(pointer: str) -> list[str]:
    """The member names of a pointer in fragment form. Errors: PolicyError when it is none."""
    if pointer == "#":
        return []
    if not pointer.startswith("#/"):
        hint = "write #/components/schemas/Name, or name a file beside the document"
        raise PolicyError(f"$ref {pointer!r} is not a JSON pointer into the document", key=pointer, hint=hint)
    keys = pointer[2:].split("/")
    if "%" in pointer:
        keys = [unquote(key) for key in keys]
    return [key.replace("~1", "/").replace("~0", "~") for key in keys]


def found(document: Any, pointer: str) -> Any:
    """What a pointer points at. Errors: PolicyError when there is nothing."""
    value = document
    for key in split(pointer):
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and _INDEX.fullmatch(key) and int(key) < len(value):
            value = value[int(key)]
        else:
            raise PolicyError(f"$ref {pointer!r} points at nothing", key=pointer, hint=f"there is no member {key!r}")
    return value


def followed(document: Any, value: Any, pointer: str) -> tuple[Any, str]:
    """What a chain of `$ref`s stands for, and its pointer. Errors: PolicyError for a dead end and for a circle."""
    for _ in range(_HOPS):
        reference = value.get("$ref") if isinstance(value, Mapping) else None
        if not isinstance(reference, str):
            return value, pointer
        try:
            value, pointer = found(document, reference), reference
        except PolicyError as error:
            raise PolicyError(error.problem, key=pointer, hint=error.hint) from None
    raise PolicyError("the $ref leads back to itself", key=pointer)


def place(document: Any, pointer: str) -> Place:
    """The pointer as keys and indexes, as far as the document has them."""
    keys: list[str | int] = []
    value = document
    for key in split(pointer):
        if isinstance(value, list) and _INDEX.fullmatch(key) and int(key) < len(value):
            keys.append(int(key))
            value = value[int(key)]
        else:
            keys.append(key)
            value = value.get(key) if isinstance(value, Mapping) else None
    return tuple(keys)
