"""Row B15: what an archive holds is harmless, lies within, and is the same to every reader."""

import gzip
import io
import random
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import pytest
from tests.controls.validate.carrying import body_document, code_of, posting

from doorward.controls.validate import ArchivesPolicy, ValidatePolicy
from doorward.controls.validate.multipart import Part
from doorward.controls.validate.uploads import check_upload
from doorward.denial import Denied

Change = Callable[[zipfile.ZipInfo], None]


def code(
    data: bytes, media_type: str = "application/octet-stream", *declared: str, name: str = "", **limits: int
) -> str:
    policy = ValidatePolicy(archives=ArchivesPolicy(**limits))
    try:
        check_upload(Part("f", name, media_type, data), declared, policy)
    except Denied as denied:
        return denied.code
    return ""


def zipped(
    files: dict[str, bytes],
    method: int = zipfile.ZIP_DEFLATED,
    *,
    change: Change = lambda _: None,
    comment: bytes = b"",
) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.comment = comment
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            change(info)
            archive.writestr(info, data)
    return stream.getvalue()


def tarred(*members: tuple[str, bytes, bytes, str], form: int = tarfile.PAX_FORMAT, mode: str = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name, data, kind, target in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(data), kind, target
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def file(name: str, data: bytes = b"text\n") -> tuple[str, bytes, bytes, str]:
    return (name, data, tarfile.REGTYPE, "")


def streamed_zip(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP made for a pipe: sizes follow each entry."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.data += bytes(data)  # type: ignore[call-overload]
            return len(data)  # type: ignore[arg-type]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return pipe.data


def patched(data: bytes, at: int, form: str, value: int) -> bytes:
    made = bytearray(data)
    struct.pack_into(form, made, at, value)
    return bytes(made)


def forced_zip64(files: dict[str, bytes]) -> bytes:
    """A ZIP as numpy writes it: local headers tell the sizes in ZIP64, the directory as usual."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            with archive.open(name, "w", force_zip64=True) as entry:
                entry.write(data)
    return stream.getvalue()


NOISE = random.Random(7).randbytes(200_000)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>'
DOCX = {
    "[Content_Types].xml": b"<Types/>",
    "_rels/.rels": b"<Relationships/>",
    "word/document.xml": b"<w:document>&lt;script&gt;</w:document>",
    "word/media/image1.svg": SVG,
    "word/media/image2.png": b"\x89PNG\r\n\x1a\n" + NOISE,
}
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

HONEST = {
    "one": zipped({"a.txt": b"a" * 5000, "dir/b.csv": b"1,2\n"}),
    "stored": zipped({"a.txt": b"a"}, zipfile.ZIP_STORED),
    "empty": zipped({}),
    "empty-file": zipped({"a.txt": b""}),
    "directory": zipped({"dir/": b"", "dir/a.txt": b"a", ".hidden": b"b", "__MACOSX/._a": b"c"}),
    "office": zipped(DOCX),
    "streamed": streamed_zip({"a.txt": b"a" * 5000, "b.bin": NOISE}),
    "macos": patched(streamed_zip({"a.txt": b"a" * 5000}), 22, "<I", 5000),
    "comment": zipped({"a.txt": b"a"}, comment=b"made by hand"),
    "names": zipped({"José (2).txt": b"a", "報告書/x.pdf": b"%PDF-1.7"}),
    "unix-modes": zipped({"a.txt": b"a"}, change=lambda info: setattr(info, "external_attr", 0o100644 << 16)),
    "long-local": forced_zip64({"a.txt": b"a" * 5000, "b.bin": NOISE}),
    "maven-directory": zipped({"dir/": b""}, change=lambda info: setattr(info, "external_attr", 0xFFFF0010)),
    "zip-in-zip": zipped({"inner.zip": zipped({"a.txt": b"a"}), "office.docx": zipped(DOCX)}),
    "stored-zip-in-tar": tarred(file("inner.zip", zipped({"a.txt": b"a"}))),
    "exact-buffers": zipped({f"{size}.bin": bytes(size) for size in (16_384, 32_768, 65_536, 131_072)}),
    "tar": tarred(("dir", b"", tarfile.DIRTYPE, ""), file("dir/a.txt"), file("./b.txt")),
    "tar-gnu": tarred(file("x" * 200 + ".txt"), form=tarfile.GNU_FORMAT),
    "tar-pax": tarred(file("é" * 120 + ".txt"), form=tarfile.PAX_FORMAT),
    "tar-ustar": tarred(file("d" * 90 + "/" + "x" * 90 + ".txt"), form=tarfile.USTAR_FORMAT),
    "tar-links": tarred(
        file("dir/a.txt"),
        ("dir/up", b"", tarfile.SYMTYPE, "../other/a.txt"),
        ("same", b"", tarfile.SYMTYPE, "dir/a.txt"),
        ("hard", b"", tarfile.LNKTYPE, "dir/a.txt"),
    ),
    "tar-gz": tarred(file("a.txt"), file("b.bin", NOISE), mode="w:gz"),
    "gz": gzip.compress(b"a,b\n" * 1000, mtime=0),
    "no-archive": b"a,b\n1,2\n",
    "no-archive-bytes": NOISE,
}


@pytest.mark.parametrize("row", HONEST)
def test_honest_archives_pass(row: str) -> None:
    assert code(HONEST[row]) == ""


def test_an_office_file_passes_under_its_type() -> None:
    assert code(HONEST["office"], WORD, WORD, name="letter.docx") == ""


@pytest.mark.parametrize(
    "name",
    [
        "../a.txt", "a/../../b", "a/..", "/etc/passwd", "C:\\a", "c:a.txt", "a\\b", "..\\a", "a/.. /b", "...", "a//b",
        "\u202egnp.txt", "a\x01b", "x" * 300, "a/" * 70 + "b", "/".join(["x" * 200] * 6), "a/./b",
    ],
)  # fmt: skip
def test_b15_names_that_leave_the_tree_are_refused(name: str) -> None:
    assert code(zipped({name: b""})) == "validate.archive"
    assert code(tarred(file(name, b""))) == "validate.archive"


@pytest.mark.parametrize("separator", [b"\x00", b"\x7f"])
def test_b15_control_signs_in_names_are_refused(separator: bytes) -> None:
    assert code(zipped({"aXb.txt": b""}).replace(b"aXb", b"a" + separator + b"b")) == "validate.archive"


@pytest.mark.parametrize(
    ("one", "two"), [("a.txt", "A.txt"), ("a", "a/b"), ("a/b", "a"), ("a.txt", "a.txt. "), ("é", "e\u0301")]
)
def test_b15_two_entries_in_one_place_are_refused(one: str, two: str) -> None:
    assert code(zipped({one: b"", two: b""})) == "validate.archive"
    assert code(tarred(file(one, b""), file(two, b""))) == "validate.archive"
    assert code(tarred(file(one, b""), file(one, b""))) == "validate.archive"


@pytest.mark.parametrize(
    "members",
    [
        [("up", b"", tarfile.SYMTYPE, "../etc")],
        [("a/up", b"", tarfile.SYMTYPE, "../../etc")],
        [("root", b"", tarfile.SYMTYPE, "/etc/passwd")],
        [("down", b"", tarfile.SYMTYPE, "a/../b")],
        [("drive", b"", tarfile.SYMTYPE, "c:\\x")],
        [("a", b"", tarfile.SYMTYPE, "b"), file("a/x")],
        [file("a/x"), ("a", b"", tarfile.SYMTYPE, "b")],
        [("h", b"", tarfile.LNKTYPE, "/etc/passwd")],
        [("h", b"", tarfile.LNKTYPE, "../x")],
        [("h", b"", tarfile.LNKTYPE, "later"), file("later")],
        [("s", b"", tarfile.SYMTYPE, "x"), ("h", b"", tarfile.LNKTYPE, "s")],
        [("shell.php", b"", tarfile.SYMTYPE, "x")],
        [("dev", b"", tarfile.CHRTYPE, "")],
        [("dev", b"", tarfile.BLKTYPE, "")],
        [("pipe", b"", tarfile.FIFOTYPE, "")],
        [("odd", b"", tarfile.CONTTYPE, "")],
    ],
)
def test_b15_links_out_of_the_tree_and_devices_are_refused(members: list[tuple[str, bytes, bytes, str]]) -> None:
    assert code(tarred(*members)) == "validate.archive"
    assert code(tarred(*members, mode="w:gz")) == "validate.archive"


def unix(mode: int) -> Change:
    return lambda info: setattr(info, "external_attr", mode << 16)


def test_b15_links_and_devices_in_a_zip_are_judged_alike() -> None:
    assert code(zipped({"up": b"../../etc/passwd"}, change=unix(stat.S_IFLNK | 0o777))) == "validate.archive"
    assert code(zipped({"a/up": b"../b"}, change=unix(stat.S_IFLNK | 0o777))) == ""
    assert code(zipped({"dev": b""}, change=unix(stat.S_IFCHR))) == "validate.archive"
    assert code(zipped({"file/": b""}, change=unix(stat.S_IFREG))) == "validate.archive"
    assert code(zipped({"dir": b"x"}, change=lambda info: setattr(info, "external_attr", 0x10))) == "validate.archive"


ONE = zipped({"a.txt": b"first"}, zipfile.ZIP_STORED)
CENTRAL = ONE.index(b"PK\x01\x02")
END = ONE.index(b"PK\x05\x06")


def overlapping() -> bytes:
    """Two directory entries that lead to one record (Fifield's bomb of one kernel)."""
    entry = ONE[CENTRAL:END].replace(b"a.txt", b"b.txt")
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 2, 2, END - CENTRAL + len(entry), CENTRAL, 0)
    return ONE[:CENTRAL] + ONE[CENTRAL:END] + entry + end


LYING = {
    "prefix": b"MZ stub" + ONE,
    "behind": ONE + b"x",
    "image-in-front": b"\x89PNG\r\n\x1a\n" + ONE,
    "name-differs": ONE.replace(b"a.txt", b"b.txt", 1),
    "size-differs": patched(ONE, 22, "<I", 4),
    "size-lies": patched(patched(ONE, 22, "<I", 9), CENTRAL + 24, "<I", 9),
    "checksum": patched(patched(ONE, 14, "<I", 1), CENTRAL + 16, "<I", 1),
    "method-differs": patched(ONE, 8, "<H", 8),
    "method-unknown": patched(patched(ONE, 8, "<H", 14), CENTRAL + 10, "<H", 14),
    "encrypted": patched(patched(ONE, 6, "<H", 1), CENTRAL + 8, "<H", 1),
    "encrypted-directory-only": patched(ONE, CENTRAL + 8, "<H", 1),
    "masked": patched(patched(ONE, 6, "<H", 1 << 13), CENTRAL + 8, "<H", 1 << 13),
    "offset": patched(ONE, CENTRAL + 42, "<I", 1),
    "offset-far": patched(ONE, CENTRAL + 42, "<I", 1 << 31),
    "overlapping": overlapping(),
    "gap": ONE[:CENTRAL] + b"hidden" + patched(ONE[CENTRAL:], END - CENTRAL + 16, "<I", CENTRAL + 6),
    "hidden-record": ONE[:CENTRAL] * 2 + patched(ONE[CENTRAL:], END - CENTRAL + 16, "<I", CENTRAL * 2),
    "count": patched(ONE, END + 10, "<H", 2),
    "count-here": patched(ONE, END + 8, "<H", 0),
    "disk": patched(ONE, END + 4, "<H", 1),
    "zip64-end": patched(ONE, END + 16, "<I", 0xFFFFFFFF),
    "directory-cut": patched(ONE, END + 12, "<I", END - CENTRAL - 1),
    "two-ends": patched(ONE, END + 20, "<H", 40) + ONE[END:] + b"x" * 18,
    "end-in-end": patched(ONE, END + 20, "<H", 22) + patched(ONE[END:], 10, "<H", 0),
    "no-end": ONE[:END],
    "cut": ONE[: len(ONE) // 2],
    "only-a-head": b"PK\x03\x04",
    "stored-descriptor": streamed_zip({"a.txt": b"a"}, zipfile.ZIP_STORED),
    "streamed-size-differs": patched(streamed_zip({"a.txt": b"a" * 5000}), 22, "<I", 4999),
    "descriptor-lies": streamed_zip({"a.txt": b"abc"}).replace(struct.pack("<4sI", b"PK\x07\x08", zlib.crc32(b"abc")), b"PK\x07\x08\1\1\1\1"),
    "second-name": zipped({"a.txt": b""}, change=lambda info: setattr(info, "extra", struct.pack("<HH", 0x7075, 0))),
    "long-lies": forced_zip64({"a.txt": b"abc"}).replace(struct.pack("<HHQ", 1, 16, 3), struct.pack("<HHQ", 1, 16, 4)),
    "long-missing": patched(patched(ONE, 18, "<I", 0xFFFFFFFF), 22, "<I", 0xFFFFFFFF),
    "zip64": zipped({"a.txt": b""}, change=lambda info: setattr(info, "extra", struct.pack("<HHQ", 1, 8, 0))),
    "aes": zipped({"a.txt": b""}, change=lambda info: setattr(info, "extra", struct.pack("<HH", 0x9901, 0))),
    "extra-broken": zipped({"a.txt": b""}, change=lambda info: setattr(info, "extra", struct.pack("<HH", 0x9999, 9))),
}  # fmt: skip


@pytest.mark.parametrize("row", LYING)
def test_b15_a_zip_that_readers_read_differently_is_refused(row: str) -> None:
    assert code(ONE) == ""
    assert code(LYING[row], name="a.zip") in {"validate.archive", "validate.upload"}


def tar_changed(at: int, value: bytes, data: bytes = tarred(file("a.txt", b"x" * 600))) -> bytes:
    made = bytearray(data)
    made[at : at + len(value)] = value
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made[:512])
    return bytes(made)


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    header = tarfile.TarInfo("pax")
    header.size, header.type = len(records), kind
    block = header.tobuf(tarfile.USTAR_FORMAT)
    return block + records + bytes(-len(records) % 512) + tarred(file("a.txt", b"x" * 600))


TAR_LYING = {
    "checksum": tarred(file("a.txt")).replace(b"a.txt", b"b.txt"),
    "size-binary": tar_changed(124, b"\x80" + bytes(10) + b"\x01"),
    "size-words": tar_changed(124, b"-0000000001\0"),
    "size-beyond": tar_changed(124, b"77777777777\0"),
    "sparse": tar_changed(156, b"S"),
    "multi-volume": tar_changed(156, b"M"),
    "name-goes-on": tar_changed(6, b"b.txt"),
    "behind-the-end": tarred(file("a.txt")) + b"x" * 512,
    "no-end": tarred(file("a.txt"))[:1024],
    "cut": tarred(file("a.txt", b"x" * 600))[:1024],
    "link-with-content": tar_changed(156, b"2"),
    "directory-with-content": tar_changed(156, b"5"),
    "pax-size": pax(b"13 size=1100\n"),
    "pax-sparse": pax(b"22 GNU.sparse.major=1\n"),
    "pax-twice": pax(b"10 path=a\n10 path=b\n"),
    "pax-length": pax(b"11 path=a\n"),
    "pax-no-value": pax(b"7 path\n"),
    "pax-climbs": pax(b"16 path=../evil\n"),
    "pax-global-path": pax(b"10 path=a\n", tarfile.XGLTYPE),
    "pax-charset": pax(b"21 hdrcharset=BINARY\n"),
    "zip-behind": tarred(file("a.txt", patched(ONE, END + 20, "<H", 9216))),
    "pax-and-gnu": pax(b"10 path=a\n")[:1024] + tarred(file("x" * 200), form=tarfile.GNU_FORMAT),
    "pax-at-the-end": pax(b"10 path=a\n")[:1024] + bytes(1024),
}


@pytest.mark.parametrize("row", TAR_LYING)
def test_b15_a_tar_that_readers_read_differently_is_refused(row: str) -> None:
    assert code(TAR_LYING[row]) == "validate.archive"
    assert code(gzip.compress(TAR_LYING[row], mtime=0)) == "validate.archive"


def test_a_pax_header_that_says_what_the_header_says_is_read() -> None:
    assert code(pax(b"12 size=600\n")) == ""
    assert code(pax(b"18 comment=a file\n", tarfile.XGLTYPE)) == ""


ZEROS = bytes(3 << 20)
BOMBS = {
    "zip": zipped({"a.bin": ZEROS}),
    "gzip": gzip.compress(ZEROS, mtime=0),
    "tar-gz": tarred(file("a.bin", ZEROS), mode="w:gz"),
    "many-small": zipped({f"{number}.bin": bytes(700_000) for number in range(4)}),
    "nested": zipped({"a.zip": zipped({"b.bin": ZEROS}), "n.bin": NOISE[:20_000]}),
}


@pytest.mark.parametrize("row", BOMBS)
def test_b15_what_unpacks_to_too_much_is_refused(row: str) -> None:
    assert code(BOMBS[row], ratio=100) == "validate.archive"
    assert code(BOMBS[row], ratio=2000, inflated_bytes=1 << 20) == "validate.archive"
    assert code(BOMBS[row], ratio=2000) == ""


def test_b15_more_entries_than_allowed_are_refused_nested_ones_included() -> None:
    assert code(zipped({f"{number}": b"" for number in range(10)}), entries=10) == ""
    assert code(zipped({f"{number}": b"" for number in range(11)}), entries=10) == "validate.archive"
    assert code(tarred(*(file(f"{number}") for number in range(11))), entries=10) == "validate.archive"
    inner = zipped({f"{number}": b"" for number in range(6)})
    assert code(zipped({"a.zip": inner, "b.zip": inner}), entries=10) == "validate.archive"


def test_b15_archives_in_archives_are_refused_beyond_the_depth() -> None:
    inner = zipped({"a.txt": b"a"})
    middle = zipped({"inner.zip": inner})
    assert code(middle, depth=1) == "validate.archive"
    assert code(middle, depth=2) == ""
    assert code(gzip.compress(middle, mtime=0), depth=2) == "validate.archive"
    assert code(tarred(file("m.zip", middle), mode="w:gz"), depth=3) == ""
    assert code(tarred(file("m.zip", middle), mode="w:gz"), depth=2) == "validate.archive"


GZ = gzip.compress(b"text", mtime=0)


@pytest.mark.parametrize(
    "data",
    [
        GZ + GZ,
        GZ + b"x",
        GZ[:-1],
        GZ[:-4] + b"\1\0\0\0",
        GZ[:3] + b"\xe0" + GZ[4:],
        GZ[:3] + b"\x08" + GZ[4:10] + b"../../x\0" + GZ[10:],
        GZ[:3] + b"\x08" + GZ[4:10] + b"shell.php\0" + GZ[10:],
        GZ[:3] + b"\x08" + GZ[4:10] + b"no end",
        b"\x1f\x8b",
    ],
)
def test_b15_a_gzip_that_readers_read_differently_is_refused(data: bytes) -> None:
    assert code(data) == "validate.archive"


def test_a_gzip_with_a_plain_name_passes() -> None:
    assert code(GZ[:3] + b"\x08" + GZ[4:10] + b"a.csv\0" + GZ[10:]) == ""
    assert code(GZ[:3] + b"\x0c" + GZ[4:10] + b"\2\0xx" + b"a.csv\0" + GZ[10:]) == ""


@pytest.mark.parametrize(
    "head",
    [b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07\1\0", b"\xfd7zXZ\0", b"BZh91AY&SY", b"\x28\xb5\x2f\xfd", b"MSCF\0\0\0\0"],
)
def test_b15_archives_that_are_not_opened_are_refused_inside_and_outside(head: bytes) -> None:
    assert code(head + NOISE) == "validate.archive"
    assert code(zipped({"a.bin": head + NOISE})) == "validate.archive"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("shell.php", b"x"),
        ("a.php.txt", b"x"),
        ("run.exe", b"x"),
        ("page.html", b"x"),
        ("a.bin", b"MZ\x90\0"),
        ("a.bin", b"\x7fELF"),
        ("a.txt", b"#!/bin/sh\nid"),
        ("a.png", b"\x89PNG<?php system($_GET[0]);"),
        ("logo.svg", b"<svg onload='alert(1)'/>"),
        ("shell.php.svg", SVG),
        ("word/vbaProject.bin", b"x"),
        ("xl/macrosheets/sheet1.xml", b"x"),
        ("Basic/script-lc.xml", b"x"),
    ],
)
def test_b15_programs_inside_are_refused_as_they_are_outside(name: str, data: bytes) -> None:
    assert code(zipped({name: data})) == "validate.archive"
    assert code(tarred(file(name, data), mode="w:gz")) == "validate.archive"
    assert code(zipped({"inner.zip": zipped({name: data})})) == "validate.archive"


def test_programs_inside_pass_where_the_description_takes_programs() -> None:
    data = zipped({"run.exe": b"MZ\x90\0"})
    assert code(data, "application/zip", "application/zip", "application/x-msdownload", name="a.zip") == ""
    assert code(data, "application/zip", "application/zip", "image/svg+xml", name="a.zip") == "validate.archive"
    assert (
        code(
            zipped({"A.class": b"\xca\xfe\xba\xbe"}),
            "application/java-archive",
            "application/java-archive",
            name="a.jar",
        )
        == ""
    )


def test_macros_pass_where_the_description_names_a_type_that_has_them() -> None:
    macros = zipped({**DOCX, "word/vbaProject.bin": b"x"})
    type_ = "application/vnd.ms-word.document.macroenabled.12"
    assert code(macros, type_, type_) == ""
    assert code(macros, type_) == "validate.archive"
    assert code(macros, WORD, WORD) == "validate.archive"


def test_archives_stay_closed_until_the_policy_opens_them() -> None:
    check_upload(Part("f", "a.zip", "application/zip", LYING["gap"]), (), ValidatePolicy())


def test_a_body_that_is_one_file_is_looked_into_too() -> None:
    document = body_document({"type": "string", "format": "binary"}, media_type="application/zip")
    post = posting(document, b"application/zip", archives=ArchivesPolicy())
    assert code_of(lambda: post(ONE)) == ""
    assert code_of(lambda: post(zipped({"../a": b""}))) == "validate.archive"
    any_type = body_document({}, media_type="*/*")
    assert (
        code_of(lambda: posting(any_type, b"image/png", archives=ArchivesPolicy())(zipped({"../a": b""})))
        == "validate.archive"
    )


def test_work_is_linear_in_what_the_budget_lets_through() -> None:
    """A million tiny entries cost no more than the entries allowed: nothing is read beyond them."""
    record = ONE[CENTRAL:END]
    count = 1_000_000
    end = struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, count * len(record), CENTRAL, 0
    )
    assert code(ONE[:CENTRAL] + record * count + end, entries=100) == "validate.archive"


def test_hostile_ends_are_looked_for_once() -> None:
    assert code(b"x" + b"PK\x05\x06" * 20_000) == ""


CHANGED = {
    **{name: HONEST[name] for name in ("one", "directory", "tar-links", "tar-pax", "tar-gz", "tar-gnu")},
    "streamed": streamed_zip({"a.txt": b"a" * 5000, "b.bin": NOISE[:5000]}),
    "zip-in-zip": zipped({"inner.zip": zipped({"a.txt": b"a"}), "b.txt": b"b" * 5000}),
}


@pytest.mark.parametrize("row", CHANGED)
def test_no_changed_byte_makes_the_readers_break(row: str) -> None:
    """Whatever is changed, the archive is refused or read, and the readers get to see it: nothing else is raised."""
    chance = random.Random(row)
    assert code(CHANGED[row], name="a") == ""
    outcomes = set()
    for _ in range(150):
        data = bytearray(CHANGED[row])
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        outcomes.add(code(bytes(data), name="a"))
    assert {"validate.archive"} <= outcomes <= {"", "validate.archive"}
