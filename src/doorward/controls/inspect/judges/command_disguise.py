"""Words of a shell in disguise: substitutions that come to nothing, slices of variables, values run later."""

import re
from typing import Final

from doorward.controls.inspect.judges.command_words import WORDS
from doorward.controls.inspect.judges.prose import prose_words
from doorward.controls.inspect.verdict import Verdict

_SPLIT: Final = re.compile(
    r"(?:^|[\s;|&(/])(\w{0,12}(?:(?:\$\((?:echo)?\s?\w{0,4}\)|<\(\)|(?<=\w)`(?:echo\s)?\w{0,4}`(?=\w)|\$@|\$\*"
    r"|\$\{\w{0,8}\}|\$[a-z_0-9]\b|\$_\b|(?<=\w)\\{1,3}(?=\w)"
    r"|(?<=\w)(?:''|\"\")(?=\w)|\^(?=\w))\w{0,12}){1,12})",
)
"""A word of a shell with something in it that comes to nothing."""
_NOTHING: Final = re.compile(
    r"\$\((?:echo)?\s?(\w{0,4})\)|<\(\)|`(?:echo\s)?(\w{0,4})`|\$@|\$\*|\$\{\w{0,8}\}|\$[a-z_0-9]\b|\$_\b|\\|''|\"\"|\^"
)
_SET_AND_RUN: Final = re.compile(
    r"(?:^|[\s;|&'\"])([A-Za-z_]\w{0,16})=[^;&\s]{0,64}(?:;|&&)(?:\$\{?\1(?!\w)|[^\n]{0,64}?[\w;&|\s]\$\{?\1(?!\w))"
)
_OWN_SHELL: Final = re.compile(
    r"(?:^|[;|&`(])\s{0,4}[\"']?(?:\$\{?(?:SHELL|BASH|0)\}?|%comspec%)[\"']?\s{1,4}[-/][cCkK]\b|\b(?:echo"
    r"|printf)\s[^|\n]{1,128}\|\s{0,4}\$\{?"
    r"(?:0|SHELL|BASH)\}?\s{0,4}(?:$|[;|&])",
    re.IGNORECASE,
)
_SLICED: Final = re.compile(r"(?:^|[;|&`(\s])\$\{\w{1,32}:[0-9]{1,3}:[0-9]{1,3}\}\w")
_SUBSTITUTED: Final = re.compile(r"(?:`([A-Za-z]{2,12})`|\$\(([A-Za-z]{2,12})\))[.\w/-]{0,32}")
_LONGEST: Final = 4_096
"""Characters: a longer text is no command line."""
_SHAPES: Final = (
    (_OWN_SHELL, "the shell itself, called by its variable", 85),
    (_SLICED, "a word cut out of a variable", 75),
)


def judge_disguise(value: str) -> Verdict | None:
    """Whether a word becomes a command once what a shell drops is taken out of it (`who$()ami`, `w^hoami`)."""
    if "$" in value and _SET_AND_RUN.search(value):
        return _verdict("a variable set and then run", 85)
    for pattern, reason, score in _SHAPES:
        found = pattern.search(value)
        if found is not None and prose_words(value, found.start()) < 3:
            return _verdict(reason, score)
    glued = _SUBSTITUTED.fullmatch(value)
    if glued is not None and (glued[1] or glued[2]).lower() in WORDS and not value.endswith("`"):
        return _verdict("a command whose result becomes a part of the text", 80)
    if len(value) > _LONGEST or not any(sign in value for sign in ("$", "`", "^", "<(", "\\", "''", '""')):
        return None
    for match in _SPLIT.finditer(value):
        if prose_words(value, match.start(1)) >= 3:
            continue
        plain = _NOTHING.sub(r"\1\2", match[1]).lower()
        if plain in WORDS and plain != match[1].lower():
            return _verdict(f"a command ({plain}) in disguise", 85)
    return None


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("command", reason, score)
