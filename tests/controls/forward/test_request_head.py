from collections.abc import Callable

import pytest

from doorward.controls.forward import with_framing
from doorward.errors import Fault, PolicyError
from doorward.exchange import Caller, Exchange, Header, Headers
from doorward.operation import Operation, Parameter, ResponseDescription, SecurityScheme

Make = Callable[..., Exchange]
Sent = Callable[..., tuple[bytes, list[Header]]]
ALICE = Caller(subject="alice", kind="user", issuer="local")


def operation(**changed: object) -> Operation:
    return Operation(**{"id": "x", "method": "GET", "path": "/orders", "template": "/orders", **changed})  # type: ignore[arg-type]


def values(fields: list[Header], name: bytes) -> list[bytes]:
    return [value for field, value in fields if field == name]


def test_what_was_judged_is_what_is_asked(make_exchange: Make, sent: Sent) -> None:
    line, _ = sent(make_exchange(path=b"/orders/7", query=b"a=b%20c"))
    assert line == b"GET /orders/7?a=b%20c HTTP/1.1"


def test_the_upstreams_path_stands_in_front(make_exchange: Make, sent: Sent) -> None:
    line, fields = sent(make_exchange(), upstream="https://api.internal:8443/v1/")
    assert line == b"GET /v1/orders HTTP/1.1"
    assert values(fields, b"host") == [b"api.internal:8443"]


def test_the_clients_host_goes_on_only_when_the_policy_says_so(make_exchange: Make, sent: Sent) -> None:
    assert values(sent(make_exchange())[1], b"host") == [b"127.0.0.1:8000"]
    assert values(sent(make_exchange(), host="client")[1], b"host") == [b"api.example"]


@pytest.mark.parametrize(("parts", "goes_on"), [(1, True), (16, True), (17, False), (1_000, False)])
def test_a_range_goes_on_where_parts_are_declared_and_are_few(
    make_exchange: Make, sent: Sent, parts: int, goes_on: bool
) -> None:
    asked = (b"range", b"bytes=" + b",".join([b"0-0"] * parts))
    declared = operation(responses={"206": ResponseDescription(status="206", content={})})
    _, fields = sent(make_exchange(asked), operation=declared)
    assert (asked in fields) == goes_on


def test_end_to_end_fields_go_on_in_order(make_exchange: Make, sent: Sent) -> None:
    given = [(b"accept", b"a"), (b"x-tenant", b"1"), (b"accept", b"b"), (b"cookie", b"a=1; b=2")]
    _, fields = sent(make_exchange(*given))
    assert [field for field in fields if field in given] == given


@pytest.mark.parametrize(
    "name",
    [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "transfer-encoding",
        "expect",
        "http2-settings",
    ],
)
def test_hop_by_hop_fields_end_here(make_exchange: Make, sent: Sent, name: str) -> None:
    _, fields = sent(make_exchange((name.encode(), b"keep-alive")))
    assert values(fields, name.encode()) == []


@pytest.mark.parametrize("connection", [b"x-tenant", b"close, X-Tenant", b"keep-alive,\tx-tenant ,"])
def test_a_field_named_by_connection_ends_here(make_exchange: Make, sent: Sent, connection: bytes) -> None:
    _, fields = sent(make_exchange((b"connection", connection), (b"x-tenant", b"1"), (b"x-other", b"2")))
    assert values(fields, b"x-tenant") == []
    assert values(fields, b"x-other") == [b"2"]


@pytest.mark.parametrize("name", [b"doorward-caller", b"x-forwarded-for", b"forwarded", b"host", b"x-request-id"])
def test_connection_cannot_remove_what_doorward_says(make_exchange: Make, sent: Sent, name: bytes) -> None:
    _, fields = sent(make_exchange((b"connection", b"close, " + name.title()), caller=ALICE))
    assert len(values(fields, name)) == 1


@pytest.mark.parametrize("name", [b"content-type", b"x-tenant"])
def test_connection_cannot_remove_what_a_control_judged(make_exchange: Make, sent: Sent, name: bytes) -> None:
    tenant = Parameter(name="X-Tenant", location="header", required=True, schema={}, style="simple", explode=False)
    _, fields = sent(make_exchange((b"connection", name), (name, b"1")), operation(parameters=(tenant,)))
    assert values(fields, name) == [b"1"]


FORGED = [
    b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port", b"x-forwarded-tls-client-cert",
    b"x-real-ip", b"x-original-url", b"x-rewrite-url", b"true-client-ip", b"x-http-method-override", b"doorward-caller",
    b"doorward-anything", b"x-envoy-external-address", b"x-request-id",
    # ID-50: what tells of a certificate
    b"client-cert", b"client-cert-chain", b"x-ssl-client-verify", b"x-ssl-cert", b"ssl-client-subject-dn",
    b"x-client-cert", b"x-client-certificate", b"x-arr-clientcert", b"x-amzn-mtls-clientcert-leaf", b"x-tls-client-cert",
    b"x-forwarded-client-cert",
]  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("spelling", [bytes, lambda name: name.replace(b"-", b"_"), bytes.title])
def test_nobody_else_speaks_as_a_proxy_or_as_doorward(
    make_exchange: Make, sent: Sent, name: bytes, spelling: Callable[[bytes], bytes]
) -> None:
    _, fields = sent(make_exchange((spelling(name), b"forged"), (spelling(name), b"twice")))
    assert b"forged" not in [value for _, value in fields]
    assert b"twice" not in [value for _, value in fields]


def test_the_upstream_learns_where_the_request_came_from(make_exchange: Make, sent: Sent) -> None:
    _, fields = sent(make_exchange())
    assert values(fields, b"forwarded") == [b'for=192.0.2.1;proto=https;host="api.example"']
    assert values(fields, b"x-forwarded-for") == [b"192.0.2.1"]
    assert values(fields, b"x-forwarded-proto") == [b"https"]
    assert values(fields, b"x-forwarded-host") == [b"api.example"]
    assert values(fields, b"x-request-id") == [b"0123456789abcdef" * 2]


def test_an_ipv6_address_is_bracketed_and_quoted(make_exchange: Make, sent: Sent) -> None:
    _, fields = sent(make_exchange(address="fe80::1%eth0"))
    assert values(fields, b"forwarded")[0].startswith(b'for="[fe80::1]";')
    assert values(fields, b"x-forwarded-for") == [b"fe80::1"]


def test_a_host_that_would_break_out_of_its_quotes_is_not_repeated(make_exchange: Make, sent: Sent) -> None:
    exchange = make_exchange()
    exchange.request.headers = Headers([(b"host", b'a";for=127.0.0.1')])
    _, fields = sent(exchange)
    assert values(fields, b"forwarded") == [b"for=192.0.2.1;proto=https"]
    assert values(fields, b"x-forwarded-host") == []


def test_the_answer_must_not_come_compressed(make_exchange: Make, sent: Sent) -> None:
    assert values(sent(make_exchange((b"accept-encoding", b"gzip")))[1], b"accept-encoding") == [b"identity"]


def test_credentials_stay_here(make_exchange: Make, sent: Sent) -> None:
    schemes = {
        SecurityScheme(name="h", kind="apiKey", location="header", parameter="X-Shop-Key"): (),
        SecurityScheme(name="c", kind="apiKey", location="cookie", parameter="session"): (),
        SecurityScheme(name="q", kind="apiKey", location="query", parameter="api_key"): (),
    }
    exchange = make_exchange(
        (b"authorization", b"Bearer s3cret"),
        (b"dpop", b"s3cret"),
        (b"x-shop-key", b"s3cret"),
        (b"cookie", b"a=1; session=s3cret;b=2"),
        query=b"a=1&api%5Fkey=s3cret&b=2",
    )
    line, fields = sent(exchange, operation(security=(schemes,)))
    assert b"s3cret" not in line + b"".join(value for _, value in fields)
    assert line == b"GET /orders?a=1&b=2 HTTP/1.1"
    assert values(fields, b"cookie") == [b"a=1;b=2"]


def test_a_header_that_carries_keys_by_the_policy_stays_here(make_exchange: Make, sent: Sent) -> None:
    asked = make_exchange((b"apikey", b"s3cret"), (b"api_key", b"kept"), (b"partner-key", b"s3cret"))
    _, fields = sent(asked, secret=frozenset({b"apikey", b"partner-key"}))
    assert b"s3cret" not in dict(fields).values()
    _, fields = sent(make_exchange((b"partner_key", b"s3cret")), secret=frozenset({b"partner-key"}))
    assert b"s3cret" not in dict(fields).values(), "nor under an alias"
    _, fields = sent(asked, secret=frozenset({b"apikey"}), pass_credentials=True)
    assert (b"apikey", b"s3cret") in fields


def test_a_cookie_field_that_held_only_the_credential_goes(make_exchange: Make, sent: Sent) -> None:
    scheme = SecurityScheme(name="c", kind="apiKey", location="cookie", parameter="session")
    _, fields = sent(make_exchange((b"cookie", b"session=s3cret")), operation(security=({scheme: ()},)))
    assert values(fields, b"cookie") == []


def test_credentials_go_on_when_the_policy_says_so(make_exchange: Make, sent: Sent) -> None:
    _, fields = sent(make_exchange((b"authorization", b"Bearer s3cret")), pass_credentials=True)
    assert values(fields, b"authorization") == [b"Bearer s3cret"]


@pytest.mark.parametrize(
    ("method", "body", "lengths"),
    [("POST", b"{}", [b"2"]), ("POST", b"", [b"0"]), ("GET", b"", []), ("DELETE", b"", [])],
)
def test_the_length_is_that_of_the_body_that_was_read(
    make_exchange: Make, sent: Sent, method: str, body: bytes, lengths: list[bytes]
) -> None:
    exchange = make_exchange((b"content-length", b"9"), method=method, body=body)
    assert values(sent(exchange)[1], b"content-length") == lengths


def test_a_streamed_body_is_framed_as_announced() -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\n\r\n"
    length = with_framing(head, Headers([(b"content-length", b"0012")]))
    assert length == b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 12\r\n\r\n"
    chunked = with_framing(head, Headers([]))
    assert chunked == b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("announced", [b"+1", b"1, 1", b"", b"0x1", b"9" * 19])
def test_a_length_that_is_no_number_is_a_fault(announced: bytes) -> None:
    with pytest.raises(Fault):
        with_framing(b"POST / HTTP/1.1\r\n\r\n", Headers([(b"content-length", announced)]))


def test_a_range_goes_on_only_when_the_description_knows_parts(make_exchange: Make, sent: Sent) -> None:
    exchange = make_exchange((b"range", b"bytes=0-1"))
    assert values(sent(exchange)[1], b"range") == []
    assert values(sent(exchange, operation(responses={"206": None}))[1], b"range") == [b"bytes=0-1"]


@pytest.mark.parametrize("value", [b"a\r\nx-admin: 1", b"a\nb", b"a\rb", b"a\0b"])
@pytest.mark.parametrize("place", ["value", "name", "path", "query"])
def test_a_line_break_never_leaves_whatever_was_checked_before(
    make_exchange: Make, sent: Sent, place: str, value: bytes
) -> None:
    if place in {"path", "query"}:
        exchange = make_exchange(**{place: value})
    else:
        exchange = make_exchange((b"x-a", value) if place == "value" else (value, b"1"))
    with pytest.raises(Fault):
        sent(exchange)


@pytest.mark.parametrize("place", ["path", "query"])
def test_a_space_never_splits_the_request_line(make_exchange: Make, sent: Sent, place: str) -> None:
    with pytest.raises(Fault):
        sent(make_exchange(**{place: b"/a HTTP/1.1"}))


def test_invented_names_do_not_grow_the_memory(make_exchange: Make, sent: Sent) -> None:
    many = [(b"x-%d" % number, b"1") for number in range(5_000)]
    _, fields = sent(make_exchange(*many))
    assert [field for field in fields if field in set(many)] == many


@pytest.mark.parametrize("url", ["", "ftp://a", "http://", "http://u:p@a", "http://a/?q", "http://a/#f", "http://a:0", "http://a/..", "http://a b", "http://a:99999"])  # fmt: skip
def test_what_is_no_upstream_is_refused(make_exchange: Make, sent: Sent, url: str) -> None:
    with pytest.raises(PolicyError) as refusal:
        sent(make_exchange(), upstream=url)
    assert refusal.value.key == "upstream"
    assert "u:p" not in str(refusal.value)
