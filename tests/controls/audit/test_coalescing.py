from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from doorward.controls.audit.coalescing import KEYS, RECORDED, Coalescing
from doorward.controls.audit.records import Coalesced, decode
from doorward.denial import Denied
from doorward.exchange import Caller, Exchange, Headers, Request, Source

CODE = "authenticate.missing"


def refusal(address: str = "192.0.2.7", code: str = CODE, *, number: int = 0, ticks: float = 0.0) -> Exchange:
    exchange = Exchange(
        id=f"{number:032x}",
        now=1_700_000_000.0 + ticks,
        ticks=ticks,
        source=Source(address=address),
        request=Request("GET", b"/x\x1b", b"/x\x1b", b"", Headers([])),
    )
    exchange.denied = Denied(code, "no")
    return exchange


def told(coalescing: Coalescing, ticks: float) -> list[Coalesced]:
    entries = [decode(record.kind, record.payload) for record, _ in coalescing.due(ticks)]
    assert all(isinstance(entry, Coalesced) for entry in entries)
    return [entry for entry in entries if isinstance(entry, Coalesced)]


def test_the_first_few_of_a_second_are_recorded_and_the_rest_counted() -> None:
    coalescing = Coalescing()
    taken = [coalescing.takes(refusal(number=number)) for number in range(10)]
    assert taken == [False] * RECORDED + [True] * (10 - RECORDED)
    (entry,) = told(coalescing, 1.0)
    assert (entry.network, entry.code, entry.count) == ("192.0.2.0/24", CODE, 7)
    assert (entry.request_id.hex(), entry.last_request_id.hex()) == (f"{3:032x}", f"{9:032x}")
    assert (entry.address, entry.path) == ("192.0.2.7", "/x\\x1b")
    assert told(coalescing, 2.0) == []


def test_a_new_second_begins_anew() -> None:
    coalescing = Coalescing()
    for second in range(3):
        coalescing.due(float(second))
        assert [coalescing.takes(refusal(ticks=float(second))) for _ in range(4)] == [False, False, False, True]


def test_networks_and_codes_are_counted_apart() -> None:
    coalescing = Coalescing()
    places = [("192.0.2.1", CODE), ("192.0.3.1", CODE), ("2001:db8::1", CODE), ("192.0.2.1", "transport.cl_te")]
    for place in places:
        assert [coalescing.takes(refusal(*place)) for _ in range(4)] == [False, False, False, True]
    assert not coalescing.takes(refusal("2001:db8:0:0100::1"))  # another /56
    assert coalescing.takes(refusal("192.0.2.200"))


def test_a_known_caller_s_refusals_are_never_coalesced() -> None:
    coalescing = Coalescing()
    for _ in range(10):
        exchange = refusal()
        exchange.caller = Caller(subject="alice", kind="user", issuer="local")
        assert not coalescing.takes(exchange)


def test_what_is_no_refusal_is_not_coalesced() -> None:
    coalescing = Coalescing()
    exchange = refusal()
    exchange.denied = None
    assert not any(coalescing.takes(exchange) for _ in range(10))


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 3)), max_size=400))
def test_however_wide_a_flood_the_numbers_are_exact_and_the_records_few(came: list[tuple[int, int]]) -> None:
    coalescing = Coalescing()
    counted: Counter[str] = Counter()
    recorded = 0
    for number, (address, kind) in enumerate(came):
        text = ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))
        code = ("authenticate.missing", "transport.cl_te", "limits.rate", "validate.path_unknown")[kind]
        if coalescing.takes(refusal(text, code, number=number)):
            counted[code] += 1
        else:
            recorded += 1
    entries = told(coalescing, 1.0)
    found: Counter[str] = Counter()
    for entry in entries:
        found[entry.code] += entry.count
    assert found == counted
    most = 2 * KEYS + 4
    assert len(entries) <= most
    assert recorded <= most * RECORDED
