"""What must not leave in a text: card numbers, stack traces, database error messages."""

import re
from functools import cache
from typing import Any, Final

import hyperscan

CARDS: Final = 1
INTERNALS: Final = 2
REPLACEMENT: Final = "[removed]"
_CARD: Final = re.compile(
    r"(?<![\w.-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})(?![\w-])(?!\.\d)", re.ASCII
)
_PATTERNS: Final[tuple[tuple[int, str], ...]] = (
    # Issuers' ranges start with 2 to 6; three to four groups with a blank or hyphen, or none.
    (CARDS, r"[2-6][0-9]{12}|[2-6][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]|3[0-9]{3}[ -][0-9]{6}[ -][0-9]{4}"),
    (INTERNALS, r"Traceback \(most recent call last\)|, line [0-9]{1,6}, in |File .{1,256}\.py.{1,4}line [0-9]"),
    (
        INTERNALS,
        r"(?:^|\s|\\[nt])at [\w.$<>/]+\([\w$]+\.(?:java|kt|scala|groovy):[0-9]|\bat [\w.$<>]+\(Native Method\)",
    ),
    (INTERNALS, r"\bat .{1,200} \(.{1,200}\.[cm]?[jt]s:[0-9]{1,6}:[0-9]{1,6}\)|\bat .{1,200}\) in .{1,200}:line [0-9]"),
    (INTERNALS, r"goroutine [0-9]+ \[|panicked at |\.rb:[0-9]{1,6}:in "),
    (INTERNALS, r"(?:Fatal error|Warning|Parse error|Notice): .{1,256} on line [0-9]"),
    (
        INTERNALS,
        r"have an error in your SQL syntax|ORA-[0-9]{5}\b|SQLSTATE\[|PG::[A-Z]\w+Error|unterminated quoted string at",
    ),
    (
        INTERNALS,
        (
            r"\b(?:psycopg2?|sqlite3|pymysql|MySQLdb|sqlalchemy|asyncpg|cx_Oracle|pyodbc|django\.db|java\.sql|com\.mysql"
            r"|org\.postgresql|org\.hibernate|System\.Data|Microsoft\.Data)\.[\w.]*(?:Error|Exception)"
        ),
    ),
    (
        INTERNALS,
        r"near .{1,128}: syntax error|no such (?:table|column): |nclosed quotation mark after the character string",
    ),
    (
        INTERNALS,
        r"supplied argument is not a valid|\bmysqli?_[a-z_]+\(\)|\bpg_(?:query|exec)\(\)|Incorrect syntax near ",
    ),
    (INTERNALS, r"(?:relation|column) .{1,130} does not exist|-----BEGIN (?:[A-Z]{1,12} ){0,2}PRIVATE KEY-----"),
)


class Scanner:
    """Finds, in one linear pass over the bytes of an answer, whether any text in it needs a closer look."""

    __slots__ = ("_database",)

    def __init__(self) -> None:
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=[pattern.encode("ascii") for _, pattern in _PATTERNS],
            ids=list(range(len(_PATTERNS))),
            elements=len(_PATTERNS),
            flags=[hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL] * len(_PATTERNS),
        )

    def kinds(self, data: bytes) -> int:
        """`CARDS`, `INTERNALS`, both or 0."""
        found: list[int] = []
        self._database.scan(data, match_event_handler=_note, context=found)
        kinds = 0
        for index in found:
            kinds |= _PATTERNS[index][0]
        return kinds


def _note(index: int, _start: int, _end: int, _flags: int, found: Any) -> None:
    found.append(index)


@cache
def scanner() -> Scanner:
    """The one scanner of this process: the database is immutable, and compiling it takes milliseconds."""
    return Scanner()


class Cleaner:
    """Masks and replaces in the strings of one answer, and counts what it did."""

    __slots__ = ("_kinds", "_scanner", "masked_count", "replaced_count")

    def __init__(self, kinds: int) -> None:
        self._kinds, self._scanner = kinds, scanner()
        self.masked_count = self.replaced_count = 0

    def clean(self, value: Any) -> Any:
        """The value with every string in it cleaned. Containers are changed in place; depth costs no stack."""
        if isinstance(value, str):
            return self._text(value)
        waiting = [value]
        while waiting:
            container = waiting.pop()
            pairs = container.items() if isinstance(container, dict) else enumerate(container)
            for place, member in list(pairs):
                if isinstance(member, str):
                    cleaned = self._text(member)
                    if cleaned is not member:
                        container[place] = cleaned
                elif isinstance(member, (dict, list)):
                    waiting.append(member)
        return value

    def _text(self, text: str) -> str:
        kinds = self._scanner.kinds(text.encode("utf-8", "replace")) & self._kinds
        if kinds & INTERNALS:
            self.replaced_count += 1
            return REPLACEMENT
        if kinds & CARDS:
            masked = _CARD.sub(_masked, text)
            if masked != text:
                self.masked_count += 1
                return masked
        return text


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


def _masked(match: re.Match[str]) -> str:
    text = match[0]
    digits = text.replace(" ", "").replace("-", "")
    if not is_card_number(digits):
        return text
    shown = 4
    masked: list[str] = []
    for character in reversed(text):
        if character in " -":
            masked.append(character)
        else:
            masked.append(character if shown > 0 else "*")
            shown -= 1
    return "".join(reversed(masked))
