"""Quotas: so many requests a calendar window (UTC), counted from its first second."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

Unit = Literal["hour", "day", "month"]
UNITS: Final[tuple[Unit, ...]] = ("hour", "day", "month")
_NOMINAL_S: Final[dict[str, int]] = {"hour": 3_600, "day": 86_400, "month": 30 * 86_400}
_PATTERN: Final = "([1-9][0-9]{0,11})/(hour|day|month)"


@dataclass(frozen=True, slots=True)
class Quota:
    """So many requests a calendar hour, day or month in UTC, as `10000/day`.

    >>> Quota.parse("10000/day")
    Quota(count=10000, unit='day')
    """

    count: int
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> "Quota":
        """The quota a text stands for. Errors: ValueError that says what to write."""
        found = re.fullmatch(_PATTERN, text)
        if found is None:
            raise ValueError(f"{text!r} is not a quota; write `10000/day` (or /hour, /month)")
        return cls(int(found[1]), next(unit for unit in UNITS if unit == found[2]))

    def __str__(self) -> str:
        return f"{self.count}/{self.unit}"

    @property
    def per_s(self) -> float:
        """Requests a second on average: how quotas of different units are compared (a month counts 30 days)."""
        return self.count / _NOMINAL_S[self.unit]

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _quota_from, serialization=core_schema.to_string_ser_schema(when_used="always")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^{_PATTERN}$", "examples": ["10000/day"]}


def _quota_from(value: object) -> Quota:
    if isinstance(value, Quota):
        return value
    if isinstance(value, str):
        return Quota.parse(value)
    raise ValueError(f"{value!r} is not a quota; write `10000/day` (or /hour, /month)")


class Window(NamedTuple):
    """One calendar window. Unix seconds; `end_s` is the first second after it."""

    start_s: int
    end_s: int


def window_at(unit: Unit, now: float) -> Window:
    """The calendar window (UTC) that `now`, Unix seconds, lies in.

    >>> window_at("month", 1_709_210_096)  # 29 February 2024
    Window(start_s=1706745600, end_s=1709251200)
    """
    second = int(now)
    if unit != "month":
        length_s = _NOMINAL_S[unit]
        start_s = second - second % length_s
        return Window(start_s, start_s + length_s)
    start = datetime.fromtimestamp(second, UTC).replace(day=1, hour=0, minute=0, second=0)
    following = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return Window(int(start.timestamp()), int(following.timestamp()))
