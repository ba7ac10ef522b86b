"""A writer that is killed at any moment: what it acknowledged is there, and the trail verifies after the next start."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from doorward.audit.reading import read_trail
from doorward.audit.verify import State, verify_trail
from doorward.controls.audit.records import Kind, Outcome, decode

if TYPE_CHECKING:
    from tests.audit.conftest import TrailKit

CHILD = textwrap.dedent(
    """
    import asyncio, os, sys
    from pathlib import Path
    from doorward.audit.writer import AuditWriter
    from doorward.controls.audit.record import encode
    from doorward.controls.audit.records import Intent, Kind, Outcome

    async def main(root, first) -> None:
        loop = asyncio.get_running_loop()
        writer = AuditWriter(root / "audit", "worker-0", loop=loop, signing_key=root / "keys" / "audit.key",
                             segment_bytes=20_000)
        async def exchange(number: int) -> None:
            request_id = number.to_bytes(16, "big")
            intent = Intent(request_id, 1, "op", "POST", "/a", "alice", "::1", b"", "v1")
            outcome = Outcome(request_id, 1, "op", "POST", "/a", 201, "alice", "user", "c", ("clerk",), "::1", 1,
                              "TLSv1.3", "v1", 1, 2, 3, b"", "")
            for record in (encode(Kind.INTENT, intent), encode(Kind.OUTCOME, outcome)):
                told = loop.create_future()
                writer.append(record, told.set_result)
                assert await told
            os.write(1, b"%d\\n" % number)
        while True:
            await asyncio.gather(*(exchange(first + step) for step in range(7)))
            first += 7

    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
    """
)


def _kill_loop(kit: TrailKit, kills: int) -> None:
    acknowledged: set[int] = set()
    first = 1
    for _ in range(kills):
        command = [sys.executable, "-c", CHILD, str(kit.directory.parent), str(first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(random.randrange(1, 400)):
                acknowledged.add(int(child.stdout.readline()))
            os.kill(child.pid, signal.SIGKILL)
            acknowledged.update(int(line) for line in child.stdout.read().split(b"\n")[:-1] if line)
        first = max(acknowledged) + 1000
        verdict = verify_trail(kit.directory, kit.public_key)
        assert verdict.state is not State.TAMPERED, verdict.problems
    kit.open().close()
    verdict = verify_trail(kit.directory, kit.public_key)
    assert verdict.intact, verdict.problems
    entries = [decode(r.kind, r.payload) for r in read_trail(kit.directory) if r.kind == Kind.OUTCOME]
    outcomes = [entry.request_id for entry in entries if isinstance(entry, Outcome)]
    counted = {int.from_bytes(request_id, "big") for request_id in outcomes}
    assert len(counted) == len(outcomes)
    assert acknowledged <= counted


def test_no_acknowledged_record_is_lost_to_a_kill(kit: TrailKit) -> None:
    _kill_loop(kit, 4)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_acknowledged_record_is_lost_to_forty_kills(kit: TrailKit) -> None:
    _kill_loop(kit, 40)
