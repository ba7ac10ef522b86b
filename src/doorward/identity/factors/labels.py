"""What users call their factors."""

from typing import Final

_CHARACTERS: Final = 64


def label_of(text: str, unnamed: str) -> str:
    """The text without anything unprintable, cut; `unnamed` where nothing is left of it.

    >>> label_of(" blue key ", "passkey"), label_of(" ", "passkey")
    ('blue key', 'passkey')
    """
    printable = "".join(character for character in text if character.isprintable()).strip()
    return printable[:_CHARACTERS] or unnamed
