"""What a mail address looks like, as far as a form can tell: linear to check, and never a header of its own."""

import re
from typing import Final

from doorward.errors import PolicyError

_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z0-9-]{2,63}")
_CHARACTERS: Final = 254


def is_email(text: str) -> bool:
    """Whether mail can be sent there, as far as its form tells."""
    # "=?" begins an encoded word (RFC 2047): mail programs make another address of it than the one that stands there
    return len(text) <= _CHARACTERS and "=?" not in text and _ADDRESS.fullmatch(text) is not None


def require_email(text: str) -> str:
    """The address. Errors: PolicyError."""
    if not is_email(text):
        raise PolicyError(f"{text!r} is not a mail address", key="email", hint="as alice@example.com")
    return text
