"""What must not leave in a text: card numbers, stack traces, database errors, keys; and what a policy has masked."""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from doorward.automata import automaton
from doorward.controls.minimise.masks import Kind, Mask, Style, masks
from doorward.controls.minimise.national_ids import LOOSE_FORMS
from doorward.controls.minimise.shape import Shape

CARDS: Final = 1
INTERNALS: Final = 2
SECRETS: Final = 4
IBANS: Final = 8
EMAILS: Final = 16
PHONES: Final = 32
NATIONAL_IDS: Final = 64
BIT_OF: Final[Mapping[Kind, int]] = {
    "card": CARDS,
    "iban": IBANS,
    "email": EMAILS,
    "phone": PHONES,
    "national_id": NATIONAL_IDS,
}
_PERSONAL: Final = IBANS | EMAILS | PHONES | NATIONAL_IDS
_OF_FORMAT: Final = {
    "email": EMAILS,
    "idn-email": EMAILS,
    "iban": IBANS,
    "phone": PHONES,
    "tel": PHONES,
    "e164": PHONES,
    "national-id": NATIONAL_IDS,
    "ssn": NATIONAL_IDS,
}
"""What the description's `format` says a text is. A card number is none of these: it is masked wherever it stands."""
_ESCAPED: Final = re.compile(rb"\\(?:u00[2-7]|/)")
"""What some serialisers make of plain characters: a plus sign as u002B behind a backslash."""
REPLACEMENT: Final = "[removed]"
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
            r"\b(?:psycopg2?|sqlite3|pymysql|MySQLdb|sqlalchemy|asyncpg|cx_Oracle|pyodbc|django\.db|java\.sql"
            r"|com\.mysql"
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
    (INTERNALS, r"<title>Index of /|<h1>Index of /|Directory Listing For /|\[To Parent Directory\]"),
    # keys and tokens that their issuers made recognisable
    (SECRETS, r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b|\bAIza[0-9A-Za-z_-]{35}\b|\bya29\.[0-9A-Za-z_-]{20}"),
    (SECRETS, r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40}|glpat-[A-Za-z0-9_-]{20})"),
    (
        SECRETS,
        r"\b(?:sk|rk)_live_[0-9A-Za-z]{16}|\bxox[abprs]-[0-9A-Za-z-]{20}|\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    ),
    (
        SECRETS,
        (
            r"\bhooks\.slack\.com/services/T[A-Z0-9]{6}|\bnpm_[A-Za-z0-9]{36}|\bpypi-AgEIcHlwaS5vcmc"
            r"|\bsk-ant-[a-z0-9-]{4}[A-Za-z0-9_-]{20}"
        ),
    ),
    (
        SECRETS,
        (
            r"\bdop_v1_[a-f0-9]{64}|\bshp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}|\bhvs\.[A-Za-z0-9_-]{24}"
            r"|\bAGE-SECRET-KEY-1[A-Z0-9]{58}"
        ),
    ),
    (IBANS, r"\b[A-Z]{2}[0-9]{2}[ ]?[A-Z0-9]{4}[ ]?[A-Z0-9]{4}[ ]?[A-Z0-9]{2}"),
    (EMAILS, r"[A-Za-z0-9._%+-]@[A-Za-z0-9-]{1,63}\.[A-Za-z]"),
    (PHONES, r"\+[1-9][0-9]{0,2}[ ().-]{0,2}[0-9]{1,4}"),
    (NATIONAL_IDS, LOOSE_FORMS),
)


class Scanner:
    """Finds, in one linear pass over the bytes of an answer, whether any text in it needs a closer look."""

    __slots__ = ("_database", "_kinds")

    def __init__(self, kinds: int) -> None:
        wanted = [(kind, pattern) for kind, pattern in _PATTERNS if kind & kinds]
        self._kinds = tuple(kind for kind, _ in wanted)
        self._database = automaton([pattern for _, pattern in wanted]) if wanted else None

    def kinds(self, data: bytes) -> int:
        """The kinds found, together; 0 for none."""
        if self._database is None:
            return 0
        found: list[int] = []
        self._database.scan(data, match_event_handler=_note, context=found)
        kinds = 0
        for index in found:
            kinds |= self._kinds[index]
        return kinds


def _note(index: int, _start: int, _end: int, _flags: int, found: Any) -> None:
    found.append(index)


@cache
def scanner(kinds: int) -> Scanner:
    """The one scanner of this process for these kinds: it is immutable, and compiling it takes milliseconds."""
    return Scanner(kinds)


class Cleaning:
    """What is cleaned out of the texts of one operation's answers, and how."""

    __slots__ = ("_kinds", "masks", "scanner")

    def __init__(self, kinds: int, styles: Mapping[Kind, Style] = MappingProxyType({}), key: bytes = b"") -> None:
        """`kinds`: what is looked for. `styles`: how one is masked, else in part; `key`: of the digests of `hash`."""
        self._kinds = kinds
        self.scanner = scanner(kinds)
        wanted: dict[Kind, Style] = {kind: styles.get(kind, "partial") for kind, bit in BIT_OF.items() if bit & kinds}
        self.masks: tuple[tuple[int, Mask], ...] = tuple((BIT_OF[kind], mask) for kind, mask in masks(wanted, key))

    def kinds_in_json(self, text: bytes) -> int:
        """The kinds that may stand in the strings of a JSON text; all of them where it spells ASCII in escapes."""
        if b"\\" in text and _ESCAPED.search(text) is not None:
            return self._kinds
        return self.scanner.kinds(text)

    def cleaner(self, found: int) -> "Cleaner":
        """For one answer, in which the scanner has found these kinds."""
        return Cleaner(self, found)


class Cleaner:
    """Masks and replaces in the strings of one answer, and counts what it did."""

    __slots__ = ("_kinds", "_masks", "_scanner", "masked_count", "replaced_count")

    def __init__(self, cleaning: Cleaning, found: int) -> None:
        self._kinds, self._scanner, self._masks = found, cleaning.scanner, cleaning.masks
        self.masked_count = self.replaced_count = 0

    def clean(self, value: Any, shape: Shape | None = None) -> Any:
        """The value with every string in it cleaned. Containers are changed in place; depth costs no stack.

        Personal data that `shape` declares to be such (`format: email`) is not masked there.
        """
        if not self._kinds & _PERSONAL:
            shape = None
        if isinstance(value, str):
            return self._text(value, self._kinds_at(shape))
        waiting = [(value, shape)]
        while waiting:
            container, around = waiting.pop()
            is_object = isinstance(container, dict)
            inner = around.element() if around is not None and not is_object else None
            for place, member in list(container.items() if is_object else enumerate(container)):
                if is_object and around is not None:
                    inner = around.member(place)
                if isinstance(member, str):
                    cleaned = self._text(member, self._kinds_at(inner))
                    if cleaned is not member:
                        container[place] = cleaned
                elif isinstance(member, (dict, list)):
                    waiting.append((member, inner))
        return value

    def _kinds_at(self, shape: Shape | None) -> int:
        kinds = self._kinds
        if shape is not None:
            for name in shape.formats:
                kinds &= ~_OF_FORMAT.get(name, 0)
        return kinds

    def clean_bytes(self, body: bytes, *, by_line: bool) -> bytes:
        """The text cleaned as a whole, or line by line where each line is a record of its own.

        Read as Latin-1, so that every byte that is not masked leaves as it came: what is masked is ASCII.
        """
        # a key goes on after the line that announces it
        by_line = by_line and b"PRIVATE KEY-----" not in body
        pieces = body.decode("latin-1").split("\n") if by_line else [body.decode("latin-1")]
        return "\n".join([self._text(piece, self._kinds, "latin-1") for piece in pieces]).encode("latin-1")

    def _text(self, text: str, wanted: int, charset: str = "utf-8") -> str:
        kinds = self._scanner.kinds(text.encode(charset, "replace")) & wanted
        if kinds & (INTERNALS | SECRETS):
            self.replaced_count += 1
            return REPLACEMENT
        masked = text
        for kind, mask in self._masks:
            if kinds & kind:
                masked = mask(masked)
        if masked != text:
            self.masked_count += 1
        return masked
