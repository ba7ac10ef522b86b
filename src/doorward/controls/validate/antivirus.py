"""What a virus scanner is sent and what its answer means. To ask it is for `doorward.antivirus`: controls do no I/O.

Source: clamd(8), INSTREAM: the command, then pieces with their length in four bytes in front, then a length of zero;
one answer, ended by NUL. What is not plainly OK is no OK: a malformed, cut or missing answer leaves a file unscanned.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from doorward.controls.validate.body import takes_files
from doorward.controls.validate.policy import AntivirusPolicy, ValidatePolicy
from doorward.denial import Denied
from doorward.exchange import Exchange
from doorward.operation import Operation

Settle: TypeAlias = Callable[[Exchange, Denied | None], None]
"""Given what the scanner said (None: nothing was found), lets the exchange go on. Errors: Denied."""
ANSWER_END: Final = b"\0"
ANSWER_BYTES: Final = 1_024
"""Longest answer, in bytes; a signature's name has some dozens."""
_PIECE_BYTES: Final = 64 << 10
_ANSWER: Final = re.compile(rb"stream: (?:OK|([\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?) FOUND)\x00")
_RETRY_S: Final = b"5"


def instream(data: bytes) -> Iterator[bytes]:
    r"""A file as clamd takes it, in pieces.

    >>> b"".join(instream(b"abc"))
    b'zINSTREAM\x00\x00\x00\x00\x03abc\x00\x00\x00\x00'
    """
    yield b"zINSTREAM\0"
    for start in range(0, len(data), _PIECE_BYTES):
        piece = data[start : start + _PIECE_BYTES]
        yield len(piece).to_bytes(4, "big") + piece
    yield bytes(4)


def judge_answer(answer: bytes, place: str) -> None:
    """Nothing, when the scanner found nothing in the file of this field.

    Errors: Denied `validate.malware`, its detail the signature; `validate.unscanned` for any other answer.
    """
    found = _ANSWER.fullmatch(answer)
    if found is None:
        raise unscanned(f"{place}: the scanner answered {answer[:100]!r}")
    if found[1] is not None:
        raise Denied("validate.malware", f"{place}: {found[1].decode('ascii')}")


def unscanned(detail: str) -> Denied:
    """The denial of a file that could not be scanned."""
    return Denied("validate.unscanned", detail, headers=((b"retry-after", _RETRY_S),))


def compile_scan(operation: Operation, policy: ValidatePolicy) -> tuple[AntivirusPolicy, Settle] | None:
    """How the files of the operation are scanned, and what becomes of the verdict; None where none are."""
    settings = policy.antivirus
    if settings is None or not takes_files(operation):
        return None
    passes_unscanned = settings.insecure_pass_unscanned

    def settle(exchange: Exchange, denied: Denied | None) -> None:
        if denied is None:
            return
        if denied.code == "validate.unscanned" and passes_unscanned:
            exchange.findings.append(denied.code)
            return
        raise denied

    return settings, settle


def total_bytes(uploads: Iterable[tuple[str, bytes]]) -> int:
    """How many bytes there are to scan."""
    return sum(len(data) for _, data in uploads)
