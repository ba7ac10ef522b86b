"""Archives that the policy opens: unpacked in memory within a budget, their names and content judged like uploads.

Threat: CWE-22 (zip slip), CWE-409 (bombs), CWE-434; catalogue row B15. What lies in an archive is never written
anywhere, and one entry at a time is held. Costs are linear in what is unpacked, which the policy bounds.
"""

import re
from collections.abc import Iterator
from typing import Final

from doorward.controls.validate.active_content import RUN_BY_SERVERS, runs
from doorward.controls.validate.archive_names import component_problem, decoded, refused
from doorward.controls.validate.archive_tar import TarEntry, is_tar, tar_entries
from doorward.controls.validate.archive_zip import ZipEntry, is_zip, zip_entries
from doorward.controls.validate.inflate import Budget
from doorward.controls.validate.policy import ArchivesPolicy
from doorward.controls.validate.svg import check_svg
from doorward.denial import Denied

_GZIP: Final = b"\x1f\x8b"
_CLOSED: Final = (
    b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"MSCF\0\0\0\0", b"!<arch>\n",
    b"\x04\x22\x4d\x18", b"\x1f\x9d", b"\x1f\xa0", b"LZIP\x01", b"PK\x07\x08", b"PK00PK",
)  # fmt: skip
"""How archives begin that are not opened."""
_BZIP2: Final = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_MACROS: Final = re.compile(r"(?:^|/)vbaproject\.bin$|^basic/script-lc\.xml$|^xl/macrosheets/", re.IGNORECASE)
"""Programs inside office files: of Microsoft's kind, of the OpenDocument kind, and those of old spreadsheets."""
_HAS_NAME, _HAS_EXTRA, _HAS_COMMENT, _HAS_SUM, _RESERVED = 0x08, 0x04, 0x10, 0x02, 0xE0


def check_archive(data: bytes, place: str, policy: ArchivesPolicy, *, takes_programs: bool, takes_macros: bool) -> None:
    """Nothing, when the file is no archive, or one whose entries are harmless.

    `takes_programs`: the description names a type that is run for this field. `takes_macros`: so does the type.
    Errors: Denied `validate.archive`.
    """
    opening = _Opening(
        Budget(policy, len(data)), policy.depth, takes_programs=takes_programs, takes_macros=takes_macros
    )
    try:
        opening.look_into(data, 0)
    except Denied as denied:
        raise Denied(denied.code, f"{place}: {denied.detail}") from None


class _Opening:
    """One upload under way."""

    __slots__ = ("_budget", "_depth", "_takes_macros", "_takes_programs")

    def __init__(self, budget: Budget, depth: int, *, takes_programs: bool, takes_macros: bool) -> None:
        self._budget, self._depth = budget, depth
        self._takes_programs, self._takes_macros = takes_programs, takes_macros

    def look_into(self, data: bytes, level: int) -> bool:
        """Whether it is an archive, which was judged then. `level`: archives around it."""
        if data.startswith(_CLOSED) or _BZIP2.match(data):
            raise refused("an archive of a kind that is not opened")
        is_gzip = data.startswith(_GZIP)
        if is_tar(data) and is_zip(data):
            raise refused("it is two archives at once")
        if not is_gzip and not is_zip(data) and not is_tar(data):
            return False
        if level >= self._depth:
            raise refused("archives lie in archives too deep")
        if is_gzip:
            self._look_into_gzip(data, level)
        elif is_tar(data):
            self._judge(tar_entries(data, self._budget), level)
        else:
            self._judge(zip_entries(data, self._budget), level)
        return True

    def _look_into_gzip(self, data: bytes, level: int) -> None:
        name = gzip_name(data)
        self._budget.take_entry()
        content = self._budget.gunzip(data)
        if is_tar(content) and not is_zip(content):
            # One archive to everybody: `tar.gz` is no archive in an archive.
            self._judge(tar_entries(content, self._budget), level)
        else:
            self._judge_file(name, content, level)

    def _judge(self, entries: Iterator[ZipEntry] | Iterator[TarEntry], level: int) -> None:
        for entry in entries:
            if entry.kind == "file":
                self._judge_file(entry.name, entry.data, level)
            elif entry.kind != "directory" and not self._takes_programs and RUN_BY_SERVERS.search(entry.name):
                raise refused("a link has an extension that servers or systems run")

    def _judge_file(self, name: str, data: bytes, level: int) -> None:
        if self.look_into(data, level + 1):
            return
        if _MACROS.search(name) and not self._takes_macros and not self._takes_programs:
            raise refused("an office file holds macros")
        if self._takes_programs:
            return
        last = name.rpartition("/")[2].rstrip(" .")
        if last.lower().endswith(".svg") and not RUN_BY_SERVERS.search(last[:-4]):
            try:
                check_svg(data, "an entry")
            except Denied as denied:
                raise refused(denied.detail) from None
            return
        if RUN_BY_SERVERS.search(last):
            raise refused("an entry has an extension that servers or systems run")
        if reason := runs(data, is_text=False):
            raise refused(f"an entry: {reason}")


def gzip_name(data: bytes) -> str:
    """The file name in a gzip header; empty when there is none. Errors: Denied `validate.archive`.

    Source: RFC 1952 section 2.3.
    """
    flags = data[3] if len(data) >= 18 else _RESERVED
    if data[2:3] != b"\x08" or flags & _RESERVED:
        raise refused("a gzip header is malformed")
    at = 10
    if flags & _HAS_EXTRA:
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    if not flags & _HAS_NAME:
        return ""
    end = data.find(b"\0", at, at + 1_024)
    if end < 0:
        raise refused("a gzip header is malformed")
    name = decoded(data[at:end])
    if problem := component_problem(name):
        raise refused(problem)
    return name
