"""What a tag does: whether a browser that reads it runs, loads or sends something."""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from doorward.controls.inspect.judges.html_lexer import Tag, tags
from doorward.controls.inspect.judges.xss_styles import RUNNING_STYLE, misleads, runs_as_style
from doorward.controls.inspect.judges.xss_urls import holds_script_url
from doorward.controls.inspect.verdict import Verdict

Given: TypeAlias = Mapping[str, str]
"""The attributes of a tag; of one that comes twice, the last."""
_HANDLER: Final = re.compile(r"on[a-z]{3,32}")
_KNOWN_HANDLER: Final = re.compile(
    r"(?<![\w?&-])on(?:error|load|click|dblclick|contextmenu|mouse[a-z]{2,5}|pointer[a-z]{2,6}|focus(?:in)?|blur"
    r"|key(?:up|down|press)|toggle|start|begin|end"
    r"|scroll|resize|wheel|drag[a-z]{0,5}|drop|copy|cut|paste|input|change|submit|select|animation[a-z]{3,9}"
    r"|transition[a-z]{3,6})"
    r"(?:[\s\x00-\x1f/]*|[^A-Za-z0-9\s<>=]{1,40})=",
    re.IGNORECASE,
)
_HIDDEN_HOST: Final = re.compile(
    r"\s{0,8}(?:https?:)?//(?:[^/?#\s]{0,128}(?:%[0-9A-Fa-f]{2}|@)|[\w.-]{1,128}:(?![0-9]))", re.IGNORECASE
)
"""A host in percent-encoding, behind another one's name (`http://here@there`), or with a port that is none."""
_RUNNING: Final = frozenset(
    {
        "plaintext", "applet", "object", "embed", "xss", "isindex", "bgsound", "layer", "ilayer", "frameset",
        "implementation", "handler", "listener", "vmlframe", "foreignobject",
    }
)  # fmt: skip
_LOADING: Final = frozenset({"base", "frame", "comment", "import", "eval", "xml"})
"""They do harm by what they name alone."""
_SCRIPT_NAME: Final = re.compile(r"(?:no|scr|x|java|vb|svg[:-]?)?script(?![a-z]{3})|[a-z0-9:-]*[^a-z]script")
"""The script element, also where a filter that removes one leaves it (`scrscript`); no `subscription`."""
_OWN_SCRIPT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,127}\.js")
_SENTENCE: Final = re.compile(r"(?:[ ,]{1,2}[A-Za-z][a-z]{0,24}){2,400}[.!?]?\s*")
_LEADING: Final = frozenset({"href", "src", "action", "formaction", "data"})
_BINDING: Final = frozenset({"datasrc", "datafld", "ev:handler", "ev:listener"})
_HARMFUL_META: Final = ("utf-7", "script", "stylesheet")


def judge_tag(tag: Tag, text: str) -> Verdict | None:
    """The verdict on one tag of a text; None when it runs nothing."""
    if tag.is_end and not tag.attributes:
        return None
    local = _local(tag)
    for name, value in tag.attributes:
        verdict = _judge_attribute(local, name, value)
        if verdict is not None:
            return verdict
    if _KNOWN_HANDLER.search(text[tag.start : tag.end]):
        return _verdict(f"the {local[:16]} tag has an event handler", 85)
    given = dict(tag.attributes)
    if _SCRIPT_NAME.match(local):
        return _judge_script(tag, given, text)
    if local in _RUNNING or (local in _LOADING and not {"src", "href"}.isdisjoint(given)):
        return _verdict(f"the {local} tag runs or loads foreign code", 85)
    judge = _JUDGES.get(local)
    return judge(tag, given, text) if judge is not None else None


def _judge_attribute(local: str, name: str, value: str) -> Verdict | None:
    """The verdict on an attribute of the tag with this name."""
    tag = f"the {local[:16]} tag"
    if _HANDLER.fullmatch(name.rpartition(":")[2]) and value:
        return _verdict(f"{tag} has an event handler ({name[:24]})", 95)
    if name == "srcdoc":
        return _verdict(f"{tag} brings a document of its own", 90)
    if (name == "style" or local == "style") and runs_as_style(value):
        return RUNNING_STYLE
    if name == "style" and misleads(value):
        return _verdict(f"{tag} has a style that leaves its string or address", 70)
    if holds_script_url(name, value):
        return _verdict(f"{tag} has a script URL ({name})", 95)
    if name in _LEADING and _HIDDEN_HOST.match(value):
        return _verdict(f"{tag} leads to a host that is written in disguise", 70)
    if "<" in value and any(_runs(inner) for inner in tags(value)):
        return _verdict(f"{tag} holds a tag that runs", 80)
    if name in _BINDING and value:
        return _verdict(f"{tag} is bound to foreign content", 75)
    return None


def _runs(tag: Tag) -> bool:
    """Whether a tag inside an attribute would run something, once the attribute ends where nobody expected."""
    return tag.name == "script" or any(
        (_HANDLER.fullmatch(name) and value) or holds_script_url(name, value) for name, value in tag.attributes
    )


def _judge_script(tag: Tag, given: Given, text: str) -> Verdict | None:
    """Any script element runs, except the empty shell of a page template that loads its own relative file."""
    source = given.get("src", "")
    if source and tag.is_closed and _OWN_SCRIPT.fullmatch(source):
        return None
    if not tag.is_closed and not tag.attributes and text[tag.end : tag.end + 1] not in {"", "<"}:
        return None
    if not tag.attributes and _SENTENCE.fullmatch(text, tag.end + 1):
        return None  # somebody writes about the tag
    return _verdict("a script tag", 95)


def _judge_animation(tag: Tag, given: Given, _: str) -> Verdict | None:
    changed = given.get("attributename", "")
    if _HANDLER.match(changed):
        return _verdict(f"the {_local(tag)} tag sets an event handler", 95)
    if changed.lower().rpartition(":")[2] in {"href", "src"}:
        return _verdict(f"the {_local(tag)} tag changes where a link leads", 80)
    return None


def _judge_meta(_: Tag, given: Given, text: str) -> Verdict | None:
    stands_for = given.get("http-equiv", "").lower()
    if "refresh" in stands_for:
        return _verdict("the meta tag leads to another page", 85)
    if stands_for in {"set-cookie", "link", "content-type"} and any(word in text.lower() for word in _HARMFUL_META):
        return _verdict("the meta tag changes how the page is read", 80)
    return None


def _judge_link(_: Tag, given: Given, __: str) -> Verdict | None:
    relation = given.get("rel", "").lower()
    if "stylesheet" in relation or "import" in relation:
        return _verdict("the link tag loads a foreign style sheet", 70)
    return None


def _judge_style(tag: Tag, given: Given, text: str) -> Verdict | None:
    if "script" in given.get("type", "").lower():
        return _verdict("the style tag holds a script", 90)
    end = text.find("<", tag.end)
    return RUNNING_STYLE if runs_as_style(text[tag.end : end if end >= 0 else len(text)]) else None


def _judge_declaration(_: Tag, __: Given, ___: str) -> Verdict:
    return _verdict("a declaration brings foreign content", 70)


def _judge_iframe(tag: Tag, given: Given, _: str) -> Verdict | None:
    source = given.get("src", "").strip(" ").lower()
    if not tag.attributes or (source.startswith(("https://", "//")) and tag.is_closed):
        return None
    return _verdict("the iframe tag brings a foreign page", 60)


def _local(tag: Tag) -> str:
    return tag.name.rpartition(":")[2]


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("xss", reason, score)


_JUDGES: Final[Mapping[str, Callable[[Tag, Given, str], Verdict | None]]] = {
    **dict.fromkeys(("set", "animate", "animatetransform", "animatemotion", "animatecolor"), _judge_animation),
    **dict.fromkeys(("xml-stylesheet", "entity", "attlist"), _judge_declaration),
    "meta": _judge_meta,
    "link": _judge_link,
    "style": _judge_style,
    "iframe": _judge_iframe,
}
"""Elements that do harm in some cases."""
