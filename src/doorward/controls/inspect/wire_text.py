"""Raw bytes of a request as texts and data, read leniently: what is judged may be wrong, or read by nobody else."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

import jiter

from doorward.exchange import UNPARSED

_JSON_SPACE: Final = b" \t\r\n"
_JSON_OPEN: Final = frozenset({b"{", b"[", b'"'})
# Possessive, and the closing quote optional: it matches at every quote, so no text is looked at twice.
_LITERAL: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)"?', re.DOTALL)
_DIGITS_TO_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER: Final = b"0" * 1_000
"""Digits beyond this make conversion to an integer dear (quadratic): such a body is read literal by literal."""


def decoded(raw: bytes) -> str:
    """The bytes as UTF-8, else as Latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def pairs(raw: bytes) -> Iterator[tuple[str, str]]:
    """Names and values of a query or form, each decoded once, as every API decodes them."""
    for pair in raw.replace(b"+", b" ").split(b"&"):
        name, _, value = pair.partition(b"=")
        yield decoded(unquote_to_bytes(name)), decoded(unquote_to_bytes(value))


def json_of(body: bytes) -> object:
    """The data of a JSON text; UNPARSED when it is none, names a member twice or has a number dear to convert."""
    if _LONG_NUMBER in body.translate(_DIGITS_TO_ZERO):
        return UNPARSED
    try:
        return jiter.from_json(body, catch_duplicate_keys=True)
    except ValueError:
        return UNPARSED


def json_in(text: bytes) -> object:
    """The data of a text that is JSON although nobody says so, and holds texts; else UNPARSED."""
    return json_of(text) if text.lstrip(_JSON_SPACE)[:1] in _JSON_OPEN else UNPARSED


def literals(body: bytes) -> Iterator[str]:
    """The strings of what only looks like JSON, one by one."""
    for literal in _LITERAL.findall(body):
        text = json_of(b'"' + literal + b'"')
        yield text if isinstance(text, str) else decoded(literal)
