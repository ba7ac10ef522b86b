"""Many patterns as one automaton of Hyperscan, and the compiled form kept for the next process.

Compiling takes most of a second for hundreds of patterns, reading the compiled form less than a millisecond: a worker
that replaces another should not keep callers waiting. What is kept lies in the state directory, readable and writable
by nobody else, under the digest of what it was made from, with a digest of its own; what does not fit is made again.
Of several processes that start at once one compiles, and the others wait and read.
"""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import hyperscan
import structlog

_log: Final = structlog.get_logger()
_DIGEST: Final = 32
_kept_in: list[Path] = []


def keep_in(directory: Path) -> None:
    """Keep compiled automata in this directory from now on; it is made when the first one is."""
    _kept_in[:] = [directory]


def automaton(patterns: Sequence[str], *, ignore_case: bool = False) -> hyperscan.Database:
    """The patterns (bytes of UTF-8, `.` matches every byte) as one database; each is reported once a scan."""
    flags = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL
    flags |= hyperscan.HS_FLAG_CASELESS if ignore_case else 0
    path = _path(patterns, flags)
    if path is None:
        return _compiled(patterns, flags)
    if (database := _read(path)) is not None:
        return database
    with _alone(path):
        if (database := _read(path)) is None:
            # whoever waits for the first start is told why
            _log.info("compiling patterns, once; the next start reads them", patterns=len(patterns))
            database = _compiled(patterns, flags)
            _write(path, hyperscan.dumpb(database))
    return database


def _compiled(patterns: Sequence[str], flags: int) -> hyperscan.Database:
    database = hyperscan.Database()
    database.compile(
        expressions=[pattern.encode() for pattern in patterns],
        ids=list(range(len(patterns))),
        elements=len(patterns),
        flags=[flags] * len(patterns),
    )
    return database


def _path(patterns: Sequence[str], flags: int) -> Path | None:
    if not _kept_in:
        return None
    made_from = "\0".join((version("hyperscan"), str(flags), *patterns))
    return _kept_in[0] / f"{hashlib.sha256(made_from.encode()).hexdigest()}.hs"


def _read(path: Path) -> hyperscan.Database | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            _log.warning("kept automaton not used: others could have written it", file=str(path))
            return None
        content = file.read()
    digest, data = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(data).digest() != digest:
        return None
    try:
        database = hyperscan.loadb(data, hyperscan.HS_MODE_BLOCK)
        database.scratch = hyperscan.Scratch(database)
    except hyperscan.HyperscanError:  # made for another processor
        return None
    return database


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else compiles this one meanwhile; where that cannot be had, several do, which costs only time."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            lock = path.with_suffix(".lock")
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            held.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Whoever opened it before it goes finds the automaton; whoever comes later, too.
            held.callback(lock.unlink, missing_ok=True)
        yield


def _write(path: Path, data: bytes) -> None:
    """Nothing; what cannot be kept is made again next time."""
    with contextlib.suppress(OSError):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(data).digest() + data)
        Path(name).rename(path)
