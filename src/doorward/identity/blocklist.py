"""Passwords nobody may choose: common and breached ones, plain variations of them, and words of the context.

With 15 characters demanded, a list of breached passwords as they are would hit little: what people do is to stretch a
common one. So what is left after undoing that (digits and signs at the ends, letters written as digits, one word
repeated) is looked up too. Source: NIST SP 800-63B-4 section 3.1.1.2; OWASP ASVS 5.0 6.2.4, 6.2.11, 6.2.12.
"""

import hashlib
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Final

PRODUCT: Final = "doorward"
_HASH_BYTES: Final = 8
_CONTEXT_LEAST: Final = 4
"""Characters of a word of the context; shorter ones stand inside innocent words."""
_OWN_LEAST: Final = 8
"""Characters that must be left of a password without the words of its context."""
_DISTINCT_LEAST: Final = 5
"""Different characters a password needs."""
_ENDS: Final = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_LETTERS: Final = str.maketrans("01345789@$!|", "oleastbgasil")
_ROWS: Final = (
    "1234567890qwertyuiopasdfghjklzxcvbnm",
    "qwertyuiopasdfghjklzxcvbnm1234567890",
    "qwertzuiopasdfghjklyxcvbnm",
)


def weakness(password: str, context: Iterable[str] = ()) -> str | None:
    """Why nobody should have this password; None when nothing speaks against it.

    `context`: what an attacker would try for this user first (name, mail address, host). The password's own text is
    never in the answer.
    """
    folded = unicodedata.normalize("NFKC", password).casefold()
    if len(set(folded)) < _DISTINCT_LEAST:
        return "it repeats few characters"
    if _is_run(folded):
        return "it is a run of the alphabet or the keyboard"
    if any(is_common(variation) for variation in _variations(folded)):
        return "it is, or is made of, one of the most common passwords"
    rest = folded
    for word in _context_words(context):
        rest = rest.replace(word, "")
    if rest != folded and len(rest) < _OWN_LEAST:
        return "it is made of the user's name or the place's"
    return None


def is_common(text: str) -> bool:
    """Whether the text, case folded, is on the list."""
    wanted = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_HASH_BYTES]
    listed = _listed()
    place = bisect_left(range(len(listed) // _HASH_BYTES), wanted, key=lambda n: _entry(listed, n))
    return _entry(listed, place) == wanted


def _entry(listed: bytes, number: int) -> bytes:
    return listed[number * _HASH_BYTES : (number + 1) * _HASH_BYTES]


@cache
def _listed() -> bytes:
    return (files("doorward.identity.data") / "common_passwords.bin").read_bytes()


def _variations(folded: str) -> Iterator[str]:
    for text in (folded, folded.translate(_LETTERS)):
        for part in (text, _ENDS.sub("", text)):
            yield part
            unit = (part + part).find(part, 1)
            if 0 < unit < len(part):
                yield part[:unit]
                yield _ENDS.sub("", part[:unit])
    bare = _ENDS.sub("", folded)
    yield bare.translate(_LETTERS)


def _is_run(folded: str) -> bool:
    steps = [ord(after) - ord(before) for before, after in pairwise(folded)]
    regular = max(sum(step == wanted for step in steps) for wanted in (-1, 1))
    if regular >= 0.8 * len(steps):
        return True
    return any(folded in row or folded in row[::-1] for row in _ROWS)


def _context_words(context: Iterable[str]) -> list[str]:
    words = {PRODUCT}
    for text in context:
        folded = unicodedata.normalize("NFKC", text).casefold()
        words.update(re.split(r"[^\w]+", folded), {folded})
    return sorted((word for word in words if len(word) >= _CONTEXT_LEAST), key=len, reverse=True)
