import pytest

from doorward.controls.limits import LimitsPolicy, Load, Pressure
from doorward.denial import Denied


def test_connections_beyond_the_workers_limit_are_refused_until_one_closes() -> None:
    load = Load(LimitsPolicy(connections=2), Pressure())
    load.connect("192.0.2.1")
    load.connect("192.0.2.2")
    with pytest.raises(Denied) as refusal:
        load.connect("192.0.2.3")
    assert refusal.value.code == "limits.overload"
    assert refusal.value.headers[0][0] == b"retry-after"
    load.disconnect("192.0.2.1")
    load.connect("192.0.2.3")


def test_one_address_cannot_take_all_connections() -> None:
    load = Load(LimitsPolicy(connections_per_address=2), Pressure())
    load.connect("2001:db8::1")
    load.connect("2001:db8::2")
    with pytest.raises(Denied, match="from 2001:db8::/64"):
        load.connect("2001:db8::3")
    load.connect("2001:db8:0:1::1")
    load.disconnect("2001:db8::1")
    load.connect("2001:db8::3")


def test_bodies_share_one_budget_and_give_back_what_they_held() -> None:
    load = Load(LimitsPolicy(buffered_bytes=100_000), Pressure())
    load.hold(60_000)
    with pytest.raises(Denied, match=r"limits\.overload"):
        load.hold(60_000)
    load.release(60_000)
    load.hold(100_000)
