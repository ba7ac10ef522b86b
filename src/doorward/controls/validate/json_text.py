"""A JSON body as data: exactly one RFC 8259 text in UTF-8, no member twice, bounded before anything is built."""

import math
import re
from typing import Final

import jiter

from doorward.controls.validate.policy import ValidatePolicy
from doorward.denial import Denied

# Possessive, and the closing quote optional: it matches at every quote, so no text is looked at twice.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_EXPONENT: Final = re.compile(rb"[0-9.]++[eE][-+]?[0-9]++")
_DIGITS_TO_ZERO: Final = bytes.maketrans(b"123456789E", b"000000000e")
_LARGE_EXPONENTS: Final = (b"0e000", b"0e+000")
_BACKSLASH: Final = 0x5C
_OPEN: Final = frozenset(b"[{")
_NEITHER_BRACKETS_NOR_QUOTES: Final = bytes(set(range(256)) - set(b'[]{}"'))
_BRACES_TO_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


class JsonReader:
    """Reads bodies within the limits of one policy."""

    __slots__ = ("_depth", "_digits", "_members")

    def __init__(self, policy: ValidatePolicy) -> None:
        self._depth, self._members = policy.json_depth, policy.json_members
        self._digits = b"0" * (policy.json_number_digits + 1)

    def read(self, body: bytes) -> object:
        """The data of a body. Linear in its length.

        Errors: Denied `validate.json_limit`, `validate.json_number`, `validate.json_duplicate`,
        `validate.json_syntax`.
        Source: RFC 8259; hostile-input catalogue rows B1 to B3 (ambiguous JSON is read differently by the upstream).
        """
        # What text inside strings can only add to is counted first; only when that exceeds a limit is it taken out.
        opens = body.count(b"[") + body.count(b"{")
        zeroed = body.translate(_DIGITS_TO_ZERO)
        if (
            (opens > self._depth and not self._is_shallow(body))
            or body.count(b",") >= self._members
            or self._digits in zeroed
            or any(exponent in zeroed for exponent in _LARGE_EXPONENTS)
        ):
            self._judge_bare(_STRING.sub(b'"', body))
        try:
            return jiter.from_json(body, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True)
        except ValueError as error:
            text = str(error)
            # jiter has one exception class; this is the only way to tell a duplicate.
            code = "validate.json_duplicate" if text.startswith("Detected duplicate key") else "validate.json_syntax"
            raise Denied(code, text[:200]) from None

    def _is_shallow(self, body: bytes) -> bool:
        """Whether the brackets alone show that the limit of depth is kept; false says nothing.

        Each pass takes away the innermost pairs, in C: many flat objects, the common large body, need two or three.
        """
        if _BACKSLASH in body:
            return False
        # Braces count as brackets: with both kinds a pass would take away two levels of `[{}]`. Pairs that do not match
        # are the parser's to refuse.
        left = body.translate(_BRACES_TO_BRACKETS, _NEITHER_BRACKETS_NOR_QUOTES).replace(b'""', b"")
        for _ in range(self._depth):
            size = len(left)
            if not size:
                return True
            left = left.replace(b"[]", b"")
            if len(left) == size:
                return False
        return not left

    def _judge_bare(self, bare: bytes) -> None:
        """Judges the body with its strings cut out."""
        if bare.count(b",") >= self._members:
            raise Denied("validate.json_limit", f"more than {self._members} members and items")
        depth = 0
        for byte in bare.translate(None, _NOT_BRACKETS):
            if byte in _OPEN:
                depth += 1
                if depth > self._depth:
                    raise Denied("validate.json_limit", f"nested deeper than {self._depth}")
            else:
                depth -= 1
        zeroed = bare.translate(_DIGITS_TO_ZERO)
        if self._digits in zeroed:
            raise Denied("validate.json_number", f"a number of more than {len(self._digits) - 1} digits")
        for found in _EXPONENT.finditer(bare):
            if not math.isfinite(_double(found[0])):
                raise Denied("validate.json_number", "a number beyond the range of a double")


def _double(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:  # `1.2.3e4`: no number at all, which the parser says better
        return 0.0
