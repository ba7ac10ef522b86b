"""Who judges which class, and every reading of a text that they are asked about."""

from collections.abc import Iterator
from typing import Final

from doorward.controls.inspect.judges import (
    code,
    command,
    crlf,
    deserialization,
    ldap,
    nosql,
    prototype,
    sql,
    ssi,
    ssrf,
    template,
    traversal,
    xpath,
    xss,
    xxe,
)
from doorward.controls.inspect.normalise import base64_reading, markup_reading, path_reading, readings
from doorward.controls.inspect.prefilter import Prefilter, text_prefilter
from doorward.controls.inspect.prefilter_patterns import BIT, DECODE
from doorward.controls.inspect.verdict import THREATS, Judge, Threat, Verdict

JUDGES: Final[dict[Threat, Judge]] = {
    "sql": sql.judge,
    "xss": xss.judge,
    "command": command.judge,
    "traversal": traversal.judge,
    "nosql": nosql.judge,
    "ldap": ldap.judge,
    "xpath": xpath.judge,
    "template": template.judge,
    "ssrf": ssrf.judge,
    "xxe": xxe.judge,
    "crlf": crlf.judge,
    "prototype": prototype.judge,
    "deserialization": deserialization.judge,
    "ssi": ssi.judge,
    "code": code.judge,
}
"""Who judges which class."""
_MARKUP: Final = BIT["xss"] | BIT["ssi"] | BIT["xxe"]
"""The classes that what reads markup may be led to."""


def forms(text: str, bits: int, prefilter: Prefilter) -> Iterator[tuple[str, int]]:
    """Every reading of a text, and what it resolves to for some classes, with the prefilter's bits of each.

    `bits`: of the text itself. Look-alikes of slashes and quotes are folded as databases and file systems do; character
    references are resolved for markup alone. Base64 is decoded whatever the bits: nothing in it looks like an attack.
    """
    for reading in readings(text) if bits else (text,):
        if reading is not text:
            bits = prefilter.bits(reading.encode("utf-8", "replace"))
        if bits:
            yield reading, bits
        if bits & DECODE:
            folded = path_reading(reading)
            if folded != reading:
                yield folded, prefilter.bits(folded.encode("utf-8", "replace"))
            resolved = markup_reading(reading)
            if resolved is not None:
                yield resolved, prefilter.bits(resolved.encode("utf-8", "replace")) & _MARKUP
        hidden = base64_reading(reading)
        if hidden is not None:
            yield hidden, prefilter.bits(hidden.encode("utf-8", "replace"))


def judge_text(text: str) -> Verdict | None:
    """The first verdict on a text by any class, as the gateway would find it; None when it passes."""
    prefilter = text_prefilter()
    for form, bits in forms(text, prefilter.bits(text.encode("utf-8", "replace")), prefilter):
        for threat in THREATS:
            if bits & BIT[threat] and (verdict := JUDGES[threat](form)) is not None:
                return verdict
    return None


def warm() -> None:
    """Compile what is compiled on first use: for who is about to serve. Whoever only checks a policy need not wait."""
    text_prefilter()
    code.constructs()
