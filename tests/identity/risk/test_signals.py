from doorward.identity.risk.signals import FAILING_COUNT, HALF_LIFE_S, CountMin, Signals

NOW = 1_800_000_000.0


def failed(signals: Signals, account: str, secret: str, now: float = NOW, *, known: bool = False) -> None:
    signals.failed(account, secret, address="192.0.2.1", known_device=known, weight=1.0, now=now)


def test_a_repeated_guess_is_known_for_its_account_alone_until_the_day_is_over() -> None:
    signals = Signals()
    failed(signals, "a", "guess")
    assert signals.is_repeated("a", "guess", NOW)
    assert not signals.is_repeated("b", "guess", NOW)
    assert not signals.is_repeated("a", "guess", NOW + 86_401)
    failed(signals, "a", "guess", NOW + 86_402)
    signals.forget_guess("a", "guess", NOW + 86_402)
    assert not signals.is_repeated("a", "guess", NOW + 86_402)


def test_one_password_failing_at_five_accounts_is_sprayed() -> None:
    signals = Signals()
    for number in range(4):
        failed(signals, f"a{number}", "Winter2026")
        failed(signals, f"a{number}", "Winter2026")
    assert not signals.is_sprayed("Winter2026", NOW)
    failed(signals, "a4", "Winter2026")
    assert signals.is_sprayed("Winter2026", NOW)
    assert not signals.is_sprayed("Summer2026", NOW)


def test_failing_everywhere_shows_for_ten_minutes_and_known_devices_do_not_count() -> None:
    signals = Signals()
    for number in range(FAILING_COUNT):
        failed(signals, f"a{number}", "x", known=True)
    assert not signals.many_fail(NOW)
    for number in range(FAILING_COUNT):
        failed(signals, f"b{number}", "x")
    assert signals.many_fail(NOW + 599)
    assert not signals.many_fail(NOW + 600)


def test_the_switch_stays_on_while_unknown_devices_go_on_trying_and_no_longer() -> None:
    signals = Signals()
    signals.challenged("a", "y", NOW)
    for number in range(FAILING_COUNT):
        failed(signals, f"a{number}", "x")
    for minute in range(0, 3_600, 5):
        signals.challenged(f"b{minute}", f"guess {minute}", NOW + minute)
    assert signals.many_fail(NOW + 3_600)
    signals.challenged("a", "y", NOW + 4_300)
    assert not signals.many_fail(NOW + 4_300)


def test_a_sprayed_password_does_not_keep_the_switch_on_for_everybody() -> None:
    signals = Signals()
    for number in range(FAILING_COUNT):
        failed(signals, f"a{number}", "sprayed")
    for minute in range(0, 1_200, 5):
        signals.challenged(f"b{minute}", "sprayed", NOW + minute)
    assert not signals.many_fail(NOW + 600)


def test_one_account_under_attack_does_not_keep_the_switch_on_for_everybody() -> None:
    signals = Signals()
    for number in range(2 * FAILING_COUNT):
        failed(signals, "victim", f"guess {number}")
    assert not signals.many_fail(NOW)
    for number in range(FAILING_COUNT):
        failed(signals, f"a{number}", "x")
    for minute in range(0, 1_200, 5):
        signals.challenged("victim", f"guess {minute}", NOW + minute)
    assert not signals.many_fail(NOW + 600)


def test_spraying_is_noticed_while_everybody_is_challenged() -> None:
    signals = Signals()
    for number in range(5):
        signals.challenged(f"a{number}", "Winter2026", NOW)
        signals.challenged(f"a{number}", "Winter2026", NOW)
    assert signals.is_sprayed("Winter2026", NOW)
    assert not signals.is_repeated("a0", "Winter2026", NOW)


def test_an_address_is_forgiven_half_every_twelve_hours_and_by_the_operator() -> None:
    signals = Signals()
    for number in range(8):
        failed(signals, f"a{number}", "x")
    assert signals.address_score("192.0.2.1", NOW) == 8.0
    assert signals.address_score("192.0.2.1", NOW + HALF_LIFE_S) == 4.0
    assert signals.address_score("192.0.2.2", NOW) == 0.0
    signals.forget_address("192.0.2.1")
    assert signals.address_score("192.0.2.1", NOW) == 0.0


def test_the_addresses_of_one_ipv6_line_are_one() -> None:
    signals = Signals()
    for number in range(4):
        signals.failed(f"a{number}", "x", address=f"2001:db8::{number}", known_device=False, weight=1.0, now=NOW)
    assert signals.address_score("2001:db8::ffff", NOW) == 4.0
    assert signals.address_score("2001:db8:0:1::1", NOW) == 0.0
    assert signals.address_score("::bad::", NOW) == 0.0


def test_the_sketch_never_counts_too_low() -> None:
    sketch = CountMin()
    items = [str(number).encode() for number in range(5_000)]
    for item in items:
        sketch.add(item)
    assert all(sketch.count(item) >= 1 for item in items)
    assert sum(sketch.count(str(number).encode()) > 0 for number in range(10_000, 11_000)) < 5


def test_no_password_is_kept() -> None:
    signals = Signals()
    failed(signals, "a", "hunter2-hunter2")
    assert b"hunter2" not in b"".join(signals._guesses)


def test_how_many_accounts_must_fail_is_what_the_policy_says_now() -> None:
    most = 10
    signals = Signals(lambda: most)
    for number in range(20):
        assert signals.many_fail(NOW) == (number >= 10)
        signals.failed(
            f"a{number}", f"x{number}", address=f"198.51.100.{number}", known_device=False, weight=1, now=NOW
        )
    most = 200
    assert not signals.many_fail(NOW)
