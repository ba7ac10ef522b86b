"""Tells that a file changed, without reading it."""

from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[int, int, int]


def stamp(path: Path) -> Stamp:
    """What changes when a file is replaced, or its mode: inode, size, time of change; zeros when there is none."""
    try:
        facts = path.stat()
    except OSError:
        return (0, 0, 0)
    return (facts.st_ino, facts.st_size, facts.st_ctime_ns)
