"""ZIP archives, read so strictly that no two readers could see different entries.

Source: PKWARE APPNOTE 6.3.10; catalogue row B15. Some readers go by the central directory, others by the local headers
in front of each entry, others by what lies at the end: taken is only what is the same for all. Records cover the file
without gap or overlap (bombs of one kernel, and content that only some see, need either); both headers agree; there is
one end record; nothing is encrypted, split, or in ZIP64, which no upload is large enough for (a local header may tell
its sizes that way too, if they are the same).
"""

import stat
import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from doorward.controls.validate.archive_names import Kind, Tree, refused
from doorward.controls.validate.inflate import Budget

_END: Final = struct.Struct("<4sHHHHIIH")
_CENTRAL: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")
_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
_END_SIGN: Final = b"PK\x05\x06"
_HEADS: Final = (b"PK\x03\x04", _END_SIGN)
_COMMENT_BYTES: Final = 65_535
_HINTS: Final = 0x0006
"""Flags that only say how hard the packer tried."""
_DESCRIPTOR: Final = 0x0008
_KNOWN_FLAGS: Final = _HINTS | _DESCRIPTOR | 0x0800
_STORED, _DEFLATED = 0, 8
_VERSION: Final = 45
"""The highest version of the format that deflated entries ask for."""
_DOS_DIRECTORY: Final = 0x10
_ZIP64: Final = 0x0001
_LONG: Final = 0xFFFFFFFF
"""Says that the size stands in the ZIP64 field."""
_EXTRAS_REFUSED: Final = {
    _ZIP64: "ZIP64",
    0x7075: "a second name",
    0x6375: "a second comment",
    0x9901: "encryption",
    0x0017: "encryption",
}


class ZipEntry(NamedTuple):
    """One entry, unpacked."""

    name: str
    """Plain and relative; empty for the root of the tree."""
    kind: Kind
    data: bytes


class _Record(NamedTuple):
    """One entry as the central directory describes it."""

    flags: int
    method: int
    crc: int
    packed: int
    size: int
    name: bytes
    attributes: int
    offset: int


def is_zip(data: bytes) -> bool:
    """Whether readers would take it for a ZIP archive: it begins as one, or ends as one."""
    return data.startswith(_HEADS) or end_record(data) >= 0


def end_record(data: bytes) -> int:
    """Where the end record is that readers who begin at the end find; -1 when there is none."""
    start = max(0, len(data) - _END.size - _COMMENT_BYTES)
    at = data.rfind(_END_SIGN, start)
    while at >= 0:
        if at + _END.size <= len(data) and at + _END.size + data[at + 20] + (data[at + 21] << 8) == len(data):
            return at
        at = data.rfind(_END_SIGN, start, at + 3)
    return -1


def zip_entries(data: bytes, budget: Budget) -> Iterator[ZipEntry]:
    """The entries in the order they lie in, each unpacked when it is asked for. Errors: Denied `validate.archive`."""
    records, directory_at = _directory(data, budget)
    tree = Tree()
    at = 0
    for record in sorted(records, key=lambda each: each.offset):
        if record.offset != at:
            raise refused("entries overlap, or something lies between them")
        content_at = _past_local_header(data, at, record, directory_at)
        end = content_at + record.packed
        if end > directory_at:
            raise refused("an entry is cut")
        at = _past_descriptor(data, end, record) if record.flags & _DESCRIPTOR else end
        yield _entry(record, data[content_at:end], tree, budget)
    if at != directory_at:
        raise refused("something lies before the directory")
    tree.close()


def _directory(data: bytes, budget: Budget) -> tuple[list[_Record], int]:
    end_at = end_record(data)
    if end_at < 0 or not data.startswith(_HEADS):
        raise refused("it has no end, or something lies before or behind it")
    _, disk, directory_disk, here, count, size, offset, _ = _END.unpack_from(data, end_at)
    if disk or directory_disk or here != count or offset + size != end_at:
        raise refused("its end record does not fit, or speaks of ZIP64 or several files")
    if data.find(_END_SIGN, end_at + 4) >= 0:
        raise refused("it has two ends")
    records: list[_Record] = []
    at = offset
    while at < end_at:
        budget.take_entry()
        record, at = _record(data, at, end_at)
        records.append(record)
    if at != end_at or len(records) != count:
        raise refused("its directory has another length than it says")
    return records, offset


def _record(data: bytes, at: int, end: int) -> tuple[_Record, int]:
    if at + _CENTRAL.size > end:
        raise refused("its directory is cut")
    (
        sign,
        _,
        version,
        flags,
        method,
        _,
        _,
        crc,
        packed,
        size,
        name_size,
        extra_size,
        comment_size,
        disk,
        _,
        attributes,
        offset,
    ) = _CENTRAL.unpack_from(data, at)
    name_at = at + _CENTRAL.size
    extra_at = name_at + name_size
    past = extra_at + extra_size + comment_size
    if sign != b"PK\x01\x02" or past > end or disk:
        raise refused("its directory is broken")
    if flags & ~_KNOWN_FLAGS:
        raise refused("an entry is encrypted, or packed in a way that is not opened")
    if version & 0xFF > _VERSION or method not in {_STORED, _DEFLATED} or (method == _STORED and packed != size):
        raise refused("an entry is packed in a way that is not opened")
    if flags & _DESCRIPTOR and method == _STORED and packed:
        raise refused("an entry ends where only some readers see it")
    _check_extra(data[extra_at : extra_at + extra_size])
    record = _Record(flags, method, crc, packed, size, data[name_at:extra_at], attributes, offset)
    return record, past


def _past_local_header(data: bytes, at: int, record: _Record, end: int) -> int:
    """Where the entry's content begins, once its own header says what the directory says."""
    if at + _LOCAL.size > end:
        raise refused("an entry is cut")
    sign, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack_from(data, at)
    name_at = at + _LOCAL.size
    extra_at: int = name_at + name_size
    # Packers that do not know the size beforehand leave room for a long one. Where it says what the directory says, all
    # readers read the same.
    long_sizes = struct.pack("<QQ", record.size, record.packed)
    has_long = _check_extra(data[extra_at : extra_at + extra_size], long_sizes)
    is_told_later = bool(record.flags & _DESCRIPTOR)
    agrees = (crc == record.crc or (is_told_later and crc == 0)) and (
        (has_long and packed == size == _LONG)
        or (
            (packed == record.packed or (is_told_later and packed == 0))
            and (size == record.size or (is_told_later and size == 0))
        )
    )
    if (
        sign != b"PK\x03\x04"
        or flags & ~_HINTS != record.flags & ~_HINTS
        or method != record.method
        or not agrees
        or data[name_at:extra_at] != record.name
    ):
        raise refused("an entry and the directory disagree")
    return extra_at + int(extra_size)


def _past_descriptor(data: bytes, at: int, record: _Record) -> int:
    told = struct.pack("<III", record.crc, record.packed, record.size)
    for form in (b"PK\x07\x08" + told, told):
        if data.startswith(form, at):
            return at + len(form)
    raise refused("an entry and the directory disagree")


def _check_extra(extra: bytes, long_sizes: bytes = b"") -> bool:
    """Whether the extra field tells the sizes in ZIP64, as these. Errors: Denied `validate.archive`."""
    has_long = False
    at = 0
    # Fewer than four bytes at the end are padding, which some packers align entries with.
    while at + 4 <= len(extra):
        identity, size = struct.unpack_from("<HH", extra, at)
        if identity == _ZIP64 and long_sizes and extra[at + 4 : at + 4 + size] == long_sizes:
            has_long = True
        elif identity in _EXTRAS_REFUSED:
            raise refused(f"an entry has {_EXTRAS_REFUSED[identity]}")
        at += 4 + size
        if at > len(extra):
            raise refused("an entry has a broken extra field")
    return has_long


def _entry(record: _Record, packed: bytes, tree: Tree, budget: Budget) -> ZipEntry:
    if record.method == _STORED:
        budget.take_bytes(record.size)
        content = packed
    else:
        content = budget.inflate(packed, record.size)
    if zlib.crc32(content) != record.crc:
        raise refused("the content of an entry is not what its checksum says")
    kind = _kind(record)
    if kind == "directory" and content:
        raise refused("a directory has content")
    name = tree.add(record.name, kind, content if kind == "symbolic link" else b"")
    return ZipEntry(name, kind, b"" if kind == "symbolic link" else content)


def _kind(record: _Record) -> Kind:
    form = stat.S_IFMT(record.attributes >> 16)
    is_directory = record.name.endswith(b"/")
    if record.attributes & _DOS_DIRECTORY and not is_directory:
        raise refused("an entry is two things at once")
    if form == stat.S_IFLNK and not is_directory:
        return "symbolic link"
    # Some packers of Maven's write a mode of ones for directories.
    if form not in ({0, stat.S_IFDIR, 0xF000} if is_directory else {0, stat.S_IFREG}):
        raise refused("an entry is a device, a pipe, or two things at once")
    return "directory" if is_directory else "file"
