"""The data of an answer: kept to the members that are declared for this caller, its values held to their schemas."""

from typing import Any, Final

from doorward.controls.minimise.json_text import CODE
from doorward.controls.minimise.shape import Shape, ShapeCompiler
from doorward.denial import Denied
from doorward.errors import PolicyError
from doorward.exchange import Exchange
from doorward.operation import ApiDescription, MediaType, Schema
from doorward.schemas.judge import Judge

_MISFIT: Final = "minimise.unfit_value:"


class ValueRules:
    """What the values of one kind of data must be. None: whatever they are."""

    __slots__ = ("is_refused", "judge", "shape")

    def __init__(self, shape: Shape | None, judge: Judge | None, *, is_refused: bool) -> None:
        self.shape, self.judge = shape, judge
        self.is_refused = is_refused
        """An answer with a value that does not fit is refused; else it is noted."""


class Values:
    """The data of one answer, piece by piece."""

    __slots__ = ("_compiler", "_misfit", "_roles", "_rules", "shape")

    def __init__(self, rules: ValueRules, compiler: ShapeCompiler, exchange: Exchange) -> None:
        self.shape, self._rules, self._compiler = rules.shape, rules, compiler
        self._roles = exchange.caller.roles if exchange.caller is not None else frozenset[str]()
        self._misfit = ""

    def keep(self, value: Any) -> int:
        """How many undeclared members were dropped. Errors: Denied."""
        judge, shape = self._rules.judge, self.shape
        if judge is not None and not self._misfit and not judge.fits(value):
            misfit = judge.failures(value, is_small=False)[0]
            self._misfit = declared_pointer(misfit.pointer, shape)
            if self._rules.is_refused:
                raise Denied(CODE, f"{self._misfit}: {misfit.detail}")
        if shape is None:
            return 0
        self._compiler.roles = self._roles
        return shape.keep(value)

    def findings(self) -> list[str]:
        """The first place that did not fit."""
        return [f"{_MISFIT}{self._misfit}"] if self._misfit else []


def declared_pointer(pointer: str, shape: Shape | None) -> str:
    """The pointer, in which names that nobody declared are `*`: they are data of the answer."""
    shown: list[str] = []
    for part in pointer.split("/")[1:]:
        if part.isdigit() and (shape is None or list in shape.takes):
            shape = shape.element() if shape is not None else None
            shown.append(part)
            continue
        shape = shape.member(part.replace("~1", "/").replace("~0", "~")) if shape is not None else None
        shown.append(part if shape is not None else "*")
    return "/".join(["#", *shown])


def content_judge(content: MediaType, description: ApiDescription) -> Judge | None:
    """The judge of values as the upstream sends them; None where nothing is said of them. Errors: PolicyError."""
    if content.schema is None:
        return None
    return _judge(content.schema, f"{content.pointer}/schema", description)


def lenient_judge(schema: Schema, pointer: str, description: ApiDescription) -> Judge | None:
    """The same of a schema; None where its pattern is one that no linear engine takes."""
    try:
        return _judge(schema, pointer, description)
    except PolicyError:
        return None


def _judge(schema: Schema, pointer: str, description: ApiDescription) -> Judge:
    """Undeclared members fit: they are removed, not refused."""
    return Judge(schema, description.document, pointer, closes=False, excused="writeOnly", loosens=True)
