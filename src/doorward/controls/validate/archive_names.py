"""Where the entries of one archive would lie: each within the archive's own tree, each in a place of its own.

Source: CWE-22 (zip slip), CWE-59 (links), CVE-2007-4559 (tarfile), CVE-2025-4517; catalogue row B15. Names are
compared as the least careful file system does: without case, in one Unicode form, without blanks and dots at the end.
"""

import re
import unicodedata
from typing import Final, Literal, TypeAlias

from doorward.denial import Denied

Kind: TypeAlias = Literal["file", "directory", "symbolic link", "hard link"]
"""What an entry is once it is unpacked."""
_COMPONENT: Final = re.compile(r"[^\\:/\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]{1,255}")
_NAME_BYTES: Final = 1_024
_COMPONENTS: Final = 64


class Tree:
    """The places that the entries seen so far take."""

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        self._kinds: dict[str, Kind] = {}

    def add(self, raw: bytes, kind: Kind, target: bytes = b"") -> str:
        """The entry's name, once it is known to lie within. `target`: of a link. Errors: Denied `validate.archive`."""
        parts = _parts(raw, kind)
        if not parts:
            return ""
        key = _key(parts)
        known = self._kinds.get(key)
        if known is not None and not (known == kind == "directory"):
            raise refused("two entries have one name")
        if kind == "hard link":
            # A second name of what is in the archive already: of a file, and of no link, which may lead elsewhere.
            if self._kinds.get(_key(_parts(target, kind))) != "file":
                raise refused("a hard link leads to something that is no earlier file of the archive")
        elif kind == "symbolic link":
            _require_within(target, len(parts) - 1)
        self._kinds[key] = kind
        return "/".join(parts)

    def close(self) -> None:
        """Nothing, when no entry lies below one that is no directory. Errors: Denied `validate.archive`.

        An entry below a link would be written wherever the link leads.
        """
        kinds = self._kinds
        for key in kinds:
            end = key.rfind("/")
            while end > 0:
                if kinds.get(key[:end], "directory") != "directory":
                    raise refused("an entry lies below a file or a link")
                end = key.rfind("/", 0, end)


def component_problem(name: str) -> str:
    """Why a name is no plain name of one file; empty when it is.

    >>> component_problem("a.txt"), component_problem("..")
    ('', 'a name climbs or is nothing')
    """
    if not _COMPONENT.fullmatch(name):
        return "a name has a separator, a drive, a control sign, or is too long"
    # Some systems drop blanks and dots at the end: `.. ` is `..` there.
    return "" if name.rstrip(" .") else "a name climbs or is nothing"


def refused(reason: str) -> Denied:
    """The denial of an archive. The reason holds nothing that the client sent."""
    return Denied("validate.archive", reason)


def decoded(raw: bytes) -> str:
    """The text of a name: UTF-8, or else the code page that old ZIP files use, which spells ASCII as ASCII."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _parts(raw: bytes, kind: Kind) -> list[str]:
    if not raw or len(raw) > _NAME_BYTES:
        raise refused("an entry has no name, or a very long one")
    text = decoded(raw)
    if text.startswith("/"):
        raise refused("a name is absolute")
    while text.startswith("./"):
        text = text[2:]
    if kind == "directory":
        text = text.removesuffix("/")
        if text in {"", "."}:
            return []
    parts = text.split("/", _COMPONENTS)
    if len(parts) > _COMPONENTS:
        raise refused("a name has too many parts")
    for part in parts:
        if problem := component_problem(part):
            raise refused(problem)
    return parts


def _key(parts: list[str]) -> str:
    return "/".join(unicodedata.normalize("NFC", part.rstrip(" .")).casefold() for part in parts)


def _require_within(target: bytes, depth: int) -> None:
    """Nothing, when a symbolic link in a directory so deep leads to a place in the tree.

    Steps up come first: behind the name of another link they would count from wherever that one leads.
    """
    if not target or len(target) > _NAME_BYTES:
        raise refused("a link leads nowhere, or has a very long target")
    climbed, descends = 0, False
    for part in decoded(target).removesuffix("/").split("/"):
        if part == ".":
            continue
        if part == "..":
            climbed += 1
            if descends or climbed > depth:
                raise refused("a link leads out of the archive")
        elif component_problem(part):
            raise refused("a link leads out of the archive")
        else:
            descends = True
