"""Rates as an operator writes them, and the decision they lead to (GCRA). Whole nanoseconds throughout: exact."""

import math
import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

NANOSECONDS: Final = 1_000_000_000
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


class Gcra(NamedTuple):
    """The generic cell rate algorithm: one number a bucket, no timer, no window edge to hide behind.

    A bucket is the *theoretical arrival time* `tat`: the moment at which its whole burst is back. In any span of
    `t` seconds at most `burst + t * count / window_s` requests are admitted, which a property test holds it to.

    Source: ATM Forum TM 4.1 section 4.4 (virtual scheduling).

    >>> gcra = Gcra.of(Rate.parse("1/second burst 2"))
    >>> now = 5 * NANOSECONDS
    >>> once = gcra.spend(0, now); twice = gcra.spend(once, now)
    >>> gcra.left(once, now), gcra.left(twice, now), gcra.left(gcra.spend(twice, now), now)
    (1, 0, -1)
    """

    interval_ns: int
    """Time in which one request is earned back."""
    tolerance_ns: int
    """How far `tat` may lie ahead of now: the burst, as time."""

    @classmethod
    def of(cls, rate: Rate, share: float = 1.0) -> "Gcra":
        """The limiter of a rate; `share` is the part of it that this process may give out, above 0 up to 1."""
        # Rounded up: a rate is never exceeded by rounding.
        interval_ns = math.ceil(rate.window_s * NANOSECONDS / (rate.count * share))
        return cls(interval_ns, interval_ns * max(1, int(rate.burst * share)))

    def spend(self, tat: int, now_ns: int) -> int:
        """The bucket after one more request; to be kept only when `left` of it is not negative."""
        return max(tat, now_ns) + self.interval_ns

    def left(self, tat: int, now_ns: int) -> int:
        """Requests the bucket still holds; negative when the one that led to `tat` must be refused."""
        return (self.tolerance_ns - (tat - now_ns)) // self.interval_ns

    def wait_s(self, tat: int, now_ns: int) -> int:
        """Whole seconds until the refused request that would have led to `tat` may be tried again, at least 1.

        Source: delay-seconds, RFC 9110 section 10.2.3.
        """
        return max(1, seconds_up(tat - now_ns - self.tolerance_ns))


def seconds_up(span_ns: int) -> int:
    """A span in whole seconds, rounded up, so that a client told to wait that long waited long enough."""
    return -(-span_ns // NANOSECONDS)
