"""What an operator may write about validate."""

import re
from ipaddress import ip_address
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_SOCKET_BYTES: Final = 107
"""Longest path of a Unix socket on Linux, in bytes."""
_TCP: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")


def _scanner_address(text: str) -> str:
    if text.startswith("/"):
        if len(text.encode()) > _SOCKET_BYTES or "\0" in text:
            raise ValueError(f"is not a path of a Unix socket: those have at most {_SOCKET_BYTES} bytes")
        return text
    found = _TCP.fullmatch(text)
    if found is None or not 0 < int(found[1]) <= 65_535:
        raise ValueError("is not a scanner's address: write /run/clamav/clamd.ctl or 127.0.0.1:3310")
    return text


def is_near(scanner: str) -> bool:
    """Whether this address of a scanner is on the same host.

    >>> is_near("/run/clamd"), is_near("[::1]:3310"), is_near("10.0.0.1:3310"), is_near("localhost:3310")
    (True, True, False, True)
    """
    host = scanner.rpartition(":")[0].strip("[]")
    if scanner.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class GraphqlPolicy(BaseModel):
    """What one GraphQL request may ask for. Written for the operation that takes them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    depth: int = Field(default=10, ge=1, le=60)
    """Deepest nesting of fields."""
    fields: int = Field(default=500, ge=1, le=100_000)
    """Most fields, those of fragments counted as often as the fragments are used."""
    aliases: int = Field(default=15, ge=0, le=10_000)
    """Most fields under another name: the way to ask for one field a thousand times."""
    directives: int = Field(default=20, ge=0, le=10_000)
    """Most directives."""
    batch: int = Field(default=1, ge=1, le=1_000)
    """Most requests in one body."""
    tokens: int = Field(default=2_000, ge=10, le=100_000)
    """Longest document, in words and signs; nothing longer is parsed."""
    introspection: bool = False
    """Lets clients ask for the schema (`__schema`, `__type`)."""
    operations: list[Annotated[str, Field(pattern=r"^[_A-Za-z][_0-9A-Za-z]{0,127}$")]] = Field(
        default_factory=list, max_length=10_000
    )
    """Names of the operations that clients may run; empty: any."""


class AntivirusPolicy(BaseModel):
    """Which virus scanner looks at uploaded files before they are forwarded. It speaks the clamd protocol (ClamAV)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    address: Annotated[str, AfterValidator(_scanner_address)]
    """A Unix socket (`/run/clamav/clamd.ctl`) or `host:port` (`127.0.0.1:3310`). The protocol encrypts nothing: over
    a network, everybody on the way reads the files and can answer in the scanner's place."""
    timeout_s: float = Field(default=30.0, ge=0.1, le=600.0)
    """Time for all files of one request, waiting for a turn included, in seconds. Then they are unscanned: 503."""
    connections: int = Field(default=8, ge=1, le=1_000)
    """Most files that one worker has scanned at a time; others wait. clamd's `MaxThreads` is 10 by default."""
    insecure_pass_unscanned: bool = False
    """Lets files pass that could not be scanned: the scanner is away, slow, or does not take files of that size.
    Whoever can make it so switches the protection off."""


class ArchivesPolicy(BaseModel):
    """How far archives among the uploads are opened: ZIP (office files too), tar and gzip. Others are refused then."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    entries: int = Field(default=1_000, ge=1, le=100_000)
    """Most entries of one upload, those of archives in it included."""
    inflated_bytes: int = Field(default=32 * 1024 * 1024, ge=1_024, le=1024 * 1024 * 1024)
    """Most bytes that one upload unpacks to, archives in archives counted at each level. For 32 MiB a worker needs some
    50 ms, and a third of a second where the content is made to be dear."""
    ratio: int = Field(default=100, ge=1, le=2_000)
    """Most bytes that one byte of an upload unpacks to, beyond the first MiB. Texts reach 20, spreadsheets 50, deflate
    1030."""
    depth: int = Field(default=2, ge=1, le=8)
    """How many archives may lie in each other: 1 opens one and refuses those in it. A `tar.gz` is one."""


class ValidatePolicy(BaseModel):
    """How strictly a request must fit the API description."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    json_depth: int = Field(default=64, ge=1, le=200)
    """Deepest nesting of a JSON body, in levels. Deeper bodies exhaust the stack of many parsers; no API needs it."""
    json_members: int = Field(default=10_000, ge=1, le=10_000_000)
    """Most members and items of a JSON body, all levels together. Bounds what one body makes us and the upstream do."""
    json_number_digits: int = Field(default=100, ge=1, le=1_000)
    """Longest number, in digits. A double holds 17, a 128-bit decimal 34; converting long ones costs quadratic time."""
    form_fields: int = Field(default=1_000, ge=1, le=100_000)
    """Most fields of a form body, and most parameters of a query."""
    multipart_parts: int = Field(default=100, ge=1, le=10_000)
    """Most parts of a multipart body."""
    upload_bytes: int | None = Field(default=None, ge=0, le=1024 * 1024 * 1024)
    """Largest file of a multipart body, in bytes; a smaller `maxLength` of its property goes before. Beyond it: 413, as
    soon as it is beyond. None: `body_bytes` of `limits` bounds all of them together."""
    allow_unknown_parameters: bool = False
    """Lets query parameters pass that the description does not declare. They reach the upstream unjudged."""
    allow_unknown_properties: bool = False
    """Lets body members pass that the description does not declare: an open door for mass assignment (API3:2023)."""
    read_only_properties: Literal["refuse", "allow"] = "refuse"
    """What becomes of a body member that the description declares `readOnly`."""
    archives: ArchivesPolicy | None = None
    """Opens archives among the uploads. None: they stay closed, and pass as what they are."""
    antivirus: AntivirusPolicy | None = None
    """Has uploaded files scanned. None: they are not."""
    insecure_active_svg: bool = False
    """Lets SVG images with scripts, event handlers and outside references pass where the description names SVG for a
    field. A browser that opens such an image from the API's own address runs what the uploader wrote."""
