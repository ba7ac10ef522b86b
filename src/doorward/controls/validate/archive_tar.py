"""Tar archives, read so strictly that no two readers could see different entries.

Source: POSIX.1-2017 pax, section "ustar Interchange Format"; GNU tar manual, "Basic Tar Format"; catalogue row B15
(RUSTSEC-2026-0068: a pax size that only some readers follow). Sparse files, multi-volume archives, sizes in binary and
names told twice are refused, and so are devices and pipes.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from doorward.controls.validate.archive_names import Kind, Tree, refused
from doorward.controls.validate.inflate import Budget

_BLOCK: Final = 512
_OCTAL: Final = re.compile(rb"[ ]{0,12}([0-7]{1,12})[ \0]{0,12}")
_OTHER_NUMBERS: Final = ((100, 108), (108, 116), (116, 124), (136, 148), (329, 337), (337, 345))
"""Mode, owner, group, time, device: of no account here, but some readers stop at one they cannot read."""
_NUMBER_OR_NONE: Final = re.compile(rb"[ ]{0,12}[0-7]{0,12}[ \0]{0,12}|[\x80\xff].{7,11}", re.DOTALL)
_LONG_BYTES: Final = 64 << 10
"""Longest header of a pax or GNU kind, in bytes."""
_PAX_LENGTH: Final = re.compile(rb"([1-9][0-9]{0,5}) ")
_PAX_NAMES: Final = (b"path", b"linkpath", b"size")
_PAX_REFUSED: Final = (b"GNU.sparse.", b"hdrcharset", b"SCHILY.realsize")
_KINDS: Final[dict[int, Kind]] = {
    0: "file", ord("0"): "file", ord("1"): "hard link", ord("2"): "symbolic link", ord("5"): "directory"
}  # fmt: skip


class TarEntry(NamedTuple):
    """One entry."""

    name: str
    """Plain and relative; empty for the root of the tree."""
    kind: Kind
    data: bytes


def is_tar(data: bytes) -> bool:
    """Whether readers would take it for a tar archive."""
    return data[257:262] == b"ustar"


def tar_entries(data: bytes, budget: Budget) -> Iterator[TarEntry]:
    """The entries in order. Errors: Denied `validate.archive`."""
    tree = Tree()
    told: dict[bytes, bytes] = {}
    at = 0
    while True:
        header = data[at : at + _BLOCK]
        if len(header) < _BLOCK:
            raise refused("the archive is cut")
        if header.count(0) == _BLOCK:
            break
        _check_sum(header)
        size = _number(header[124:136])
        content_at = at + _BLOCK
        at = content_at + -(-size // _BLOCK) * _BLOCK
        if at > len(data):
            raise refused("an entry is cut")
        budget.take_entry()
        kind = header[156]
        if kind in b"xgLK":
            _tell(told, kind, data[content_at : content_at + size])
            continue
        yield _entry(header, data[content_at : content_at + size], told, tree)
        told.clear()
    if told or data.count(0, at) != len(data) - at:
        raise refused("something lies behind the end of the archive")
    tree.close()


def _check_sum(header: bytes) -> None:
    if not header.startswith(b"ustar", 257):
        raise refused("a header is not in the ustar format")
    # The checksum is made over the header with blanks in its own place.
    if _number(header[148:156]) != sum(header) - sum(header[148:156]) + 8 * 0x20:
        raise refused("a header does not have its checksum")
    if not all(_NUMBER_OR_NONE.fullmatch(header[start:end]) for start, end in _OTHER_NUMBERS):
        raise refused("a header has a malformed number")


def _number(field: bytes) -> int:
    octal = _OCTAL.fullmatch(field)
    if octal is None:
        raise refused("a header has a malformed number")
    return int(octal[1], 8)


def _tell(told: dict[bytes, bytes], kind: int, content: bytes) -> None:
    """Take what a header says about the next entry, or about all that follow."""
    if len(content) > _LONG_BYTES:
        raise refused("a header is very long")
    if kind in b"LK":
        key = b"path" if kind == ord("L") else b"linkpath"
        name, end, rest = content.partition(b"\0")
        if key in told or not end or rest.strip(b"\0"):
            raise refused("an entry has two names")
        told[key] = name
        return
    for key, value in _pax_records(content):
        if key.startswith(_PAX_REFUSED) or (kind == ord("g") and key in _PAX_NAMES):
            raise refused("a header changes how entries are read")
        if key in _PAX_NAMES:
            if key in told:
                raise refused("an entry has two names")
            told[key] = value


def _pax_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(content):
        length = _PAX_LENGTH.match(content, at)
        end = at + int(length[1]) if length else 0
        if length is None or end > len(content) or content[end - 1 : end] != b"\n" or end <= length.end():
            raise refused("a header is malformed")
        key, joint, value = content[length.end() : end - 1].partition(b"=")
        if not key or not joint:
            raise refused("a header is malformed")
        yield key, value
        at = end


def _entry(header: bytes, content: bytes, told: dict[bytes, bytes], tree: Tree) -> TarEntry:
    kind = _KINDS.get(header[156])
    if kind is None:
        raise refused("an entry is a device, a pipe, or of a kind that is not opened")
    if told.get(b"size", b"%d" % len(content)) != b"%d" % len(content):
        raise refused("an entry has two sizes")
    if content and kind != "file":
        raise refused("a link or a directory has content")
    name = told[b"path"] if b"path" in told else _ustar_name(header)
    if kind == "file" and name.endswith(b"/"):
        raise refused("an entry is two things at once")
    target = b""
    if kind in {"hard link", "symbolic link"}:
        target = told[b"linkpath"] if b"linkpath" in told else _text(header[157:257])
    return TarEntry(tree.add(name, kind, target), kind, content)


def _ustar_name(header: bytes) -> bytes:
    name = _text(header[:100])
    # In the GNU format times stand where the POSIX one has the front of the name.
    prefix = _text(header[345:500]) if header.startswith(b"ustar\0", 257) else b""
    return prefix + b"/" + name if prefix else name


def _text(field: bytes) -> bytes:
    text, _, rest = field.partition(b"\0")
    if rest.strip(b"\0"):
        raise refused("a name goes on behind its end")
    return text
