"""What a field is said to hold (`x-doorward: {contains: markdown}`), and how the judges take it.

A field of prose with code in it, of HTML, of SQL or of program text shifts the judges: what does harm even there is
still looked for.
"""

import html
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from doorward.controls.inspect.judges import sql_query, sql_readings
from doorward.controls.inspect.judges.html_lexer import tags
from doorward.controls.inspect.markdown import outside_code, targets
from doorward.controls.inspect.verdict import THREATS, Judge, Threat, Verdict

KEY: Final = "x-doorward"
_ALL: Final = frozenset(THREATS)
_MARKUP: Final = frozenset[Threat]({"xss"})
_IN_SOURCE: Final = frozenset[Threat]({"xss", "template", "code", "ssi", "xxe", "traversal"})
"""What is judged of HTML as it is written: engines evaluate templates and directives wherever they stand."""
_IN_TEXTS: Final[Mapping[str, frozenset[Threat]]] = {
    "text": _ALL - _MARKUP,
    "style": _ALL - _MARKUP - frozenset[Threat]({"command", "nosql"}),
    "url": _ALL - _MARKUP - frozenset[Threat]({"traversal"}),
}
"""What is judged of a text of HTML by itself: a style's semicolons end a statement to a shell and to JavaScript, and
relative URLs climb out of their directory."""
_URLS: Final = frozenset(
    {"href", "src", "srcset", "action", "formaction", "poster", "cite", "background", "data", "longdesc", "xlink:href"}
)
_URL_IN_STYLE: Final = re.compile(r"url\(\s{0,16}['\"]?([^'\")\s]{1,2048})", re.IGNORECASE)
_LINKS: Final = frozenset[Threat]({"xss", "ssrf"})
"""What is judged of the target of a link by itself."""
_LANGUAGES: Final = frozenset[Threat](
    {"sql", "command", "nosql", "ldap", "xpath", "template", "ssi", "code", "prototype", "crlf", "traversal", "xxe"}
)


class OwnJudge(NamedTuple):
    """A judge of one kind of text."""

    judge: Judge
    cost: Callable[[str], int]
    """What judging a text takes, in characters judged."""


class Contents(NamedTuple):
    """How the judges take a field."""

    threats: frozenset[Threat] = _ALL
    """The classes that are judged."""
    own_judges: Mapping[Threat, OwnJudge] = {}
    """Judges of classes that are not in `threats`; they take the text as it came."""
    kind: str = ""
    is_secret: bool = False
    """The record keeps nothing of the text, not even its shape."""

    weak: Callable[[Verdict, str], bool] | None = None
    """Which verdicts on a text of this field do not count."""
    rest: Callable[[str], str] | None = None
    """What remains of a text that is refused; only what is refused of it too counts. Not asked about harmless texts."""

    def parts(self, text: str) -> Iterator[tuple[str, frozenset[Threat]]]:
        """What is judged of the text, and the classes that judge it."""
        if self.kind == "markdown":
            yield text, self.threats
            for target in targets(text):
                yield target, _LINKS
        elif self.kind == "html":
            yield text, _IN_SOURCE
            for kind, shown in texts_of_html(text):
                yield shown, _IN_TEXTS[kind]
        else:
            yield text, self.threats


ANY: Final = Contents()
_LEAST_SCORE: Final = {"ldap": 80, "nosql": 0}
"""Passwords do reach directories and document stores: these judges are believed sooner than all others (90). Below
80 is a wildcard alone, which counts where it stands first."""
_LOGIN: Final = re.compile(
    r"""[\w.@+-]{0,64}['"][\s)]{0,4}
        (?: (?:--|\#|/\*)[\s-]{0,8}                              # admin'--
          | (?:or|and|\|\||&&)\b.*                               # ' or true--
          | [=^*<>&|+-]{1,3}\s{0,4}(?:['"]|[0-9]{1,4}).{0,4} )   # '='
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def _is_weak_in_password(verdict: Verdict, text: str) -> bool:
    if verdict.score >= _LEAST_SCORE.get(verdict.threat, 90):
        return False
    if verdict.threat == "ldap":
        return not text.startswith("*)")
    return verdict.threat != "sql" or _LOGIN.fullmatch(text) is None


SECRET: Final = Contents(kind="secret", is_secret=True)
"""Judged as any text: what might be a password, where the description does not decide it or nobody enforces it."""
PASSWORD: Final = Contents(kind="password", is_secret=True, weak=_is_weak_in_password)
"""`format: password`. Of 200,000 random passwords (8 to 32 letters, digits and punctuation) 1,846 look like an attack,
56 are refused (measured). Mostly a password is hashed and not interpreted."""
KINDS: Final[Mapping[str, Contents]] = {
    "markdown": Contents(kind="markdown", rest=outside_code),
    "html": Contents(kind="html"),
    "sql": Contents(
        kind="sql",
        threats=_ALL - frozenset[Threat]({"sql", "command", "nosql", "ldap", "xpath", "code", "prototype"}),
        own_judges={"sql": OwnJudge(sql_query.judge, sql_readings.cost)},
    ),
    "code": Contents(kind="code", threats=_ALL - _LANGUAGES - _MARKUP),
}
"""The words that may be written, each with its meaning."""


def contents_of(schema: Mapping[str, Any]) -> Contents:
    """What a resolved schema says of its text."""
    extension = schema.get(KEY)
    if isinstance(extension, dict) and isinstance(extension.get("contains"), str):
        return KINDS.get(extension["contains"], ANY)
    return PASSWORD if is_password(schema) else ANY


def is_password(schema: Mapping[str, Any]) -> bool:
    """Whether a resolved schema is one of a password."""
    return schema.get("format") == "password"


def texts_of_html(text: str) -> Iterator[tuple[str, str]]:
    """What HTML says, text by text (`text`, `style` or `url`), references resolved.

    The text it shows, with comments; the names of each tag's attributes; each value of an attribute by itself.

    >>> [*texts_of_html('<p title="{{7*7}}" style="a:url(b)">x &lt; y</p>')]
    [('text', 'title style'), ('text', '{{7*7}}'), ('style', 'a:url(b)'), ('url', 'b'), ('text', ' x < y ')]
    """
    kept: list[str] = []
    position = 0
    for tag in tags(text):
        kept += [text[position : tag.start], " "]
        if tag.attributes:
            yield "text", " ".join(name for name, _ in tag.attributes)
        for name, value in tag.attributes:
            if value:
                yield from _texts_of_attribute(name, html.unescape(value))
        position = tag.end + 1 if tag.is_closed else tag.end
    kept.append(text[position:])
    yield "text", html.unescape("".join(kept))


def _texts_of_attribute(name: str, value: str) -> Iterator[tuple[str, str]]:
    if name != "style":
        yield "url" if name in _URLS else "text", value
        return
    yield "style", value
    for url in _URL_IN_STYLE.finditer(value):
        yield "url", url[1]
