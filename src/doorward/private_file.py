"""Files of secrets: readable by their owner alone, written whole, made once, changed by one at a time."""

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from doorward.errors import PolicyError


def read_private(path: Path) -> bytes | None:
    """What the file holds; None when there is none. Errors: PolicyError when others may read it, or we cannot."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise PolicyError(f"{path} can be read by others", key="state", hint=f"chmod 600 {path}")
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PolicyError(f"{path} cannot be read: {error.strerror}", key="state") from error


def made_once(path: Path, data: bytes) -> bytes:
    """What the file holds from now on: `data`, unless somebody made it first.

    It belongs to whoever owns the directory: who serves must be able to read what root made.
    Errors: PolicyError, OSError.
    """
    # Written whole under another name first: a reader never sees half of it, and of two makers the first one wins.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write_new(temporary, data)
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    found = read_private(path)
    if found is None:
        raise PolicyError(f"{path} vanished", key="state")
    return found


def replace_private(path: Path, data: bytes) -> None:
    """Nothing; the file holds `data` from now on, whole, also after a power cut. One writer at a time.

    It belongs to whoever owns the directory. What a crash leaves is the old file or the new one; at most a file beside
    it, private too, that the next write replaces. Errors: PolicyError, OSError.
    """
    temporary = path.with_name(f".{path.name}.next")
    temporary.unlink(missing_ok=True)
    try:
        _write_new(temporary, data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextlib.contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """While it lasts nobody else changes the files there: of two who read and write, one would lose the other's.

    Errors: OSError.
    """
    # the directory itself: a lock file made by root would shut out whoever serves
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write_new(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        _give_to_owner(descriptor, path.parent)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _give_to_owner(descriptor: int, directory: Path) -> None:
    owner, made = directory.stat(), os.fstat(descriptor)
    if owner.st_uid == made.st_uid:
        return
    try:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    except PermissionError as error:
        raise PolicyError(
            f"{directory} belongs to somebody else, who could not read a new key", key="state", hint="run as its owner"
        ) from error
