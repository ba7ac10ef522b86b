"""Targets: the lexers and judges of inspect, and what writes hostile text into records and answers."""

from itertools import pairwise
from typing import Final

from tests.fuzz.target import Target
from tests.fuzz.values import JSON_WORDS

from doorward.controls.audit.sanitise import FIELD_BYTES, clean, clean_bytes, was_cut
from doorward.controls.inspect.judges.html_lexer import tags
from doorward.controls.inspect.judges.script_lexer import ends_neutral, is_single_call, runs_code
from doorward.controls.inspect.judges.sql_lexer import breakout, tokens
from doorward.controls.inspect.judging import JUDGES
from doorward.controls.inspect.normalise import markup_reading, path_reading, readings
from doorward.controls.inspect.prefilter import text_prefilter
from doorward.controls.inspect.prefilter_patterns import BIT
from doorward.controls.minimise.texts import CARDS, INTERNALS, REPLACEMENT, Cleaning

READINGS: Final = 10
"""Most readings of one text: itself, three percent-decodings, blanks, escapes, UTF-7, full width; and two to spare."""


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def normalise(data: bytes) -> None:
    """A text has few readings, the first of them itself, and none much longer.

    Four times its bytes: each of two wrong decodings may take every byte of a two-byte character for one.
    """
    text = _text(data)
    found = [*readings(text)]
    assert found[0] == text
    assert len(found) <= READINGS
    assert all(len(reading) <= 4 * len(text.encode()) for reading in found)
    assert all(one != other for one, other in pairwise(found))
    markup = markup_reading(text)
    assert markup is None or markup != text
    assert len(path_reading(text)) == len(text)


def sql_lexer(data: bytes) -> None:
    """Tokens are no more than characters, hold no more than the text, and a way out of a quote is one in the text."""
    text = _text(data)
    found = tokens(text)
    assert len(found) <= len(text)
    assert sum(len(token.text) for token in found) <= 3 * len(text)
    for quote in "'\"`":
        index = breakout(text, quote)
        assert index == -1 or text[index - 1] == quote


def html_lexer(data: bytes) -> None:
    """Tags stand one behind the other in the text, and say of it what is there."""
    text = _text(data)
    end = 0
    for tag in tags(text):
        assert end <= tag.start < tag.end <= len(text)
        assert text[tag.start] == "<"
        assert not tag.is_closed or text[tag.end] == ">"
        assert sum(len(name) + len(value) for name, value in tag.attributes) <= 3 * (tag.end - tag.start)
        end = tag.end


def script_lexer(data: bytes) -> None:
    """The three questions about script have an answer for every text, and a single call runs code."""
    text = _text(data)
    assert {runs_code(text), ends_neutral(text), is_single_call(text)} <= {True, False}


def judges(data: bytes) -> None:
    """Every judge has a word on every reading, and what it refuses the prefilter had shown to it."""
    for reading in readings(_text(data)):
        bits = text_prefilter().bits(reading.encode("utf-8", "replace"))
        for threat, judge in JUDGES.items():
            verdict = judge(reading)
            if verdict is not None:
                assert verdict.threat == threat
                assert 0 < verdict.score <= 100
                assert bits & BIT[threat], f"{threat} is not shown {reading!r}"


def sanitise(data: bytes) -> None:
    """What is cleaned is printable, short, and the same however often; two texts are never written alike."""
    text = data.decode("utf-8", "surrogateescape")
    found = clean_bytes(data)
    assert found == clean(text)
    assert found.isprintable()
    assert len(found.encode()) <= FIELD_BYTES + 128
    if not was_cut(found):
        assert _uncleaned(found) == text


def _uncleaned(text: str) -> str:
    made: list[str] = []
    index = 0
    while index < len(text):
        character = text[index]
        if character != "\\":
            made.append(character)
            index += 1
            continue
        kind = text[index + 1]
        width = {"x": 2, "u": 4, "U": 8, "\\": 0}[kind]
        code = int(text[index + 2 : index + 2 + width], 16) if width else 0x5C
        made.append(chr(code if kind != "x" or code < 0x80 else 0xDC00 + code))
        index += 2 + width
    return "".join(made)


def internals(data: bytes) -> None:
    """What was cleaned has no card number and nothing internal left, and is otherwise as it was."""
    text = _text(data)
    cleaning, kinds = Cleaning(CARDS | INTERNALS), CARDS | INTERNALS
    once = cleaning.cleaner(kinds).clean(text)
    assert cleaning.cleaner(kinds).clean(once) == once
    assert once in {text, REPLACEMENT} or len(once) == len(text)


_SQL_WORDS: Final = (
    *(
        b"'",
        b'"',
        b"`",
        b" or ",
        b"1=1",
        b"--",
        b"#",
        b"/*",
        b"*/",
        b"/*!50000",
        b";",
        b"union",
        b" select ",
        b" from ",
    ),
    *(b"(", b")", b"||", b"@@", b"0x", b"1.e", b"null", b",", b"\\", b"case when", b"sleep(", b"drop table a", b" "),
)
_MARKUP_WORDS: Final = (
    *(
        b"<",
        b">",
        b"<script>",
        b"</",
        b"<svg/",
        b"onload=",
        b"alert(1)",
        b"javascript:",
        b"&lt;",
        b"&#x3c;",
        b"\x00",
        b'"',
    ),
    *(
        b"'",
        b"=",
        b"/",
        b"<!--",
        b"style=",
        b"expression(",
        b"document.cookie",
        b"`",
        b"href",
        b"<a ",
        b"data:",
        b"\\u003c",
    ),
)
_SHELL_WORDS: Final = (
    *(
        b";",
        b"|",
        b"&&",
        b"$(",
        b"`",
        b"cat ",
        b"/etc/passwd",
        b"\n",
        b"${IFS}",
        b"() { ",
        b"system(",
        b"<?php",
        b"wget ",
    ),
    *(
        b"../",
        b"..\\",
        b"%2e%2e%2f",
        b"%252e",
        b"%u002e",
        b"%c0%ae",
        b"..;/",
        b"file://",
        b".env",
        b"C:\\",
        b"\xef\xbc\x8e",
    ),
)
_DECODE_WORDS: Final = (
    b"%25",
    b"%",
    b"%u0041",
    b"\\u0041",
    b"\\x41",
    b"+ADw-",
    b"+",
    b"\xef\xbc\x9c",
    b"%c0%ae",
    b"&amp;",
    b"%fc%80",
)
_ENGINE_WORDS: Final = (
    *(
        b"{{",
        b"}}",
        b"${",
        b"}",
        b"#{",
        b"<%",
        b"%>",
        b"{%",
        b"7*7",
        b".__class__",
        b"T(java.lang",
        b"jndi:",
        b"|attr(",
    ),
    *(
        b'{"$ne":',
        b"[$gt]",
        b"this.a.match(",
        b"return true",
        b")(",
        b"*)",
        b"(&(",
        b"cn=",
        b"child::",
        b"count(/",
        b"//*",
    ),
    *(
        b"http://",
        b"127.1",
        b"[::1]",
        b"@",
        b"gopher://",
        b"<!DOCTYPE a [",
        b"<!ENTITY x SYSTEM",
        b"<![CDATA[",
        b"xsl:",
        b"%0d%0a",
    ),
    *(
        b"\r\nSet-Cookie:",
        b"__proto__",
        b"constructor.prototype",
        b"rO0AB",
        b'O:1:"a":0:{',
        b"!!python/",
        b"<!--#exec",
        b"<esi:",
    ),
    *(
        b"$_GET[",
        b"eval(",
        b"phpinfo();",
        b"require('fs')",
        b"os.popen(",
        b"getRuntime().exec",
        b"@{[",
        b"%x(",
        b"while(1)",
        b"words here ",
    ),
)
_ALL_WORDS: Final = _ENGINE_WORDS + _SQL_WORDS + _MARKUP_WORDS + _SHELL_WORDS + _DECODE_WORDS

TARGETS: Final[dict[str, Target]] = {
    "normalise": Target(normalise, _DECODE_WORDS + _SHELL_WORDS),
    "sql_lexer": Target(sql_lexer, _SQL_WORDS),
    "html_lexer": Target(html_lexer, _MARKUP_WORDS),
    "script_lexer": Target(script_lexer, _MARKUP_WORDS),
    "judges": Target(judges, _ALL_WORDS, max_bytes=512),
    "sanitise": Target(
        sanitise, (b"\\", b"\x1b", b"\r\n", b"\xe2\x80\xae", b"\xff", b"\xf0\x9f\x98\x80", b"a" * 256, *JSON_WORDS)
    ),
    "internals": Target(
        internals, (b"4111", b"-", b" ", b"4111111111111111", b"Traceback (most recent call last)", b"ORA-01234")
    ),
}
