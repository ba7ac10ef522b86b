from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.waiting import until

from doorward.audit.verify import State, verify_trail

if TYPE_CHECKING:
    from tests.faults.conftest import Running, Start

SEGMENT_BYTES = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounting.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounting.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, *, leave_bytes: int) -> Path:
    filler = disk / "filler"
    free = os.statvfs(disk)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - leave_bytes)
    return filler


def served_or_refused(running: Running) -> bool:
    """Whether it is served; what is neither is a mistake."""
    status, _ = running.ask()
    assert status in {200, 503}
    return status == 200


def test_with_the_trails_disk_full_requests_are_refused_and_served_again_once_there_is_room(
    start: Start, small_disk: Path
) -> None:
    trail = small_disk / "audit"
    with start(f"audit: {{directory: {trail}, segment_bytes: {SEGMENT_BYTES}}}\n") as running:
        assert running.ask()[0] == 200
        filler = fill(small_disk, leave_bytes=0)
        # Bytes that the last segment holds in reserve are used up first.
        refused = exhaust(running)
        assert refused["type"] == "urn:doorward:denial:audit.unavailable"
        assert running.ask()[0] == 503
        filler.unlink()
        until(lambda: served_or_refused(running), "with room again, nothing is served")
        assert running.stop() == 0
        assert verify_trail(trail).state is State.INTACT


def exhaust(running: Running) -> dict[str, object]:
    """Ask, with as large a record as can be had, until there is no room for another; the refusal."""
    connection = running.connect()
    for _ in range(SEGMENT_BYTES // 256):
        connection.request("GET", "/items/1", headers={"x-api-key": running.key, "user-agent": "a" * 1024})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 503:
            connection.close()
            return dict(running.parsed(body))
        assert answer.status == 200
    raise AssertionError("the reserve is larger than a segment")
