"""What pydantic found wrong, in the operator's words."""

import difflib
import types
import typing
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from doorward.errors import PolicyError
from doorward.policy.yaml_text import Place, dotted

_EXPECTED: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping (key: value lines)",
    "model_type": "a mapping (key: value lines)",
    "model_attributes_type": "a mapping (key: value lines)",
    "tuple_type": "a list",
    "list_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "path_type": "a path",
}
_BOUNDS: Final = {
    "greater_than_equal": ("below", "ge"),
    "greater_than": ("not above", "gt"),
    "less_than_equal": ("above", "le"),
    "less_than": ("not below", "lt"),
}


class Mistake(typing.NamedTuple):
    """One thing pydantic refused: where, what is wrong, what to write instead."""

    place: Place
    problem: str
    hint: str


def mistakes(error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
    """Everything wrong with a document, the alternatives of one place folded into one."""
    found: dict[Place, Mistake] = {}
    for detail in error.errors(include_url=False):
        mistake = _mistake(detail, model)
        known = found.get(mistake.place)
        if known is None or _tells_more(detail, known):
            found[mistake.place] = mistake
    places = list(found)
    return [
        found[place] for place in places if not any(other != place and other[: len(place)] == place for other in places)
    ]


def _tells_more(detail: ErrorDetails, known: Mistake) -> bool:
    """Whether this alternative of a union says more of the place than the one known so far."""
    if detail["type"] == "extra_forbidden":  # an unknown key inside a mapping: more than "expected 'local'"
        return not known.problem.startswith("is not a known key")
    # a word that is none of those known: more than "expected a list" (of such words)
    return detail["type"] == "literal_error" and known.hint == f"expected {_EXPECTED['tuple_type']}"


def first_mistake(error: ValidationError, model: type[BaseModel], key: str = "") -> PolicyError:
    """The first thing wrong, as the error to raise; `key` names where the data stood."""
    place, problem, hint = mistakes(error, model)[0]
    inner = dotted(place)
    return PolicyError(problem, key=f"{key}.{inner}" if key and inner else key or inner, hint=hint)


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """A hint naming the nearest known word, or all of them when none is near and they are few.

    >>> did_you_mean("alow", ["allow", "deny"])
    'did you mean `allow`?'
    """
    known = sorted(set(words))
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    return "known: " + ", ".join(f"`{name}`" for name in known) if 0 < len(known) <= 24 else ""


def _mistake(detail: ErrorDetails, model: type[BaseModel]) -> Mistake:
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    place, owner = _place(detail["loc"], model)
    if kind == "extra_forbidden":
        return Mistake(place, "is not a known key", did_you_mean(str(place[-1]), _names(owner)))
    if kind == "missing":
        return Mistake(place, "is missing", _describe(owner, place))
    if kind == "literal_error":
        expected = str(context.get("expected", ""))
        words = [word.strip(" '") for word in expected.replace(" or ", ",").split(",")]
        return Mistake(place, f"{_shown(given)} is not one of {expected}", did_you_mean(str(given), words))
    if kind in _EXPECTED:
        return Mistake(place, f"{_shown(given)} is not {_EXPECTED[kind]}", f"expected {_EXPECTED[kind]}")
    if kind in _BOUNDS:
        word, limit = _BOUNDS[kind]
        return Mistake(place, f"{_shown(given)} is {word} {context[limit]}", _describe(owner, place))
    if kind in {"value_error", "assertion_error"}:
        cause = context.get("error")
        problem = getattr(cause, "problem", "") or str(cause)
        return Mistake(place, problem, getattr(cause, "hint", ""))
    if kind == "string_pattern_mismatch":
        return Mistake(place, f"{_shown(given)} does not fit {context['pattern']}", _describe(owner, place))
    text = detail["msg"]
    return Mistake(place, f"{_shown(given)}: {text[:1].lower()}{text[1:]}", _describe(owner, place))


def _place(loc: tuple[int | str, ...], model: type[BaseModel]) -> tuple[Place, Any]:
    """The keys as the document has them: pydantic adds the names of union members to a location."""
    place: list[int | str] = []
    annotation: Any = model
    owner: Any = model
    for part in loc:
        step = _step(annotation, part)
        if step is None:
            # Not a key the model knows: an unknown key of the document, or pydantic's name for a union member.
            if part != "[key]" and (not place or not _is_member_name(annotation, part)):
                place.append(part)
                owner, annotation = _model_in(annotation), Any
            continue
        owner, annotation = step
        place.append(part)
    return tuple(place), owner


def _model_in(annotation: Any) -> Any:
    models = [each for each in _candidates(annotation) if isinstance(each, type) and issubclass(each, BaseModel)]
    return models[0] if models else None


def _step(annotation: Any, part: int | str) -> tuple[Any, Any] | None:
    """The model (or container) that holds `part`, and what its value may be; None when `part` is no key of it."""
    for candidate in _candidates(annotation):
        origin, arguments = typing.get_origin(candidate), typing.get_args(candidate)
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            for name, field in candidate.model_fields.items():
                if part in {name, field.alias}:
                    return candidate, field.annotation
        elif origin is dict and isinstance(part, str):
            return candidate, arguments[1]
        elif origin in {tuple, list, set, frozenset} and isinstance(part, int):
            return candidate, arguments[0]
    return None


def _candidates(annotation: Any) -> list[Any]:
    origin = typing.get_origin(annotation)
    if origin in {typing.Union, types.UnionType}:
        return [inner for member in typing.get_args(annotation) for inner in _candidates(member)]
    if origin is typing.Annotated:
        return _candidates(typing.get_args(annotation)[0])
    return [annotation]


def _is_member_name(annotation: Any, part: int | str) -> bool:
    candidates = _candidates(annotation)
    names = {getattr(candidate, "__name__", "") for candidate in candidates}
    return part in names or (len(candidates) > 1 and isinstance(part, str) and "[" in part)


def _names(owner: Any) -> list[str]:
    if isinstance(owner, type) and issubclass(owner, BaseModel):
        return [field.alias or name for name, field in owner.model_fields.items()]
    return []


def _describe(owner: Any, place: Place) -> str:
    if isinstance(owner, type) and issubclass(owner, BaseModel):
        for name, field in owner.model_fields.items():
            if place and place[-1] in {name, field.alias} and field.description:
                return field.description.split("\n")[0]
    return ""


def _shown(given: Any) -> str:
    # Only plain short values: a mapping may hold a secret, and a long text helps nobody.
    if given is None:
        return "nothing"
    if isinstance(given, bool):
        return "`true`" if given else "`false`"
    if isinstance(given, int | float | str) and len(str(given)) <= 60:
        return f"`{given}`"
    if isinstance(given, dict | list):
        return "a mapping" if isinstance(given, dict) else "a list"
    return "the value"
