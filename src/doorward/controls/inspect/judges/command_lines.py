"""Whole texts that are a command line: a bare command behind a datum, or a line of a program that looks around."""

import re
from typing import Final

from doorward.controls.inspect.judges.command_words import BUILDING, ENGLISH, PROBES, TELLING, WORDS, takes
from doorward.controls.inspect.judges.prose import prose_words
from doorward.controls.inspect.verdict import Verdict

_DATUM: Final = re.compile(
    r"[\s\"']{0,4}(?:[0-9$%*?]{1,20}|[\w-]{0,64}[.@:/][\w@.:/+-]{1,128}|[\w.@:/+-]{0,64}[\"')\]}]{1,4})\s{0,2}",
    re.ASCII,
)
"""A number, an address, a name of a file, or whatever ends in a closing quote or parenthesis: no word of a list."""
_TRAILER: Final = re.compile(
    r"\s{0,4}(?:#[^\n]{0,64}|//[^\n]{0,64}|[;&|]{1,2}\s{0,4}(?:echo\b[^\n]{0,64})?)?[\s\"')}]{0,8}", re.ASCII
)
"""What an attacker puts behind a command to take the rest of the line out: or nothing."""
_PROBE_WORD: Final = re.compile(r"\s{0,4}(?:(?:eval|exec|command)\s{1,4})?([A-Za-z]{1,8})(?![\w.-])")
_LINE_WORD: Final = re.compile(r"\s{0,4}([A-Za-z][A-Za-z0-9_-]{1,15})(?=[\s;|&]|$)")
_STRONG_ARGUMENT: Final = re.compile(
    r"-{1,2}[A-Za-z0-9]|\+[rwx]|/|\.{1,2}(?:/|\s|$)|~|\*|https?://|[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
    r"|[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}\s{0,4}$|aux\b"
)
_NEXT_COMMAND: Final = re.compile(
    r"[^;|&\r\n]{0,128}(?:\|\||&&|[;|&])\s{0,4}([A-Za-z][A-Za-z0-9_-]{1,15})(?=[\s;|&]|$)"
)
_CMD_IF: Final = re.compile(
    r"(?:^|[&|(;])\s{0,4}if\s{1,12}(?:/i\s{1,12})?(?:not\s{1,12})?(?:(?:exist|defined"
    r"|errorlevel)\s{1,12}[\w.%!~\"*\\:/-]{1,64}\s{1,12}"
    r"|[\w%!~\"\[\]*?/]{1,32}\s{0,12}(?:equ|neq|lss|leq|gtr|geq|==)\s{0,12}[\w%!~\"\[\]*?/]{1,32}\s{1,12})"
    r"(?:@?echo|cmd|call|start|del|set|goto|if|copy|move|type|ping|powershell|exit|ren|rd|net|\(|\.\.\.)(?![\w.])",
    re.IGNORECASE,
)
_DOT: Final = re.compile(r"[;|&]\s{0,4}\.\s{1,4}[/~][\w.-]{0,64}/\S")
_WRITES: Final = re.compile(r"[\s;|&]{0,4}>{1,2}\s{0,4}/(?:etc|tmp|var|dev|home|root|usr)/\S{1,128}\s{0,4}")
_OPTION_TO_RUN: Final = re.compile(
    r"\s{0,4}-(?:o\s{0,2}ProxyCommand=|-(?:use-compress-program|checkpoint-action|to-command|upload-pack|rsh"
    r"|rsync-path|post-file"
    r"|use-askpass|proxy-command|config-env|exec|rmt-command|info-script|new-volume-script|open-files-in-pager"
    r"|gpg-program"
    r"|unix-shell|receive-pack)[= ])\s?\S",
    re.IGNORECASE,
)
_ARGUMENT: Final = re.compile(r"[^;|&`\r\n]{0,128}")
_LONGEST: Final = 256
"""Characters: a longer text is no command line that somebody tries."""
_SHAPES: Final = ((_DOT, "a file run by the shell", 75), (_CMD_IF, "a condition of cmd.exe", 75))


def judge_line(value: str) -> Verdict | None:
    """Whether the whole text is a command line of those that look around, take or destroy, or two commands in a row."""
    for pattern, reason, score in _SHAPES:
        found = pattern.search(value)
        if found is not None and prose_words(value, found.start()) < 3:
            return _verdict(reason, score)
    if _OPTION_TO_RUN.match(value):
        return _verdict("an option that runs a program", 75)
    if _WRITES.fullmatch(value):
        return _verdict("a redirection into a file of the system", 75)
    first = _LINE_WORD.match(value)
    if first is None or len(value) > _LONGEST or prose_words(value, len(value)) > 4:
        return None
    name, rest = first[1].lower(), value[first.end() :]
    if name not in WORDS or first[1][:1].isupper():
        return None
    given = _ARGUMENT.match(rest)
    arguments = given[0].strip(" \t\"'") if given is not None else ""
    if name in TELLING and arguments and _STRONG_ARGUMENT.match(arguments) and takes(name, arguments):
        return _verdict(f"a command line ({name})", 65)
    next_one = _NEXT_COMMAND.match(rest)
    if next_one is None or (arguments and not takes(name, arguments)):
        return None
    second = next_one[1].lower()
    if second in WORDS and not {name, second} & BUILDING and not {name, second} <= ENGLISH:
        return _verdict(f"two commands ({name}, {second})", 70)
    return None


def is_probe(value: str, start: int, end: int) -> bool:
    """Whether a datum, a separator and one bare command are the whole text."""
    word = _PROBE_WORD.match(value, end)
    if word is None or word[1].lower() not in PROBES or not (start == 0 or _DATUM.fullmatch(value, 0, start)):
        return False
    return _TRAILER.fullmatch(value, word.end()) is not None


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("command", reason, score)
