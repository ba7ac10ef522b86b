"""Rates as an operator writes them."""

import re
from dataclasses import dataclass
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

UNIT_S: Final = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_COUNT: Final = "[1-9][0-9]{0,8}"
_PATTERN: Final = f"({_COUNT})/(second|minute|hour|day)( burst ({_COUNT}))?"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests a unit of time, as `600/minute` or `600/minute burst 50`.

    Units: `count` requests in `window_s` seconds; `burst` requests at once after a pause (default: `count`).

    >>> Rate.parse("600/minute burst 50")
    Rate(count=600, window_s=60, burst=50)
    >>> str(Rate.parse("5/second"))
    '5/second'
    """

    count: int
    window_s: int
    burst: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """The rate a text stands for. Errors: ValueError that says what to write."""
        found = re.fullmatch(_PATTERN, text)
        if found is None:
            raise ValueError(f"{text!r} is not a rate; write `600/minute`, or `600/minute burst 50`")
        count = int(found[1])
        return cls(count, UNIT_S[found[2]], int(found[4]) if found[4] else count)

    def __str__(self) -> str:
        unit = next(name for name, seconds in UNIT_S.items() if seconds == self.window_s)
        return f"{self.count}/{unit}" + (f" burst {self.burst}" if self.burst != self.count else "")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _rate_from, serialization=core_schema.to_string_ser_schema(when_used="always")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^{_PATTERN}$", "examples": ["600/minute", "600/minute burst 50"]}


def _rate_from(value: object) -> Rate:
    if isinstance(value, Rate):
        return value
    if isinstance(value, str):
        return Rate.parse(value)
    raise ValueError(f"{value!r} is not a rate; write `600/minute`, or `600/minute burst 50`")
