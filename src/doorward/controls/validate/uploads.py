"""Uploaded files: a name that is only a name, and content that is what it says and nothing else besides.

Threat: CWE-434, CWE-22, CWE-646; OWASP WSTG-BUSL-08, -09; catalogue row B14. Archives stay closed unless the policy
opens them (`archive`): their content is the API's to judge.
"""

import re
from collections.abc import Mapping
from typing import Final

from doorward.controls.validate.active_content import ACTIVE, PROGRAMS, RUN_BY_SERVERS, looks_like_text, runs
from doorward.controls.validate.archive import check_archive
from doorward.controls.validate.multipart import Part
from doorward.controls.validate.policy import ValidatePolicy
from doorward.controls.validate.svg import check_svg
from doorward.denial import Denied

_MAGIC: Final[Mapping[str, tuple[bytes, ...]]] = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/bmp": (b"BM",),
    "image/tiff": (b"II*\x00", b"MM\x00*"),
    "image/vnd.microsoft.icon": (b"\x00\x00\x01\x00",),
    "application/pdf": (b"%PDF-",),
    "application/zip": (b"PK\x03\x04", b"PK\x05\x06"),
    "application/gzip": (b"\x1f\x8b",),
    "application/x-7z-compressed": (b"7z\xbc\xaf\x27\x1c",),
    "application/vnd.rar": (b"Rar!\x1a\x07",),
    "application/x-bzip2": (b"BZh",),
    "application/x-xz": (b"\xfd7zXZ\x00",),
    "application/zstd": (b"\x28\xb5\x2f\xfd",),
    "audio/flac": (b"fLaC",),
    "audio/ogg": (b"OggS",),
    "video/ogg": (b"OggS",),
    "video/webm": (b"\x1a\x45\xdf\xa3",),
    "font/woff": (b"wOFF",),
    "font/woff2": (b"wOF2",),
    **dict.fromkeys(
        (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            "application/vnd.oasis.opendocument.text",
            "application/vnd.oasis.opendocument.spreadsheet",
            "application/epub+zip",
            "application/java-archive",
        ),
        (b"PK\x03\x04",),
    ),
}
"""How files of a type begin."""
_RIFF: Final[Mapping[str, bytes]] = {"image/webp": b"WEBP", "audio/wav": b"WAVE", "audio/x-wav": b"WAVE"}
_BRANDED: Final = frozenset({"video/mp4", "audio/mp4", "image/avif", "image/heic", "image/heif", "video/quicktime"})
_NAME: Final = re.compile(r"[^/\\:*?\"<>|\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069%;]{1,255}")


def check_upload(part: Part, declared: tuple[str, ...], policy: ValidatePolicy) -> None:
    """Nothing, when the file is what it says. Errors: Denied `validate.upload`, `validate.upload_type`.

    `declared`: the media types that the description names for the field; empty: any that nobody runs.
    """
    place = part.name[:64]
    name = part.filename or ""
    if name and (not _NAME.fullmatch(name) or name.startswith(".") or name.endswith((".", " ")) or ".." in name):
        raise Denied("validate.upload", f"{place}: the file name is more than a name")
    is_named = any(_covers(pattern, part.media_type) for pattern in declared)
    if declared and not is_named:
        raise Denied("validate.upload_type", f"{place}: {part.media_type[:80]!r} is not declared for this field")
    takes_programs = is_named and part.media_type in ACTIVE
    is_image = takes_programs and part.media_type == "image/svg+xml" and not policy.insecure_active_svg
    if part.media_type in ACTIVE and not takes_programs:
        raise Denied("validate.upload_type", f"{place}: files of type {part.media_type!r} run where they are opened")
    if not takes_programs and RUN_BY_SERVERS.search(name):
        raise Denied("validate.upload", f"{place}: the file name has an extension that servers or systems run")
    if not begins_as(part.media_type, part.data):
        raise Denied("validate.upload_type", f"{place}: the content is not what {part.media_type!r} begins with")
    if policy.archives is not None:
        check_archive(
            part.data,
            place,
            policy.archives,
            takes_programs=not PROGRAMS.isdisjoint(declared),
            takes_macros=is_named and "macroenabled" in part.media_type,
        )
    if is_image:
        check_svg(part.data, place)
    elif not takes_programs and (reason := _runs(part)):
        raise Denied("validate.upload", f"{place}: {reason}")


def _runs(part: Part) -> str:
    media_type = part.media_type
    is_text = media_type.startswith("text/") or (not _begins_somehow(media_type) and looks_like_text(part.data))
    return runs(part.data, is_text=is_text, may_hold_markup=media_type == "text/markdown")


def begins_as(media_type: str, data: bytes) -> bool:
    """Whether the bytes begin as files of this type do; always, for types that have no such beginning.

    >>> begins_as("image/png", b"GIF89a"), begins_as("text/csv", b"a,b")
    (False, True)
    """
    if media_type == "application/x-tar":
        return data[257:262] == b"ustar"
    if media_type in _RIFF:
        return data.startswith(b"RIFF") and data[8:12] == _RIFF[media_type]
    if media_type in _BRANDED:
        return data[4:8] == b"ftyp"
    return data.startswith(_MAGIC.get(media_type, b""))


def _begins_somehow(media_type: str) -> bool:
    return media_type in _MAGIC or media_type in _RIFF or media_type in _BRANDED or media_type == "application/x-tar"


def _covers(pattern: str, media_type: str) -> bool:
    return pattern in {media_type, "*/*"} or (pattern.endswith("/*") and media_type.startswith(pattern[:-1]))
