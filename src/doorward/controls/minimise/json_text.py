"""JSON of an answer as data and back, number for number."""

import json
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
        # An integer beyond 64 bits; the standard library writes those, digit for digit.
        return json.dumps(value, default=float, ensure_ascii=False, separators=(",", ":")).encode()


def _number(value: Decimal) -> orjson.Fragment:
    """A number with a fraction, in the digits the upstream wrote."""
    return orjson.Fragment(str(value))
