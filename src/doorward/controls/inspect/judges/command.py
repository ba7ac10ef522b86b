r"""Shell injection: whether a shell would run a second command, if the text were put into a command line.

Threat: CWE-77, CWE-78, CWE-94. The text is read by the grammar of Unix shells and of cmd.exe: where can a command
begin, which word stands there once quoting tricks are undone (`c'a't`, `c\\at`, `${IFS}`, `{cat,x}`, `w^hoami`), and do
its arguments look like arguments. Neither a separator alone nor a word alone says anything.
"""

import re
from html.entities import html5
from typing import Final

from doorward.controls.inspect.judges.command_disguise import judge_disguise
from doorward.controls.inspect.judges.command_lines import is_probe, judge_line
from doorward.controls.inspect.judges.command_words import (
    ACTING,
    DEPLOYING,
    ENGLISH,
    INTERPRETERS,
    LEADS,
    PROBES,
    WORDS,
    takes,
)
from doorward.controls.inspect.judges.prose import is_prose, prose_words
from doorward.controls.inspect.verdict import Verdict

_SEPARATOR: Final = re.compile(
    r"(?:\|\||&&|[;|&])(?![\s\"'({\\$]{0,8}[;|&])|`|\$\(|[\r\n]+|\\[nr](?=[a-z/])|<\(|>\("
    r"|(?<![A-Za-z0-9_])\{(?=[a-z]{2,16},|,[a-z])"
)
_SPACE_TRICK: Final = re.compile(
    r"\$\{?IFS\}?(?:\$\d)?|%20|\$IFS|<>?(?=[/~.])|%0[9ad]|\\[nrt](?![A-Za-z])|\\t|\t", re.IGNORECASE
)
_QUOTING: Final = re.compile(
    r"""[\\^"']|\$[@*!]|\$\{[@*]\}|\$\d|``|[$<]\(\)|\$\?|\$[A-Za-z_]\w{0,31}|\[(?=\w\])|(?<=\[\w)\]"""
)
_LEAD: Final = re.compile(
    r"[\s+\"'(){}!\\]*(?:(?:sudo|exec|nohup|time|env|command|builtin|then|do|else|eval|busybox|start|call"
    r"|/[cCkK])\s+){0,2}@?"
)
_WORD: Final = re.compile(r"[^\s;|&<>()`]{1,128}")
_ARGUMENT: Final = re.compile(r"[^;|&`\r\n]{0,128}")
_CODE_CALL: Final = re.compile(
    r"(?:^|[;&|{(=\s\"'@.:])(?:shell_exec|[Ss]ystem|%x|passthru|popen|proc_open|pcntl_exec|exec|spawn|execSync"
    r"|spawnSync|check_output|getoutput"
    r"|Kernel\.exec|Kernel\.system|os\.system|os\.popen|subprocess\.\w{1,20}|getRuntime\(\)\.exec|ProcessBuilder"
    r"|phpinfo|backticks)"
    r"\s*\(\s*(.{0,128})",
    re.DOTALL,
)
_CODE_ARGUMENT: Final = re.compile(
    r"""[\[\s]*["'`](.{0,120})|\$_(?:GET|POST|REQUEST|COOKIE|SERVER)\b|base64_decode|\)""", re.DOTALL
)
_PHP_OPEN: Final = re.compile(r"<\?(?:php|=|\s(?!\s{0,4}(?:extends|super)\b))", re.IGNORECASE)
_PHP_CALL: Final = re.compile(
    r"\b(?:system|exec|passthru|eval|phpinfo|include|require|echo|shell_exec|assert)\b|\$_(?:GET|POST|REQUEST)",
    re.IGNORECASE,
)
_SHELLSHOCK: Final = re.compile(r"(?<![\w$])\(\)\s{0,8}\{\s{0,8}[:_\w]?[^}]{0,32}(?:\}?\s{0,8};|\}\s{0,8}>_?\[)")
_INTERPRETED: Final = re.compile(
    r"(?:^|[\s;|&`(/\\\"'])(?:(?:ba|z|k|c|tc|da|a)?sh|python[\d.]{0,4}|perl|ruby|php|node|lua|cmd(?:\.exe)?"
    r"|powershell(?:\.exe)?|pwsh|nc|ncat|netcat|mshta|rundll32|regsvr32|certutil|bitsadmin|wscript|cscript)"
    r"\s+(?:-[a-z]{0,8}[cre]\b|/c\b|/k\b|-enc|-e\b|-i\b|-nop|-exec|-lv{0,2}n?p|https?:|-urlcache|javascript:"
    r"|/transfer)",
    re.IGNORECASE,
)
_ASSIGNED: Final = re.compile(r"(?:^|[\s;|&^'\"])[A-Za-z_]{1,32}=\$\\?['\"(]")
_PROGRAM: Final = re.compile(r"[\s\"']*/(?:usr/(?:local/)?)?s?bin/[\w.-]{1,32}(?:\s|[\"';|&]|$)")
_LONE_PROGRAM: Final = re.compile(
    r"\s{0,4}/(?:usr/(?:local/)?)?s?bin/(?!(?:id|cat|ls|whoami|uname|nc|wget|curl|ping|ps|env|ifconfig|netstat|xterm"
    r"|telnet)\s{0,4}$)"
    r"[\w.-]{1,32}\s{0,4}"
)
"""Which shell somebody has, which interpreter a job runs under: a path and nothing else."""
_PROGRAM_PATH: Final = re.compile(r"(?:/(?:usr/|local/|opt/|s?bin/|tmp/|\?\?\?/)|\./|~/|[A-Za-z]:)")
_GLOBBED: Final = re.compile(r"/[\w?*]{1,8}/[\w?*]{1,8}")
_COMMAND_FIRST: Final = re.compile(r"[\s\"']*[A-Za-z]{2,12}[\s+$]")
_FIRST_WORD: Final = re.compile(r"\s*[\w./-]{2,32}\s")
_NUMERIC_ENTITY: Final = re.compile(r"&#(?:[0-9]{1,7}|[xX][0-9A-Fa-f]{1,6})\Z|&[A-Za-z]{2,31}\Z")
"""A character reference whose semicolon comes next."""
_ENTITY: Final = re.compile(r"[A-Za-z]{2,31};")
_LISTED: Final = re.compile(r"(?:^|\s)[\w-]{1,32}(?:[|;][\w-]{1,32}){1,8}[|;]\Z")
_OPTION: Final = re.compile(r"\s{0,4}\w{1,16}\s{1,4}-{1,2}\w")
_BARE_VALUE: Final = re.compile(r"[\s\"']{0,8}[\w.@:/+-]{0,64}[\s\"']{0,8}", re.ASCII)
# A whole plain word, not followed by an option, a path or a quoting trick: ruled out when no program is called so.
_PLAIN_WORD: Final = re.compile(r"\s{0,8}([A-Za-z0-9_]{1,32})(?![\w$\\'\"^`?*/.:,@{}()[\]<-]|\s{0,4}-)")
_SEPARATORS_READ: Final = 2_048
"""Separators with something that may be a command after them, in one text; each costs some 8 us to judge."""
_FORK_BOMB: Final = re.compile(r"([^\s(){}]{1,16})\(\)\s*\{\s{0,8}\1\s{0,8}[|&][^{}]{0,64}\}\s*;\s*\S")
_SPOKEN_OF: Final = re.compile(r"\s{1,4}[A-Za-z]{3,24}[\s:,.!?]")
"""After the name of a language with a capital: a sentence about it."""
_LOOP: Final = re.compile(r"\bfor\s(?:[^%\n]{0,64}\s)?%{1,2}[^\s%]{1,16}\s+in\s*\(", re.IGNORECASE)
_UNKNOWN: Final = re.compile(r"\s*[\"']?[a-z][a-z0-9_.-]{1,31}[\"']?\s+-{1,2}[a-z]")
_SENSITIVE: Final = re.compile(
    r"/etc\b|/home\b|/root\b|/proc\b|/tmp\b|/var/(?:log|www)|passwd|shadow|boot\.ini|\\SAM\b|[Cc]:(?:[\\/]|\s*$)"
    r"|%[A-Za-z]{3,24}%|\$\{?IFS"
)
_NETWORK: Final = re.compile(
    r"/dev/(?:tcp|udp)/|\|\s*(?:ba|z|k|da)?sh\b(?![\w:])|>\s*/(?:etc|var|dev/tcp|tmp|usr)/|>&\s*\d"
)


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when no shell would run anything in it.

    >>> judge("8.8.8.8; cat /etc/passwd").reason
    'a command (cat) after a separator'
    >>> judge("cats & dogs; birds"), judge("A|B"), judge("price: $(100)")
    (None, None, None)
    """
    if ";" in value and ("/" in value or "echo" in value or ">_[" in value) and _SHELLSHOCK.search(value):
        return _verdict("a shell function definition with a command after it", 95)
    if (opening := _PHP_OPEN.search(value)) is not None and _PHP_CALL.search(value, opening.end()):
        return _verdict("a PHP tag with code", 90)
    if "(" in value:
        verdict = _judge_code(value)
        if verdict is not None:
            return verdict
    if "()" in value and _FORK_BOMB.search(value):
        return _verdict("a shell function that calls itself", 90)
    if "%" in value and _LOOP.search(value):
        return _verdict("a loop of cmd.exe", 85)
    if ";$" in value and _ASSIGNED.search(value):
        return _verdict("a variable set and then run", 85)
    verdict = _judge_separators(value) or judge_disguise(value) or judge_line(value)
    if verdict is not None:
        return verdict
    match = _INTERPRETED.search(value)
    if match is not None and prose_words(value, match.start()) < 3:
        return _verdict("an interpreter with code to run", 85)
    return _judge_start(value)


def _judge_code(value: str) -> Verdict | None:
    for match in _CODE_CALL.finditer(value):
        argument = _CODE_ARGUMENT.match(match[1])
        if argument is not None and prose_words(value, match.start()) < 3:
            inner = argument[1]
            if inner is None and is_prose(value, match.start(), match.start(1)):
                continue
            if inner is None or _names_command(inner, is_strong=True):
                return _verdict("code that starts a process", 85)
    return None


def _judge_separators(value: str) -> Verdict | None:
    """Whether a command follows one of the separators."""
    lead = len(value) - len(value.lstrip(" \t\"'()\x00"))
    looked_at = 0
    for match in _SEPARATOR.finditer(value):
        word = _PLAIN_WORD.match(value, match.end())
        if word is not None and word[1].lower() not in WORDS and word[1] not in LEADS:
            continue
        looked_at += 1
        if looked_at > _SEPARATORS_READ:
            return _verdict("more command separators than may be judged", 50)
        before = prose_words(value, match.start())
        rest = value[match.end() : match.end() + 192]
        separator = match[0]
        if separator == "&" and (entity := _ENTITY.match(rest)) is not None and entity[0] in html5:
            continue
        if separator == ";" and _NUMERIC_ENTITY.search(value, max(0, match.start() - 32), match.start()):
            continue
        if separator == "`" and "`" in (value[match.start() - 1 : match.start()], rest[:1]):
            continue  # a fence of Markdown
        if separator == "`":
            closing = rest.find("`")
            if not _backtick_substitutes(value, match.start(), match.end() + closing if closing >= 0 else -1):
                continue
        starts = match.start() <= lead
        is_line_break = separator[0] in "\r\n\\"
        is_strong = (starts and not is_line_break) or separator in {"$(", "`", "<(", ">(", "{"}
        if is_line_break and not _BARE_VALUE.fullmatch(value, 0, match.start()):
            # Every line of honest text begins after a line break: only a bare value before it makes it an injection.
            continue
        if looked_at == 1 and before == 0 and is_probe(value, match.start(), match.end()):
            return _verdict("a command and nothing else after a separator", 75)
        if is_line_break and rest[:1].isupper() and prose_words(rest, 96) >= 3:
            continue
        name = _names_command(
            rest, is_strong=is_strong or (is_line_break and starts), prose_before=before, glued=separator + rest[:1]
        )
        if name in ENGLISH and not starts and _LISTED.search(value, max(0, match.start() - 160), match.end()):
            name = name if _SENSITIVE.search(rest) or _OPTION.match(rest) else ""  # `date|time|host`: heads of columns
        if name and (starts or name not in DEPLOYING):  # lines that build and deploy are pasted everywhere
            return _verdict(f"a command ({name}) after a separator", 85)
        if before == 0 and not is_line_break and separator not in {"`", "$("} and _UNKNOWN.match(rest):
            return _verdict("a program with options after a separator", 70)
        if before < 4 and _NETWORK.search(rest[:128]):
            return _verdict("a redirection to a device or shell", 85)
    return None


def _judge_start(value: str) -> Verdict | None:
    """Whether the whole text is a command line that nobody types into a form."""
    program = _PROGRAM.match(value)
    if (
        program is not None
        and len(value) < 1_024
        and prose_words(value, len(value)) < 3
        and not _LONE_PROGRAM.fullmatch(value)
    ):
        return _verdict("the path of a program", 75)
    if (
        len(value) < 256
        and prose_words(value, len(value)) < 4
        and _COMMAND_FIRST.match(value)
        and _SENSITIVE.search(value)
    ):
        name = _names_command(value, is_strong=False)
        if name:
            return _verdict(f"a command line ({name}) that reads system files", 75)
    if _NETWORK.search(value) and prose_words(value, len(value)) < 4 and _FIRST_WORD.match(value):
        return _verdict("a redirection to a device or shell", 80)
    return None


def _names_command(rest: str, *, is_strong: bool, prose_before: int = 0, glued: str = "") -> str:
    """The command that stands at the start of `rest`; empty when none does, or when it reads as prose."""
    spaced = _SPACE_TRICK.sub(" ", rest)
    lead = _LEAD.match(spaced)
    position = lead.end() if lead else 0
    word = _WORD.match(spaced, position)
    if word is None:
        return ""
    raw = word[0]
    tail = spaced[word.end() :]
    if raw.startswith("{") or glued[:1] == "{":
        first, _, arguments = raw.strip("{}").lstrip(",").partition(",")
        raw, tail = first, " " + arguments.replace(",", " ") + tail
    plain = _QUOTING.sub("", raw)
    is_disguised = plain != raw.strip("\"'") and len(plain) > 1
    has_path = "/" in plain or plain[1:3] == ":\\"
    name = plain.rstrip(")}],.:").rpartition("/")[2].lower()
    name = name.removesuffix(".exe")
    if has_path and _PROGRAM_PATH.match(plain):
        return name[:24] if prose_before < 4 and (name in WORDS or "bin/" in plain or is_strong or "?" in plain) else ""
    if has_path and "?" not in plain and "*" not in plain:
        return ""
    if "?" in plain or "*" in plain:
        return "a glob" if _GLOBBED.match(plain) else ""
    if name not in WORDS or tail.startswith("(") or (tail[:1] and plain[-1] in ".,:!?"):
        return ""  # prose, or a call in a program
    ahead = _ARGUMENT.match(tail)
    given = ahead[0] if ahead else ""
    if raw[:1].isupper() and name in INTERPRETERS and _SPOKEN_OF.match(given):
        return ""
    has_evidence = not given.startswith(" (") and takes(name, given.strip(" \t\"'()"))
    follows = tail[len(given) : len(given) + 2]
    is_bare = not given.strip(" \t\"')};")
    if is_strong and name not in ENGLISH and prose_before == 0 and (glued or is_bare):
        return name
    if is_strong and prose_before == 0 and glued[:2] in {"<(", ">("}:
        return name
    if (
        is_strong
        and glued[:1] in {";", "|", "&", "$", "`"}
        and not is_bare
        and prose_before == 0
        and _is_short(name, given)
    ):
        return name
    if has_evidence:
        return (
            name
            if prose_before < 6
            or name in INTERPRETERS
            or (not raw[:1].isupper() and prose_before < 8 and glued[:1] != "\n")
            else ""
        )
    if is_disguised and is_bare:
        return name
    if prose_before >= 3:
        return ""
    if is_bare:
        if name not in ENGLISH:
            return name if is_strong or prose_before == 0 or follows else ""
        if glued[:1] == "`" and name not in PROBES:
            return ""  # a span of code
        return name if is_strong and (glued[:1] in {";", "&"} or glued[1:2] not in {" ", ""} or not glued) else ""
    return ""


def _is_short(name: str, given: str) -> bool:
    """Whether a program that needs no more is called with one or two bare words (`;echo abc`, `|mv a b`)."""
    return name in ACTING and len(given.split()) <= 2 and given[:1] in {" ", "\t"} and given.strip(" \t\"')}").isascii()


def _backtick_substitutes(value: str, opening: int, closing: int) -> bool:
    """Whether a back quote opens a substitution rather than a span of code in running text."""
    if closing < 0:
        return False
    before, after = value[max(0, opening - 64) : opening], value[closing + 1 : closing + 65]
    if opening < 64 and closing + 65 > len(value) and not before.strip(" \t\"'") and not after.strip(" \t\"'"):
        return True
    return before.endswith("$(") or (before != "" and before[-1] not in " \n\t([{*_>:\"'`" and not before[-1].isspace())


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("command", reason, score)
