"""Structured fields (RFC 9651, which replaces RFC 8941): a strict parser and the one serialisation.

Strict: what the grammar does not allow is refused whole, base64 must be the canonical spelling, and `unique` refuses
what is named twice instead of letting the last one win. Linear: every byte is looked at a fixed number of times.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Final, TypeAlias

INTEGER_MOST: Final = 999_999_999_999_999
_KEY: Final = re.compile(r"[a-z*][a-z0-9_\-.*]*+")
_NUMBER: Final = re.compile(r"-?([0-9]++)(\.[0-9]*+)?")
_STRING: Final = re.compile(r'"((?:[ !#-\[\]-~]++|\\["\\])*+)"')
_ESCAPED: Final = re.compile(r"\\(.)")
_TOKEN: Final = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+\-.^_`|~:/]*+")
_BYTES: Final = re.compile(r":([A-Za-z0-9+/]*+={0,2}):")
_DISPLAY: Final = re.compile(r'%"((?:[ !#$&-~]++|%[0-9a-f]{2})*+)"')
_STRINGS: Final = re.compile(r'\(("[!#-\[\]-~]++"(?: "[!#-\[\]-~]++")*+)\)')
"""A list of strings without spaces, escapes and parameters: what nearly every signature covers."""
_LISTS_MOST: Final = 256
_KEPT_CHARACTERS: Final = 512
"""Longest of these lists that is remembered: whoever sends it has proved nothing yet."""
_SPACES: Final = re.compile(r" *+")
_BLANKS: Final = re.compile(r"[ \t]*+")


class Token(str):
    """A bare word (RFC 9651 section 3.3.4); not the same as a string of these letters."""

    __slots__ = ()


class DisplayString(str):
    """A text for people (RFC 9651 section 3.3.8); any Unicode."""

    __slots__ = ()


class Date(int):
    """Seconds since 1970 (RFC 9651 section 3.3.7)."""

    __slots__ = ()


BareItem: TypeAlias = int | Decimal | str | bytes | bool | Token | DisplayString | Date
Parameters: TypeAlias = Mapping[str, BareItem]


@dataclass(frozen=True, slots=True)
class Item:
    """One value and what is said about it."""

    value: BareItem
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InnerList:
    """Items in parentheses, and what is said about them together."""

    items: tuple[Item, ...]
    parameters: Parameters = field(default_factory=dict)


Member: TypeAlias = Item | InnerList


class FieldError(ValueError):
    """The text is not a structured field of that kind."""


def parse_dictionary(
    text: str, *, most: int | None = None, most_inside: int | None = None, unique: bool = False
) -> dict[str, Member]:
    """The members of a dictionary, by key in order.

    `most`: more members are refused as soon as they are met; so are more items of one list, or parameters of one thing,
    than `most_inside` (else `most`). `unique`: a key or parameter that comes twice is refused;
    else the last one counts, as RFC 9651 has it. Errors: FieldError.

    >>> parse_dictionary('a=1, b;x, c=("y" z)')["c"].items[1].value
    'z'
    """
    reader = _Reader(text, most=most_inside or most, unique=unique)
    members: dict[str, Member] = {}
    reader.skip(_SPACES)
    while not reader.at_end:
        key = reader.key()
        if unique and key in members:
            raise FieldError(f"{key!r} comes twice")
        value = reader.member() if reader.takes("=") else Item(value=True, parameters=reader.parameters())
        members.pop(key, None)
        members[key] = value
        if most is not None and len(members) > most:
            raise FieldError(f"more than {most} members")
        reader.separator()
    return members


def parse_list(text: str, *, most: int | None = None) -> list[Member]:
    """The members of a list; `most` as in a dictionary. Errors: FieldError.

    >>> [member.value for member in parse_list('1, ?0, :aGk=:')]
    [1, False, b'hi']
    """
    reader = _Reader(text, most=most)
    members: list[Member] = []
    reader.skip(_SPACES)
    while not reader.at_end:
        members.append(reader.member())
        reader.require_few(len(members), "members")
        reader.separator()
    return members


def parse_item(text: str, *, most: int | None = None) -> Item:
    r"""One item; `most`: more parameters are refused. Errors: FieldError.

    >>> parse_item('"a \\"b\\"";q=0.5').parameters
    {'q': Decimal('0.5')}
    """
    reader = _Reader(text, most=most)
    reader.skip(_SPACES)
    item = reader.item()
    reader.skip(_SPACES)
    if not reader.at_end:
        raise reader.wrong("something follows the item")
    return item


def _strings(inside: str) -> tuple[Item, ...]:
    """The items of a list of plain strings. Clients sign the same components again and again."""
    return _kept_strings(inside) if len(inside) <= _KEPT_CHARACTERS else _new_strings(inside)


def _new_strings(inside: str) -> tuple[Item, ...]:
    return tuple(Item(value) for value in inside[1:-1].split('" "'))


_kept_strings: Final = lru_cache(_LISTS_MOST)(_new_strings)


class _Reader:
    """A place in a text. Every method takes what it names and moves on. Errors: FieldError."""

    __slots__ = ("_most", "_position", "_text", "_unique")

    def __init__(self, text: str, *, most: int | None, unique: bool = False) -> None:
        if not text.isascii():
            raise FieldError("a structured field is ASCII")
        self._text, self._most, self._unique, self._position = text, most, unique, 0

    @property
    def at_end(self) -> bool:
        return self._position >= len(self._text)

    def wrong(self, problem: str) -> FieldError:
        return FieldError(f"{problem} at byte {self._position}")

    def require_few(self, count: int, what: str) -> None:
        if self._most is not None and count > self._most:
            raise FieldError(f"more than {self._most} {what}")

    def skip(self, what: re.Pattern[str]) -> None:
        match = what.match(self._text, self._position)
        if match is not None:
            self._position = match.end()

    def takes(self, character: str) -> bool:
        if self._text.startswith(character, self._position):
            self._position += 1
            return True
        return False

    def separator(self) -> None:
        """The comma to the next member, or the end; a comma before the end is refused."""
        self.skip(_BLANKS)
        if self.at_end:
            return
        if not self.takes(","):
            raise self.wrong("a comma is missing")
        self.skip(_BLANKS)
        if self.at_end:
            raise self.wrong("nothing follows the last comma")

    def key(self) -> str:
        return self._match(_KEY, "a key")[0]

    def member(self) -> Member:
        return self._inner_list() if self._text.startswith("(", self._position) else self.item()

    def item(self) -> Item:
        value = self._bare_item()
        return Item(value, self.parameters())

    def parameters(self) -> dict[str, BareItem]:
        found: dict[str, BareItem] = {}
        while self.takes(";"):
            self.skip(_SPACES)
            key = self.key()
            if self._unique and key in found:
                raise self.wrong(f"the parameter {key!r} comes twice")
            value = self._bare_item() if self.takes("=") else True
            found.pop(key, None)
            found[key] = value
            self.require_few(len(found), "parameters")
        return found

    def _inner_list(self) -> InnerList:
        plain = _STRINGS.match(self._text, self._position)
        if plain is not None:
            self._position = plain.end()
            self.require_few(plain[1].count(" ") + 1, "items of one list")
            return InnerList(_strings(plain[1]), self.parameters())
        self._position += 1
        items: list[Item] = []
        while True:
            self.skip(_SPACES)
            if self.takes(")"):
                return InnerList(tuple(items), self.parameters())
            items.append(self.item())
            self.require_few(len(items), "items of one list")
            if not self._text.startswith((" ", ")"), self._position):
                raise self.wrong("a space or a parenthesis is missing")

    def _bare_item(self) -> BareItem:
        first = self._text[self._position : self._position + 1]
        if first == '"':
            return self._unescaped()
        if first.isdecimal() or first == "-":
            return self._number()
        if first == ":":
            return self._byte_sequence()
        if first == "?":
            return self._boolean()
        if first == "@":
            self._position += 1
            seconds = self._number()
            if isinstance(seconds, Decimal):
                raise self.wrong("a date has no fraction")
            return Date(seconds)
        if first == "%":
            return self._display_string()
        return Token(self._match(_TOKEN, "a value")[0])

    def _unescaped(self) -> str:
        inside = self._match(_STRING, "a string")[1]
        return _ESCAPED.sub(r"\1", inside) if "\\" in inside else inside

    def _number(self) -> int | Decimal:
        match = self._match(_NUMBER, "a number")
        digits, fraction = match[1], match[2]
        if fraction is None:
            if len(digits) > 15:
                raise self.wrong("an integer has up to 15 digits")
            return int(match[0])
        if len(digits) > 12 or not 2 <= len(fraction) <= 4:
            raise self.wrong("a decimal has up to 12 digits and 1 to 3 behind the point")
        return Decimal(match[0])

    def _byte_sequence(self) -> bytes:
        encoded = self._match(_BYTES, "a byte sequence")[1]
        try:
            value = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise self.wrong("not base64") from None
        if base64.b64encode(value).decode("ascii") != encoded:
            raise self.wrong("not the canonical base64")
        return value

    def _boolean(self) -> bool:
        value = self._text[self._position : self._position + 2]
        if value not in {"?0", "?1"}:
            raise self.wrong("not a boolean")
        self._position += 2
        return value == "?1"

    def _display_string(self) -> DisplayString:
        inside = self._match(_DISPLAY, "a display string")[1]
        raw = re.sub("%([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), inside).encode("latin-1")
        try:
            return DisplayString(raw.decode("utf-8"))
        except UnicodeDecodeError:
            raise self.wrong("not UTF-8") from None

    def _match(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        match = pattern.match(self._text, self._position)
        if match is None:
            raise self.wrong(f"not {what}")
        self._position = match.end()
        return match


def serialize_dictionary(members: Mapping[str, Member]) -> str:
    """The one spelling of a dictionary. Errors: FieldError for a value that has none.

    >>> serialize_dictionary({"a": Item(True), "b": InnerList((Item("x"), Item(Token("y"))), {"n": 1})})
    'a, b=("x" y);n=1'
    """
    return ", ".join(_entry(key, member) for key, member in members.items())


def serialize_list(members: list[Member]) -> str:
    """The one spelling of a list. Errors: FieldError."""
    return ", ".join(serialize_member(member) for member in members)


def serialize_member(member: Member) -> str:
    """The one spelling of an item or an inner list. Errors: FieldError."""
    if isinstance(member, InnerList):
        inside = " ".join(serialize_member(item) for item in member.items)
        return f"({inside}){serialize_parameters(member.parameters)}"
    return serialize_bare(member.value) + serialize_parameters(member.parameters)


def serialize_bare(value: BareItem) -> str:
    r"""The one spelling of a value. Errors: FieldError for one that has none.

    >>> serialize_bare(Decimal("1.50")), serialize_bare(b"hi"), serialize_bare('say "hi"')
    ('1.5', ':aGk=:', '"say \\"hi\\""')
    """
    match value:
        case bool():
            return "?1" if value else "?0"
        case Date():
            return f"@{_integer(value)}"
        case int():
            return _integer(value)
        case Decimal():
            return _decimal(value)
        case bytes():
            return f":{base64.b64encode(value).decode('ascii')}:"
        case DisplayString():
            raw = value.encode("utf-8")
            inside = "".join(chr(byte) if 0x20 <= byte < 0x7F and byte not in b'%"' else f"%{byte:02x}" for byte in raw)
            return f'%"{inside}"'
        case Token():
            if _TOKEN.fullmatch(value) is None:
                raise FieldError("not a token")
            return str(value)
        case str():
            if not value.isascii() or not (value.isprintable() or value == ""):
                raise FieldError("a string is printable ASCII")
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _integer(value: int) -> str:
    if abs(value) > INTEGER_MOST:
        raise FieldError("an integer has up to 15 digits")
    return str(int(value))


def _decimal(value: Decimal) -> str:
    if abs(value) >= 10**12:
        raise FieldError("a decimal has up to 12 digits before the point")
    rounded = value.quantize(Decimal("0.001"))
    whole, _, fraction = f"{rounded:f}".partition(".")
    if len(whole.lstrip("-")) > 12:
        raise FieldError("a decimal rounds to more than 12 digits before the point")
    return f"{whole}.{fraction.rstrip('0') or '0'}"


def serialize_parameters(parameters: Parameters) -> str:
    """Parameters as they follow an item or a list. Errors: FieldError."""
    return "".join(
        f";{_checked_key(key)}" if value is True else f";{_checked_key(key)}={serialize_bare(value)}"
        for key, value in parameters.items()
    )


def _entry(key: str, member: Member) -> str:
    if isinstance(member, Item) and member.value is True:
        return _checked_key(key) + serialize_parameters(member.parameters)
    return f"{_checked_key(key)}={serialize_member(member)}"


def _checked_key(key: str) -> str:
    if _KEY.fullmatch(key) is None:
        raise FieldError(f"{key!r} is not a key")
    return key
