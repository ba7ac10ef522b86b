import pytest

from doorward.controls.limits import LimitsPolicy, Load, Pressure, Priority, shed_check
from doorward.denial import Denied
from doorward.exchange import Exchange, Headers, Request, Source


def level(pressure: Pressure, *, memory: float = 0.0, trail: float = 0.0, late_s: float = 0.0) -> int:
    pressure.read(memory=memory, trail=trail, late_s=late_s)
    return pressure.level


@pytest.mark.parametrize(
    ("memory", "trail", "late_s", "expected"),
    [
        (0.84, 0.49, 0.09, 0),
        (0.85, 0.0, 0.0, 1),
        (0.0, 0.5, 0.0, 1),
        (0.0, 0.0, 0.1, 1),
        (0.92, 0.5, 0.0, 2),
        (0.0, 0.9, 0.0, 3),
        (1.2, 0.0, 0.0, 3),
    ],
)
def test_the_worst_reading_decides(memory: float, trail: float, late_s: float, expected: int) -> None:
    assert level(Pressure(), memory=memory, trail=trail, late_s=late_s) == expected


def test_it_rises_at_once_and_falls_step_by_step_once_well_below() -> None:
    pressure = Pressure()
    assert level(pressure, memory=0.96) == 3
    assert level(pressure, memory=0.94) == 3, "just below is not over"
    assert [level(pressure, memory=0.5) for _ in range(4)] == [2, 1, 0, 0]


def code(priority: Priority, at: int, *, has_body: bool = False) -> str:
    pressure = Pressure()
    check = shed_check(LimitsPolicy(priority=priority), pressure)
    pressure.level = at
    request = Request("POST", b"/", b"/", b"", Headers([]), has_body=has_body)
    try:
        if check is not None:
            check(Exchange(id="0" * 32, now=0.0, ticks=0.0, source=Source(address="192.0.2.1"), request=request))
    except Denied as denied:
        return denied.code
    return ""


@pytest.mark.parametrize(
    ("priority", "has_body", "refused_from"),
    [("low", False, 1), ("low", True, 1), ("normal", True, 2), ("normal", False, 3), ("high", True, 4)],
)
def test_the_least_important_is_refused_first(priority: Priority, has_body: bool, refused_from: int) -> None:
    refused = [at for at in range(4) if code(priority, at, has_body=has_body) == "limits.overload"]
    assert refused == list(range(refused_from, 4))


def test_at_the_last_level_no_connection_is_taken() -> None:
    pressure = Pressure()
    load = Load(LimitsPolicy(), pressure)
    pressure.level = 2
    load.connect("192.0.2.1")
    pressure.level = 3
    with pytest.raises(Denied, match=r"limits\.overload"):
        load.connect("192.0.2.2")


def test_those_turned_away_are_told_different_times() -> None:
    pressure = Pressure()
    pressure.level = 3
    check = shed_check(LimitsPolicy(), pressure)
    assert check is not None
    request = Request("GET", b"/", b"/", b"", Headers([]))
    told = set()
    for _ in range(100):
        with pytest.raises(Denied) as denied:
            check(Exchange(id="0" * 32, now=0.0, ticks=0.0, source=Source(address="192.0.2.1"), request=request))
        told.add(denied.value.headers[0])
    assert told == {(b"retry-after", b"%d" % wait) for wait in (1, 2, 3)}
