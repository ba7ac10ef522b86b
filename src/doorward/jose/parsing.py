"""What all JOSE messages are made of, read strictly: base64url segments and JSON objects with one meaning each.

`json` lets the last of two equal members win and `base64` takes several spellings of the same bytes: two readers of
one message would then see two messages.
"""

import base64
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from doorward.jose.errors import JoseError, Reason

CONTAINERS_COUNT: Final = 250
"""Most arrays and objects in header or claims, and so the deepest nesting: whatever writes them later is recursive."""
KEY_ID_CHARACTERS: Final = 256
"""Longest `kid` accepted; a thumbprint has 43 characters."""

_BASE64URL: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def encode_segment(data: bytes) -> bytes:
    """`data` in base64url without padding (RFC 7515 appendix C)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def ascii_bytes(token: str) -> bytes:
    """The message as bytes. Errors: JoseError `header`."""
    try:
        return token.encode("ascii")
    except UnicodeEncodeError as error:
        raise JoseError("header", "not ASCII") from error


def decode_segment(segment: bytes, part: str, reason: Reason = "header") -> bytes:
    """The bytes of a segment that is their one spelling. Errors: JoseError with `reason`; `part` is for its text."""
    rest = len(segment) % 4
    if not segment or rest == 1 or segment.translate(None, _BASE64URL):
        raise JoseError(reason, f"the {part} is not base64url")
    decoded = base64.urlsafe_b64decode(segment + b"=" * (-rest % 4))
    # the end encoded again finds trailing bits, of which two spellings would name one signature
    if rest and encode_segment(decoded[1 - rest :]) != segment[-rest:]:
        raise JoseError(reason, f"the {part} is not the one base64url spelling of its bytes")
    return decoded


def parse_object(data: bytes, part: str) -> dict[str, Any]:
    """The one JSON object that `data` is. Errors: JoseError `header`, for a member given twice too."""
    try:
        text = data.decode("utf-8")
        if text.count("[") + text.count("{") > CONTAINERS_COUNT:
            raise ValueError("too many arrays and objects")  # noqa: TRY301 - one answer for all that is not strict
        parsed = json.loads(text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse_constant)
        if "\\u" in text:
            # a lone surrogate is no text: it would break whatever writes it later
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")
    except ValueError as error:
        raise JoseError("header", f"the {part} is not strict JSON: {type(error).__name__}") from error
    if not isinstance(parsed, dict):
        raise JoseError("header", f"the {part} is not a JSON object")
    return parsed


def refuse_members(header: Mapping[str, Any], names: Iterable[str], reason: Reason) -> None:
    """Nothing, when the header has none of them: mere presence is refused. Errors: JoseError with `reason`."""
    for name in names:
        if name in header:
            raise JoseError(reason, f"the header has {name}")


def key_id_of(header: Mapping[str, Any]) -> str:
    """`kid`; empty when the header names none. Errors: JoseError `key`."""
    key_id = header.get("kid", "")
    if not isinstance(key_id, str) or len(key_id) > KEY_ID_CHARACTERS:
        raise JoseError("key", "kid is not a short string")
    return key_id


def media_type_of(header: Mapping[str, Any]) -> str:
    """`typ` in lower case without `application/`; empty when absent. Errors: JoseError `claims`."""
    name = header.get("typ", "")
    if not isinstance(name, str) or not name.isascii():
        raise JoseError("claims", "typ is not a string")
    return name.lower().removeprefix("application/")


def shown(value: object) -> str:
    """A value of somebody else's, short enough for a record."""
    return repr(value)[:40]


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError("a member comes twice")
        members[name] = value
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
