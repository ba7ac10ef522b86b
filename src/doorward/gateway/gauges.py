"""Reads, four times a second, what a worker may run out of: memory, room for records, time."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from doorward.controls.limits import Pressure

_log: Final = structlog.get_logger()

STEP_S: Final = 0.25
"""Time between two readings, in seconds."""
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_UNLIMITED: Final = 1 << 60
_PROC: Final = Path("/proc/self")
_GROUPS: Final = Path("/sys/fs/cgroup")


class Memory:
    """How full the memory is: this process's against its own bound, and its control group's against the group's."""

    def __init__(self, own_bytes: int | None, *, proc: Path = _PROC, groups: Path = _GROUPS) -> None:
        self._own_bytes = own_bytes
        self._statm = proc / "statm"
        self._group = _group_of(proc, groups)

    def part(self) -> float:
        """The larger of the two, 0 to 1 and above; 0 when there is no bound, or none can be read."""
        try:
            own = self._resident_bytes() / self._own_bytes if self._own_bytes else 0.0
            return max(own, _group_part(self._group) if self._group else 0.0)
        except (OSError, ValueError, IndexError):
            return 0.0

    def _resident_bytes(self) -> int:
        return int(self._statm.read_bytes().split()[1]) * _PAGE_BYTES


class Gauges:
    """Sets the worker's pressure until it is stopped."""

    def __init__(
        self,
        pressure: Pressure,
        memory: Memory,
        trail: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`trail` says how full the queue of records is, 0 to 1."""
        self._pressure, self._memory, self._trail, self._loop = pressure, memory, trail, loop
        self._due = loop.time() + STEP_S
        self._timer = loop.call_at(self._due, self._read)

    def stop(self) -> None:
        """Read no more."""
        self._timer.cancel()

    def _read(self) -> None:
        now = self._loop.time()
        memory, trail, late_s = self._memory.part(), self._trail(), now - self._due
        self._due = now + STEP_S
        self._timer = self._loop.call_at(self._due, self._read)
        if self._pressure.read(memory=memory, trail=trail, late_s=late_s):
            say = _log.warning if self._pressure.level else _log.info
            say(
                "pressure",
                of_level=self._pressure.level,
                memory=round(memory, 3),
                trail=round(trail, 3),
                late_s=round(late_s, 3),
            )


def _group_of(proc: Path, groups: Path) -> Path | None:
    """The folder of the control group (version 2) whose bound holds for this process; None when there is none."""
    try:
        lines = (proc / "cgroup").read_text().splitlines()
    except OSError:
        return None
    place = next((line[3:] for line in lines if line.startswith("0::")), "")
    folder = groups / place.lstrip("/")
    while True:
        if _bound(folder) < _UNLIMITED:
            return folder
        if folder == groups or groups not in folder.parents:
            return None
        folder = folder.parent


def _bound(folder: Path) -> int:
    try:
        text = (folder / "memory.max").read_text().strip()
    except OSError:
        return _UNLIMITED
    return _UNLIMITED if text == "max" else int(text)


def _group_part(folder: Path) -> float:
    """What is used and cannot be given back at once: file pages that nobody uses do not count."""
    used = int((folder / "memory.current").read_text())
    for line in (folder / "memory.stat").read_text().splitlines():
        name, _, count = line.partition(" ")
        if name == "inactive_file":
            used -= int(count)
            break
    return used / _bound(folder)
