"""One writer a shard: held by an advisory lock that the kernel gives back however the process ends."""

import fcntl
import os
from pathlib import Path


class ShardInUse(OSError):
    """Another process writes to this shard."""


def lock(path: Path) -> int:
    """A descriptor that holds the lock until it is closed. Errors: ShardInUse; OSError when the file cannot be made."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise ShardInUse(f"{path}: another process writes this shard of the trail") from None
    return fd
