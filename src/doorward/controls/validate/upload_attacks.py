"""Attacks by uploaded files, each with its twin: archives that climb, unfold or have two readings; images that run."""

import io
import struct
import tarfile
import zipfile
from typing import Final, Literal

from doorward.attack.case import Attack, Family, Send

_MISCONFIGURED: Final = "API8:2023 Security misconfiguration"
_RESOURCES: Final = "API4:2023 Unrestricted resource consumption"
_ZIP: Final = "application/zip"
_B14: Final = "hostile-input catalogue B14"
_B15: Final = "hostile-input catalogue B15"
EICAR: Final = b"-".join((b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR", b"STANDARD", b"ANTIVIRUS", b"TEST", b"FILE!$H+H*"))
"""The harmless text that scanners agree to take for malware; in pieces, so that they do not take this file for it."""
_SVG: Final = '<svg xmlns="http://www.w3.org/2000/svg"'


def _zipped(name: str, content: bytes = b"a few plain words\n") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), content, compress_type=zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _linked(target: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        link = tarfile.TarInfo("notes/link")
        link.type, link.linkname = tarfile.SYMTYPE, target
        archive.addfile(link)
    return stream.getvalue()


def _overlapping() -> bytes:
    """Two names in the directory for the content of one entry: a thousand would unfold it a thousand times."""
    one = _zipped("a.txt")
    start, end = one.index(b"PK\x01\x02"), one.index(b"PK\x05\x06")
    entry = one[start:end]
    directory = entry + entry.replace(b"a.txt", b"b.txt")
    return one[:start] + directory + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 2, 2, len(directory), start, 0)


_attack: Final = Family(control="validate", threat=_MISCONFIGURED).attack
_costly: Final = Family(control="validate", threat=_RESOURCES).attack


def _files(
    media_type: str, sent: bytes, twin: bytes, looked_into: Literal["", "archives", "antivirus"] = ""
) -> tuple[Send, Send]:
    """The upload of a file, and of its twin."""
    return (
        lambda samples: samples.upload(media_type, sent, looked_into=looked_into),
        lambda samples: samples.upload(media_type, twin, looked_into=looked_into),
    )


def _archives(sent: bytes, twin: bytes, media_type: str = _ZIP) -> tuple[Send, Send]:
    return _files(media_type, sent, twin, "archives")


UPLOAD_ATTACKS: Final[tuple[Attack, ...]] = (
    _attack(
        "archive_slip",
        "have an archive unpacked over a file outside its directory",
        "archive",
        f"{_B15}; CWE-22 (zip slip)",
        *_archives(_zipped("../../notes.txt"), _zipped("notes.txt")),
    ),
    _attack(
        "archive_link",
        "have an archive unpack a link that leads out of its directory",
        "archive",
        f"{_B15}; CWE-59; CVE-2007-4559",
        *_archives(_linked("../../etc"), _linked("../other"), "application/gzip"),
    ),
    _costly(
        "archive_bomb",
        "send four megabytes of zeros in four kilobytes",
        "archive",
        f"{_B15}; CWE-409",
        *_archives(_zipped("a.bin", bytes(4 << 20)), _zipped("a.bin", bytes(4 << 10))),
    ),
    _costly(
        "archive_overlapping",
        "give two entries of an archive one content, the way to a bomb without nesting",
        "archive",
        f"{_B15}; Fifield, A better zip bomb (WOOT 2019)",
        *_archives(_overlapping(), _zipped("a.txt")),
    ),
    _attack(
        "archive_two_names",
        "name an entry differently where another reader looks",
        "archive",
        f"{_B15}; CWE-436",
        *_archives(_zipped("a.txt").replace(b"a.txt", b"b.exe", 1), _zipped("a.txt")),
    ),
    _attack(
        "archive_program",
        "hide a script for the server in an archive",
        "archive",
        f"{_B15}; CWE-434",
        *_archives(_zipped("shell.php"), _zipped("shell.txt")),
    ),
    _attack(
        "upload_active_svg",
        "upload an image that runs a script where it is opened",
        "upload",
        f"{_B14}; CWE-79; SVG 2 section 15",
        *_files("image/svg+xml", f'{_SVG} onload="alert(1)"/>'.encode(), f'{_SVG} id="logo"/>'.encode()),
    ),
    _attack(
        "upload_leading_svg",
        "upload an image that fetches from another server when it is shown",
        "upload",
        f"{_B14}; CWE-918; SVG 2 section 2.6",
        *_files(
            "image/svg+xml",
            f'{_SVG}><image href="https://elsewhere.example/a.png"/></svg>'.encode(),
            f'{_SVG}><use href="#a"/></svg>'.encode(),
        ),
    ),
    _attack(
        "upload_html_as_text",
        "upload a page as a text, for browsers that look at the content",
        "upload",
        f"{_B14}; CWE-646; WHATWG MIME Sniffing",
        *_files("text/plain", b"<body onload=alert(1)>hello", b"(body onload=alert(1))hello"),
    ),
    _attack(
        "malware",
        "upload what every virus scanner knows",
        "malware",
        f"{_B14}; EICAR anti-malware test file; CWE-434",
        *_files("text/plain", EICAR, EICAR[::-1], "antivirus"),
    ),
    _attack(
        "unscanned",
        "upload a file while the virus scanner is away",
        "unscanned",
        f"{_B14}; CWE-636 (not failing securely)",
        lambda samples: samples.lab("scanner_away"),
        lambda samples: samples.lab("scanner_there"),
    ),
    _costly(
        "upload_too_large",
        "upload a file one byte larger than its field takes",
        "upload_size",
        "CWE-770; OWASP ASVS 5.0 V5.2.1",
        lambda samples: samples.sized_upload(beyond=1),
        lambda samples: samples.sized_upload(beyond=0),
    ),
)
