"""JSON of an answer as data and back, number for number."""

from decimal import Decimal
from typing import Any, Final

import jiter
import orjson

from doorward.denial import Denied

CODE: Final = "minimise.response_schema"


def parsed(text: bytes) -> Any:
    """The data of a JSON text. Errors: Denied when it is none, or names a member twice."""
    try:
        return jiter.from_json(
            text, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True, float_mode="decimal"
        )
    except ValueError:
        raise Denied(CODE, "the answer is not valid JSON, or names a member twice") from None


def written(value: Any) -> bytes:
    """The data as a JSON text."""
    try:
        return orjson.dumps(value, default=_number)
    except TypeError:
        return orjson.dumps(_with_large_integers(value), default=_number)


def _with_large_integers(value: Any) -> Any:
    """The data, in which integers beyond 64 bits stand as their digits."""
    if isinstance(value, dict):
        return {name: _with_large_integers(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_large_integers(item) for item in value]
    is_large = type(value) is int and not -(2**63) <= value < 2**64
    return orjson.Fragment(str(value)) if is_large else value


def _number(value: Decimal) -> orjson.Fragment:
    """A number with a fraction, in the digits the upstream wrote."""
    return orjson.Fragment(str(value))
