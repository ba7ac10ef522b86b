"""What the gauges read, and that a worker short of something turns the right requests away."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.gateway.lab import Lab, request

from doorward.controls.limits import Pressure
from doorward.gateway.gauges import STEP_S, Gauges, Memory


def machine(root: Path, *, limits: dict[str, str], current: int = 0, inactive: int = 0, pages: int = 0) -> Memory:
    """A process in the group /a/b, of which the groups named in `limits` have a bound."""
    proc, groups = root / "proc", root / "groups"
    proc.mkdir()
    (proc / "cgroup").write_text("0::/a/b\n")
    (proc / "statm").write_text(f"9999 {pages} 3 4 5 6 7\n")
    (groups / "a" / "b").mkdir(parents=True)
    for folder, bound in limits.items():
        (groups / folder / "memory.max").write_text(f"{bound}\n")
        (groups / folder / "memory.current").write_text(f"{current}\n")
        (groups / folder / "memory.stat").write_text(f"anon 1\ninactive_file {inactive}\nactive_file 7\n")
    return Memory(1_000 * 4096, proc=proc, groups=groups)


@pytest.mark.parametrize("bounded", ["a/b", "a"])
def test_the_nearest_bound_counts_without_what_can_be_given_back(tmp_path: Path, bounded: str) -> None:
    limits = {bounded: "1000", **({"a/b": "max"} if bounded == "a" else {})}
    assert machine(tmp_path, limits=limits, current=950, inactive=100).part() == 0.85


def test_its_own_bound_counts_where_it_is_nearer(tmp_path: Path) -> None:
    assert machine(tmp_path, limits={"a": "1000"}, current=100, pages=930).part() == 0.93


def test_without_a_bound_or_without_files_memory_is_no_concern(tmp_path: Path) -> None:
    assert Memory(None, proc=tmp_path, groups=tmp_path).part() == 0.0
    assert machine(tmp_path, limits={"a": "max"}, pages=0).part() == 0.0


def test_this_process_can_be_read() -> None:
    assert 0 < Memory(64 << 30).part() < 1


class Loop:
    """Has a time, and timers that go as the test says."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], object]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object]) -> None:
        self.timers.append((when, callback))

    def fire(self, *, late_s: float) -> None:
        """What is due next, and how late it is."""
        when, callback = self.timers.pop(0)
        self.now = when + late_s
        callback()


def test_a_loop_that_is_late_and_a_trail_that_is_full_are_noticed() -> None:
    pressure, full, loop = Pressure(), [0.0], Loop()
    Gauges(pressure, Memory(None), lambda: full[0], loop)  # type: ignore[arg-type]
    levels = []
    for part, late_s in ((0.0, 0.0), (0.8, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.3), (0.0, 0.05)):
        full[0] = part
        loop.fire(late_s=late_s)
        levels.append(pressure.level)
    assert levels == [0, 2, 1, 0, 2, 1]
    assert [when - loop.now for when, _ in loop.timers] == [STEP_S]


def test_under_pressure_a_connection_ends_with_its_answer(lab: Lab) -> None:
    lab.gateway.pressure.level = 1
    with lab.connect() as client:
        client.send(request())
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.headers[b"connection"]) == (200, b"close")
        assert client.is_closed()


def test_at_the_last_level_a_new_connection_is_turned_away(lab: Lab) -> None:
    with lab.connect() as open_before:
        open_before.send(request())
        assert open_before.answer() is not None
        lab.gateway.pressure.level = 3
        answer = lab.ask(request())
        assert answer is not None
        assert answer.status == 503
        open_before.send(request())
        served = open_before.answer()
        assert served is not None
        assert served.status == 200
