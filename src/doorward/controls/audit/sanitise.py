r"""The one encoder for text that a client may have had a hand in: nothing in it can move a terminal or forge a line.

Everything that Unicode does not call printable (C0, DEL, C1, bidirectional and other format characters, U+2028,
surrogates, unassigned) is written as `\xNN`, `\uNNNN` or `\UNNNNNNNN`, and so is the backslash (`\\`): what was
escaped can be told from what came like that. Bytes that are not UTF-8 become `\xNN` as well.
"""

import hashlib
from typing import Final

FIELD_BYTES: Final = 1024
"""Longest text kept of one field, in bytes of UTF-8; the rest is represented by a SHA-256 of the whole."""
_MARK: Final = " [cut: "


def clean(text: str, cap: int = FIELD_BYTES) -> str:
    r"""The text, escaped; cut to `cap` bytes with length and SHA-256 of the whole behind it when it is longer.

    >>> clean("curl/8.5"), clean("a\r\nb\u202ec")
    ('curl/8.5', 'a\\x0d\\x0ab\\u202ec')
    """
    kept = text[:cap]
    # the common case: one line of printable ASCII
    if kept.isascii() and kept.isprintable() and "\\" not in kept:
        return kept if len(text) <= cap else _cut(kept, text)
    return _escape(text, cap)


def clean_bytes(raw: bytes, cap: int = FIELD_BYTES) -> str:
    r"""As `clean`, for bytes from the wire.

    >>> clean_bytes(b"caf\xc3\xa9 \xff\x1b[31m")
    'café \\xff\\x1b[31m'
    """
    return clean(raw.decode("utf-8", "surrogateescape"), cap)


def was_cut(cleaned: str, cap: int = FIELD_BYTES) -> bool:
    """Whether `clean` had to cut the text to `cap`: with its mark it is then longer, which no text that fits can be."""
    return len(cleaned) * 4 > cap and len(cleaned.encode()) > cap


def _escape(text: str, cap: int) -> str:
    pieces: list[str] = []
    room = cap
    for character in text[: cap + 1]:
        piece = character if character.isprintable() and character != "\\" else _escaped(ord(character))
        room -= len(piece.encode())
        if room < 0:
            break
        pieces.append(piece)
    else:
        return "".join(pieces)
    return _cut("".join(pieces), text)


def _cut(kept: str, text: str) -> str:
    whole = text.encode("utf-8", "surrogatepass")
    return f"{kept}{_MARK}{len(whole)} bytes, sha256 {hashlib.sha256(whole).hexdigest()}]"


def _escaped(code: int) -> str:
    if code == 0x5C:
        return "\\\\"
    if code < 0x80:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:  # how `surrogateescape` carries a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
