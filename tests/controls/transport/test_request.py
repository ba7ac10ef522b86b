"""The parsed request, as every mount hands it over: also without raw bytes."""

import pytest
from pydantic import ValidationError

from doorward.controls.transport import TransportPolicy, compile_check
from doorward.denial import Denied
from doorward.exchange import Exchange, Header, Headers, Request, Source


def exchange(
    path: bytes = b"/a", *fields: Header, method: str = "GET", host: bytes = b"api.test", query: bytes = b""
) -> Exchange:
    headers = Headers([(b"host", host), *fields])
    request = Request(method=method, target=path, path=path, query=query, headers=headers)
    return Exchange(id="0" * 32, now=0.0, ticks=0.0, source=Source(address="127.0.0.1"), request=request)


def code_of(one: Exchange, hosts: tuple[str, ...] = ()) -> str:
    with pytest.raises(Denied) as refusal:
        compile_check(TransportPolicy(hosts=hosts))(one)
    return refusal.value.code.removeprefix("transport.")


def test_the_path_is_replaced_by_its_canonical_form() -> None:
    one = exchange(b"/%61/%c3%a9")
    compile_check(TransportPolicy())(one)
    assert one.request.path == b"/a/%C3%A9"
    assert one.request.target == b"/%61/%c3%a9"


def test_an_absolute_target_becomes_its_path() -> None:
    for target, path in ((b"https://API.test/x", b"/x"), (b"http://api.test", b"/")):
        one = exchange(target)
        compile_check(TransportPolicy())(one)
        assert one.request.path == path


@pytest.mark.parametrize("host", [b"api.test", b"API.TEST", b"api.test.", b"api.test:8443", b"Api.Test.:8443"])
def test_a_listed_host_is_served_in_every_spelling(host: bytes) -> None:
    compile_check(TransportPolicy(hosts=("API.test",)))(exchange(host=host))


@pytest.mark.parametrize("host", [b"evil.test", b"api.test.evil", b"xapi.test", b"127.0.0.1", b"[::1]"])
def test_every_other_host_is_misdirected(host: bytes) -> None:
    assert code_of(exchange(host=host), ("api.test",)) == "host_unknown"


def test_a_listed_port_holds_for_that_port_only() -> None:
    check = compile_check(TransportPolicy(hosts=("api.test:8443",)))
    check(exchange(host=b"api.test:8443"))
    assert code_of(exchange(host=b"api.test:8444"), ("api.test:8443",)) == "host_unknown"
    assert code_of(exchange(host=b"api.test"), ("api.test:8443",)) == "host_unknown"


@pytest.mark.parametrize("host", [b"127.0.0.1:80", b"[::1]", b"[2001:db8::1]:443", b"xn--bcher-kva.example", b"a_b.c"])
def test_without_a_list_every_valid_host_is_served(host: bytes) -> None:
    compile_check(TransportPolicy())(exchange(host=host))


@pytest.mark.parametrize("host", [b"", b"a b", b"a/b", b"a@b", b"a:", b"a:0", b"a:65536", b"a..b", b"[::1", b"a" * 300])
def test_an_invalid_host_is_refused(host: bytes) -> None:
    assert code_of(exchange(host=host)) == "host_invalid"


@pytest.mark.parametrize("hosts", [("api test",), ("http://api.test",), ("",), ("a/b",), ("\u212a.test",)])
def test_a_host_that_cannot_be_is_refused_at_load(hosts: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        TransportPolicy(hosts=hosts)


def test_methods_are_an_allow_list() -> None:
    assert code_of(exchange(method="TRACE")) == "method_denied"
    assert code_of(exchange(method="CONNECT")) == "method_denied"
    assert code_of(exchange(method="BREW")) == "method_unknown"
    assert code_of(exchange(method="get")) == "method_unknown"


def test_a_repeated_field_passes_unless_it_has_one_value_by_definition() -> None:
    compile_check(TransportPolicy())(exchange(b"/a", (b"accept", b"a"), (b"accept", b"b"), (b"cookie", b"c")))
    assert code_of(exchange(b"/a", (b"authorization", b"a"), (b"authorization", b"a"))) == "header_duplicate"
    assert code_of(exchange(b"/a", (b"host", b"api.test"))) == "host_invalid"


@pytest.mark.parametrize("name", [b"x_forwarded_for", b"content_length", b"doorward_caller", b"x-forwarded_for"])
def test_a_name_that_a_server_may_fold_onto_another_is_refused(name: bytes) -> None:
    assert code_of(exchange(b"/a", (name, b"x"))) == "header_alias"


def test_raw_bytes_and_fragments_in_a_query_are_refused() -> None:
    assert code_of(exchange(query=b"a=\xff")) == "path_bytes"
    assert code_of(exchange(query=b"a=b c")) == "path_bytes"
    assert code_of(exchange(query=b"a#b")) == "path_fragment"


def test_harmless_connection_options_are_no_finding() -> None:
    one = exchange(b"/a", (b"connection", b"keep-alive, Close"))
    compile_check(TransportPolicy())(one)
    assert one.findings == []
