import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.controls.authenticate.partner import exchange_of

from doorward.attack.case import Ask
from doorward.controls.authenticate.replay import OwnReplays, ReplaySet, once_check
from doorward.denial import Denied
from doorward.exchange import Caller, Exchange, Pending, SingleUse

REFUSAL = Denied("authenticate.signature_replayed", "seen")


def proof(name: bytes = b"proof", usable_from: float = 100.0, until: float = 160.0) -> SingleUse:
    return SingleUse(proof=name, usable_from=usable_from, until=until, refusal=REFUSAL)


def claimed(seen: ReplaySet, name: bytes = b"proof", at: float = 100.0, life_s: float = 60.0, now: float = 0.0) -> str:
    return seen.claim(name, usable_from=at, until=at + life_s, now=now or at)


def test_a_proof_is_seen_until_it_is_void() -> None:
    seen = ReplaySet(born_at=0.0)
    assert claimed(seen) == "first"
    assert claimed(seen, now=159.9) == "seen"
    assert claimed(seen, b"other") == "first"


def test_a_proof_that_claims_another_end_is_still_the_same() -> None:
    seen = ReplaySet(born_at=0.0)
    assert claimed(seen) == "first"
    assert claimed(seen, life_s=10.0) == "seen"
    assert claimed(seen, at=140.0) == "seen"


def test_what_could_have_been_accepted_before_the_set_began_is_unknown() -> None:
    seen = ReplaySet(born_at=100.0)
    assert claimed(seen, at=100.0) == "unknown"
    assert claimed(seen, at=100.5) == "first"


def test_void_proofs_are_forgotten() -> None:
    seen = ReplaySet(born_at=0.0)
    for second in range(1, 1_000):
        assert claimed(seen, b"%d" % second, at=float(second)) == "first"
        assert len(seen) <= 60 + 8 + 1


def test_a_clock_set_back_makes_nothing_acceptable_again() -> None:
    seen = ReplaySet(born_at=0.0)
    assert claimed(seen) == "first"
    assert claimed(seen, b"later", at=300.0) == "first"
    assert claimed(seen, now=120.0) == "unknown"
    assert claimed(seen, b"later", at=300.0, now=290.0) == "seen"


def test_a_full_set_takes_no_more_rather_than_forget() -> None:
    seen = ReplaySet(born_at=0.0, most=2)
    assert [claimed(seen, name) for name in (b"a", b"b", b"c", b"a")] == ["first", "first", "unknown", "seen"]
    assert claimed(seen, b"c", at=200.0) == "first"


def test_nobody_takes_the_room_of_all() -> None:
    seen = ReplaySet(born_at=0.0, most=4)

    def shown(holder: str, name: bytes, now: float = 100.0) -> str:
        return seen.claim(name, usable_from=now, until=now + 60, now=now, holder=holder)

    assert [shown("one", name) for name in (b"a", b"b", b"c", b"a")] == ["first", "first", "unknown", "seen"]
    assert [shown("other", name) for name in (b"d", b"e")] == ["first", "first"]
    assert shown("third", b"f") == "unknown"
    assert [shown("one", name, 200.0) for name in (b"g", b"h", b"i")] == ["first", "first", "unknown"]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=60))
def test_no_proof_passes_twice_while_it_could_be_accepted(steps: list[tuple[int, int]]) -> None:
    seen = ReplaySet(born_at=0.0, most=4)
    now, passed = 1_000.0, dict[int, float]()
    for name, pause in steps:
        now += pause
        if seen.claim(bytes([name]), usable_from=now, until=now + 60, now=now) == "first":
            assert passed.get(name, 0.0) < now
            passed[name] = now + 60


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2_000), st.integers(0, 360)), max_size=60))
def test_no_proof_is_first_twice_however_the_clock_jumps_and_however_late_it_is_shown(
    steps: list[tuple[int, int, int]],
) -> None:
    seen = ReplaySet(born_at=0.0, most=4)
    passed = set()
    for name, now, life_s in steps:
        usable_from = 100.0 * name
        if seen.claim(bytes([name]), usable_from=usable_from, until=usable_from + life_s, now=now) == "first":
            assert name not in passed
            passed.add(name)


def test_a_clock_that_jumped_ahead_and_back_ends_nothing_for_long() -> None:
    seen = ReplaySet(born_at=0.0)
    assert claimed(seen, b"a") == "first"
    assert claimed(seen, b"b", at=90_000.0) == "first"
    assert claimed(seen, b"a", now=101.0) == "unknown"
    assert claimed(seen, b"c", at=105.0) == "first"


def test_proofs_are_kept_as_long_as_the_longest_is_good_for() -> None:
    seen = ReplaySet(born_at=0.0)
    assert claimed(seen, b"long", at=50.0, life_s=300.0) == "first"
    assert claimed(seen) == "first"
    assert claimed(seen, life_s=300.0, now=399.0) == "seen"
    assert claimed(seen, life_s=300.0, now=410.0) == "unknown"


@pytest.mark.parametrize("shown_after_s", range(0, 116, 5))
def test_a_policy_with_less_patience_for_clocks_and_more_for_age_lets_no_proof_pass_twice(shown_after_s: int) -> None:
    made_at = 1_000.0
    seen = ReplaySet(born_at=0.0)
    used = seen.claim(b"once", usable_from=made_at - 60, until=made_at + 60, now=made_at, ahead_s=60)
    assert used == "first"
    now = made_at + shown_after_s
    seen.claim(b"other", usable_from=now - 5, until=now + 115, now=now, ahead_s=5)
    again = seen.claim(b"once", usable_from=made_at - 5, until=made_at + 115, now=now, ahead_s=5)
    assert again in {"seen", "unknown"}


def test_proofs_that_are_made_now_pass_however_policies_change() -> None:
    seen = ReplaySet(born_at=0.0)
    for number in range(400):
        now, ahead_s, age_s = 1_000.0 + number, (60, 5, 0, 30)[number % 4], (60, 115, 300, 5)[number // 100]
        proof = str(number).encode()
        assert seen.claim(proof, usable_from=now - ahead_s, until=now + age_s, now=now, ahead_s=ahead_s) == "first"


def test_the_check_uses_proofs_up_and_refuses_the_second_time() -> None:
    replays = OwnReplays(born_at=0.0)
    check = once_check(lambda: replays)
    first, second = exchange_of(Ask(), now=101.0), exchange_of(Ask(), now=102.0)
    first.single_use.append(proof())
    second.single_use.append(proof())
    check(first)
    assert first.single_use == []
    first.caller = second.caller = Caller(subject="partner", kind="signature", issuer="us")
    with pytest.raises(Denied) as denied:
        check(second)
    assert denied.value is REFUSAL
    assert (first.caller is None, second.caller is None) == (False, True)


def test_the_check_lets_pass_what_has_nothing_to_use_up() -> None:
    once_check(lambda: OwnReplays(born_at=0.0))(exchange_of(Ask()))


def test_when_nobody_can_tell_the_client_is_asked_to_come_again() -> None:
    exchange = exchange_of(Ask(), now=101.0)
    exchange.single_use.append(proof())
    with pytest.raises(Denied) as denied:
        once_check(lambda: OwnReplays(born_at=100.0))(exchange)
    assert denied.value.code == "authenticate.unavailable"
    assert (b"retry-after", b"5") in denied.value.headers


def test_a_check_that_had_to_wait_goes_on_with_what_is_left() -> None:
    class Asking:
        def __init__(self) -> None:
            self.asked: list[bytes] = []

        def claim(self, exchange: Exchange, proof: SingleUse) -> str:
            if proof.proof in self.asked:
                return "first"
            self.asked.append(proof.proof)
            raise Pending(lambda known: known())

    asking = Asking()
    exchange = exchange_of(Ask())
    exchange.single_use += [proof(b"a"), proof(b"b")]
    check = once_check(lambda: asking)  # type: ignore[arg-type, return-value]
    for left in (2, 1):
        with pytest.raises(Pending):
            check(exchange)
        assert len(exchange.single_use) == left
    check(exchange)
    assert asking.asked == [b"a", b"b"]
