"""Targets: uploaded archives and images, against the readings of the standard library's own readers."""

import gzip
import io
import tarfile
import zipfile
import zlib
from typing import Final
from xml.etree import ElementTree as ET

from tests.fuzz.target import Target, cuts, expect_code

from doorward.controls.validate.archive import check_archive, gzip_name
from doorward.controls.validate.archive_tar import tar_entries
from doorward.controls.validate.archive_zip import zip_entries
from doorward.controls.validate.arriving import Arriving
from doorward.controls.validate.inflate import Budget
from doorward.controls.validate.multipart import HEAD_BYTES, parts
from doorward.controls.validate.policy import ArchivesPolicy, ValidatePolicy
from doorward.controls.validate.svg import check_svg
from doorward.controls.validate.upload_sizes import FileSizes
from doorward.denial import Denied
from doorward.operation import MediaType
from doorward.policy.openapi import description_from_document

_POLICY: Final = ArchivesPolicy(entries=100, inflated_bytes=1 << 20)


def zip_archive(data: bytes) -> None:
    """A ZIP that is taken has the entries and the content that the standard library finds."""
    try:
        found = list(zip_entries(data, Budget(_POLICY, len(data))))
    except Denied as denied:
        expect_code(denied, "validate.archive")
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        assert len(infos) == len(found)
        for info, entry in zip(infos, found, strict=True):
            if info.filename.isascii():
                assert _plain(info.filename) == entry.name
            if entry.kind == "file":
                assert archive.read(info) == entry.data


def tar_archive(data: bytes) -> None:
    """A tar that is taken has the entries and the content that the standard library finds."""
    try:
        found = list(tar_entries(data, Budget(_POLICY, len(data))))
    except Denied as denied:
        expect_code(denied, "validate.archive")
        return
    if not found:
        return
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        members = archive.getmembers()
        assert len(members) == len(found)
        for member, entry in zip(members, found, strict=True):
            if member.name.isascii():
                assert _plain(member.name) == entry.name
            assert (member.isfile(), member.isdir()) == (entry.kind == "file", entry.kind == "directory")
            if member.isfile():
                content = archive.extractfile(member)
                assert content is not None
                assert content.read() == entry.data


def gzip_file(data: bytes) -> None:
    """A gzip file that is taken unpacks to what the standard library makes of it."""
    try:
        gzip_name(data)
        found = Budget(_POLICY, len(data)).gunzip(data)
    except Denied as denied:
        expect_code(denied, "validate.archive")
        return
    assert gzip.decompress(data) == found


def upload(data: bytes) -> None:
    """Whatever is uploaded is looked into or refused."""
    for content in (data, gzip.compress(data, mtime=0), b"PK\x03\x04" + data):
        try:
            check_archive(content, "f", _POLICY, takes_programs=False, takes_macros=False)
        except Denied as denied:
            expect_code(denied, "validate.archive")


def arriving(data: bytes) -> None:
    """A multipart body that is taken as a whole is taken in pieces, whatever the pieces; and none holds much back."""
    choices, _, body = data.partition(b"|")
    media = MediaType(name="multipart/form-data", schema=None)
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}}
    sizes = FileSizes(media, ValidatePolicy(upload_bytes=16), description_from_document(document))
    code = ""
    feed = Arriving(b"b", sizes, 8)
    try:
        for piece in cuts(body, choices[:16]):
            feed.feed(piece)
            assert len(feed._rest) <= 2 * HEAD_BYTES
    except Denied as denied:
        code = denied.code
    try:
        found = parts(body, {"boundary": "b"}, 8)
    except Denied as denied:
        expect_code(denied, "validate.")
        return
    is_too_large = any(part.filename is not None and len(part.data) > 16 for part in found)
    assert code == ("validate.upload_size" if is_too_large else "")


def svg(data: bytes) -> None:
    """An SVG image that is taken is XML to everybody, and nothing in it has a name that runs."""
    try:
        check_svg(data, "f")
    except Denied as denied:
        expect_code(denied, "validate.upload")
        return
    for element in ET.fromstring(data).iter():
        assert element.tag.rpartition("}")[2].lower() not in {"script", "foreignobject", "iframe"}
        for name, value in element.attrib.items():
            local = name.rpartition("}")[2].lower()
            assert not local.startswith("on")
            assert "javascript:" not in value.lower().replace("\n", "").replace("\t", "")
            assert local != "href" or value.strip()[:1] in {"", "#"} or value.strip().lower().startswith("data:image/")


def _plain(name: str) -> str:
    while name.startswith("./"):
        name = name[2:]
    name = name.removesuffix("/")
    return "" if name == "." else name


def _zipped(name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _tarred(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, 3 if kind == tarfile.REGTYPE else 0
    return info.tobuf() + (b"abc".ljust(512, b"\0") if info.size else b"")


_ZIP: Final = _zipped("a.txt", b"abc" * 20)
_AT: Final = _ZIP.index(b"PK\x01\x02"), _ZIP.index(b"PK\x05\x06")
_ZIP_WORDS: Final = (
    _ZIP, _ZIP[: _AT[0]], _ZIP[_AT[0] : _AT[1]], _ZIP[_AT[1] :], b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x07\x08",
    bytes(12), b"../a", b"a.txt", zlib.compress(b"abc")[2:-4],
)  # fmt: skip
_TAR_WORDS: Final = (
    _tarred("a.txt"), _tarred("./b/"), _tarred("d", tarfile.DIRTYPE), _tarred("l", tarfile.SYMTYPE, "../x"),
    _tarred("h", tarfile.LNKTYPE, "a.txt"), _tarred("x" * 120), _tarred("é"), bytes(512), bytes(1024), b"ustar\x0000",
)  # fmt: skip
_SVG_WORDS: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg">', b"</svg>", b"<g>", b"</g>", b"<style>", b"</style>", b"<a href='#b'/>",
    b"<script/>", b"<a href='java&#10;script:x'/>", b" onload='x'", b"url(", b"#a)", b"@import", b"<!--", b"-->", b"<![CDATA[",
    b"]]>", b"&amp;", b"<?x y?>", b"<!DOCTYPE svg>", b"\\", b"\xef\xbb\xbf",
)  # fmt: skip
_PART_WORDS: Final = (
    b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n', b"\r\n--b--\r\n", b"\r\n--b", b"\r\n", b"--b",
    b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n', b"--", b"\r", b"|", b"x" * 16, b"Content-Type: text/plain\r\n",
)  # fmt: skip
TARGETS: Final = {
    "zip_archive": Target(zip_archive, _ZIP_WORDS),
    "tar_archive": Target(tar_archive, _TAR_WORDS, 16_384),
    "gzip_file": Target(
        gzip_file, (gzip.compress(b"abc", mtime=0), b"\x1f\x8b\x08\x08", b"a.txt\0", b"../a\0", bytes(8))
    ),
    "upload": Target(upload, (*_ZIP_WORDS, *_TAR_WORDS[:2], b"<script>", b"MZ", b"7z\xbc\xaf\x27\x1c")),
    "svg": Target(svg, _SVG_WORDS),
    "arriving": Target(arriving, _PART_WORDS),
}
