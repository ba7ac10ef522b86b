"""How personal data in a text is made unreadable: recognised by its check digits, then cut short, named or hashed."""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from doorward.controls.minimise.national_ids import FORMS, is_national_id

Kind = Literal["card", "iban", "email", "phone", "national_id"]
Style = Literal["partial", "whole", "hash"]
"""`partial`: the last four letters and digits stay, of a mail address the first letter and the domain. `whole`: the
kind stands there instead. `hash`: the kind and a keyed digest, the same for the same value."""
Mask: TypeAlias = Callable[[str], str]
"""The text with what is of the mask's kind made unreadable."""
_DIGEST_CHARS: Final = 16
_CARD: Final = re.compile(
    r"(?<![\w.-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})(?![\w-])(?!\.\d)", re.ASCII
)
_IBAN: Final = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", re.ASCII)
_EMAIL: Final = re.compile(
    r"(?<![A-Za-z0-9._%+-])([A-Za-z0-9._%+-]++)@([A-Za-z0-9-]{1,63}+(?:\.[A-Za-z0-9-]{1,63}+){1,4})", re.ASCII
)
_PHONE: Final = re.compile(r"\+[1-9][0-9]{0,2}(?:[ ().-]{0,2}[0-9]{1,5}){2,6}", re.ASCII)


class _Recognised(NamedTuple):
    """How one kind is recognised, and what stays of it when it is cut short."""

    pattern: re.Pattern[str]
    is_real: Callable[[str], bool]
    cut: Callable[[str], str]


def masks(styles: Mapping[Kind, Style], key: bytes) -> tuple[tuple[Kind, Mask], ...]:
    """A mask for each kind, in the order in which they are applied.

    `key` keeps the digests of `hash` from being tried out: there are few enough phone numbers to hash them all.
    """
    return tuple((kind, _mask(kind, _RECOGNISED[kind], styles[kind], key)) for kind in _RECOGNISED if kind in styles)


def _mask(kind: Kind, recognised: _Recognised, style: Style, key: bytes) -> Mask:
    def unreadable(match: re.Match[str]) -> str:
        text = match[0]
        if not recognised.is_real(text):
            return text
        if style == "partial":
            return recognised.cut(text)
        return f"[{kind}]" if style == "whole" else f"[{kind} {_digest(text, key)}]"

    return lambda text: recognised.pattern.sub(unreadable, text)


def _digest(text: str, key: bytes) -> str:
    """The same for the same value, however it is spaced or cased."""
    plain = "".join(character for character in text if character.isalnum() or character in "@.").casefold()
    return hmac.new(key, plain.encode(), hashlib.sha256).hexdigest()[:_DIGEST_CHARS]


def is_card_number(digits: str) -> bool:
    """Whether the digits are of a length and range that a card issuer uses, and pass the Luhn check.

    Source: ISO/IEC 7812-1; the issuers' published ranges.

    >>> is_card_number("4111111111111111"), is_card_number("4111111111111112"), is_card_number("1700000000000")
    (True, False, False)
    """
    return _is_issued(digits) and _luhn(digits)


def _is_issued(digits: str) -> bool:
    length, two, four = len(digits), int(digits[:2]), int(digits[:4])
    if digits[0] == "4":
        return length in {13, 16, 19}
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return length == 16
    if two in {34, 37}:
        return length == 15
    if two in {36, 38, 39} or 300 <= four // 10 <= 305:
        return length == 14
    return length in {16, 17, 18, 19} and (
        four == 6011 or 644 <= four // 10 <= 649 or two in {62, 65} or 3528 <= four <= 3589
    )


def _luhn(digits: str) -> bool:
    total = 0
    for index, character in enumerate(reversed(digits)):
        digit = ord(character) - 48
        if index % 2:
            digit *= 2
            digit -= 9 if digit > 9 else 0
        total += digit
    return total % 10 == 0


def is_iban(text: str) -> bool:
    """Whether the text (no blanks) is an IBAN: its check digits fit.

    Source: ISO 13616-1; ISO 7064 MOD 97-10.

    >>> is_iban("DE89370400440532013000"), is_iban("DE88370400440532013000")
    (True, False)
    """
    return len(text) >= 15 and int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def _is_phone(text: str) -> bool:
    return 8 <= sum(character.isdigit() for character in text) <= 15


def _cut_email(text: str) -> str:
    return f"{text[0]}***{text[text.rindex('@') :]}"


def _starred(text: str) -> str:
    """Letters and digits but the last four as stars."""
    shown, made = 4, list[str]()
    for character in reversed(text):
        if not character.isalnum():
            made.append(character)
        else:
            made.append(character if shown > 0 else "*")
            shown -= 1
    return "".join(reversed(made))


_RECOGNISED: Final[dict[Kind, _Recognised]] = {
    "card": _Recognised(_CARD, lambda text: is_card_number(text.replace(" ", "").replace("-", "")), _starred),
    "iban": _Recognised(_IBAN, lambda text: is_iban(text.replace(" ", "")), lambda text: text[:4] + _starred(text[4:])),
    "email": _Recognised(_EMAIL, lambda _: True, _cut_email),
    "national_id": _Recognised(re.compile(FORMS, re.ASCII), is_national_id, _starred),
    "phone": _Recognised(_PHONE, _is_phone, _starred),
}
