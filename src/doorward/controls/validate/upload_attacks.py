"""Attacks by uploaded files, each with its twin: archives that climb, unfold or have two readings; images that run."""

import io
import struct
import tarfile
import zipfile
from typing import Final

from doorward.attack.case import Attack

_MISCONFIGURED: Final = "API8:2023 Security misconfiguration"
_RESOURCES: Final = "API4:2023 Unrestricted resource consumption"
_ZIP: Final = "application/zip"
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


UPLOAD_ATTACKS: Final[tuple[Attack, ...]] = (
    Attack(
        id="validate.archive_slip",
        name="have an archive unpacked over a file outside its directory",
        earns="validate.archive",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B15; CWE-22 (zip slip)",
        send=lambda samples: samples.upload(_ZIP, _zipped("../../notes.txt"), looked_into="archives"),
        twin=lambda samples: samples.upload(_ZIP, _zipped("notes.txt"), looked_into="archives"),
    ),
    Attack(
        id="validate.archive_link",
        name="have an archive unpack a link that leads out of its directory",
        earns="validate.archive",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B15; CWE-59; CVE-2007-4559",
        send=lambda samples: samples.upload("application/gzip", _linked("../../etc"), looked_into="archives"),
        twin=lambda samples: samples.upload("application/gzip", _linked("../other"), looked_into="archives"),
    ),
    Attack(
        id="validate.archive_bomb",
        name="send four megabytes of zeros in four kilobytes",
        earns="validate.archive",
        threat=_RESOURCES,
        source="hostile-input catalogue B15; CWE-409",
        send=lambda samples: samples.upload(_ZIP, _zipped("a.bin", bytes(4 << 20)), looked_into="archives"),
        twin=lambda samples: samples.upload(_ZIP, _zipped("a.bin", bytes(4 << 10)), looked_into="archives"),
    ),
    Attack(
        id="validate.archive_overlapping",
        name="give two entries of an archive one content, the way to a bomb without nesting",
        earns="validate.archive",
        threat=_RESOURCES,
        source="hostile-input catalogue B15; Fifield, A better zip bomb (WOOT 2019)",
        send=lambda samples: samples.upload(_ZIP, _overlapping(), looked_into="archives"),
        twin=lambda samples: samples.upload(_ZIP, _zipped("a.txt"), looked_into="archives"),
    ),
    Attack(
        id="validate.archive_two_names",
        name="name an entry differently where another reader looks",
        earns="validate.archive",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B15; CWE-436",
        send=lambda samples: samples.upload(
            _ZIP, _zipped("a.txt").replace(b"a.txt", b"b.exe", 1), looked_into="archives"
        ),
        twin=lambda samples: samples.upload(_ZIP, _zipped("a.txt"), looked_into="archives"),
    ),
    Attack(
        id="validate.archive_program",
        name="hide a script for the server in an archive",
        earns="validate.archive",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B15; CWE-434",
        send=lambda samples: samples.upload(_ZIP, _zipped("shell.php"), looked_into="archives"),
        twin=lambda samples: samples.upload(_ZIP, _zipped("shell.txt"), looked_into="archives"),
    ),
    Attack(
        id="validate.upload_active_svg",
        name="upload an image that runs a script where it is opened",
        earns="validate.upload",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B14; CWE-79; SVG 2 section 15",
        send=lambda samples: samples.upload("image/svg+xml", f'{_SVG} onload="alert(1)"/>'.encode()),
        twin=lambda samples: samples.upload("image/svg+xml", f'{_SVG} id="logo"/>'.encode()),
    ),
    Attack(
        id="validate.upload_leading_svg",
        name="upload an image that fetches from another server when it is shown",
        earns="validate.upload",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B14; CWE-918; SVG 2 section 2.6",
        send=lambda samples: samples.upload(
            "image/svg+xml", f'{_SVG}><image href="https://elsewhere.example/a.png"/></svg>'.encode()
        ),
        twin=lambda samples: samples.upload("image/svg+xml", f'{_SVG}><use href="#a"/></svg>'.encode()),
    ),
    Attack(
        id="validate.upload_html_as_text",
        name="upload a page as a text, for browsers that look at the content",
        earns="validate.upload",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B14; CWE-646; WHATWG MIME Sniffing",
        send=lambda samples: samples.upload("text/plain", b"<body onload=alert(1)>hello"),
        twin=lambda samples: samples.upload("text/plain", b"(body onload=alert(1))hello"),
    ),
    Attack(
        id="validate.malware",
        name="upload what every virus scanner knows",
        earns="validate.malware",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B14; EICAR anti-malware test file; CWE-434",
        send=lambda samples: samples.upload("text/plain", EICAR, looked_into="antivirus"),
        twin=lambda samples: samples.upload("text/plain", EICAR[::-1], looked_into="antivirus"),
    ),
    Attack(
        id="validate.unscanned",
        name="upload a file while the virus scanner is away",
        earns="validate.unscanned",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B14; CWE-636 (not failing securely)",
        send=lambda samples: samples.lab("scanner_away"),
        twin=lambda samples: samples.lab("scanner_there"),
    ),
    Attack(
        id="validate.upload_too_large",
        name="upload a file one byte larger than its field takes",
        earns="validate.upload_size",
        threat=_RESOURCES,
        source="CWE-770; OWASP ASVS 5.0 V5.2.1",
        send=lambda samples: samples.sized_upload(beyond=1),
        twin=lambda samples: samples.sized_upload(beyond=0),
    ),
)
