"""Who is believed about the client's address, and what is made of what they say."""

import pytest

from doorward.controls.transport import TransportPolicy
from doorward.controls.transport.proxies import HOPS, ClientField, TrustedProxies
from doorward.denial import Denied
from doorward.exchange import Headers


def proxies(*networks: str, field: ClientField = "x-forwarded-for") -> TrustedProxies:
    made = TransportPolicy(trusted_proxies=networks, client_address=field).proxies()
    assert made is not None
    return made


def heard(value: str, field: ClientField = "x-forwarded-for") -> str:
    headers = Headers([(field.encode(), line.encode("latin-1")) for line in value.split("\n")])
    return proxies("10.0.0.0/8", "2001:db8::/32", field=field).client_address("10.0.0.1", headers)


def test_nobody_is_believed_by_default() -> None:
    assert TransportPolicy().proxies() is None


def test_only_listed_peers_are_believed() -> None:
    listed = proxies("10.0.0.0/8", "2001:db8::1")
    assert listed.trusts("10.2.3.4")
    assert listed.trusts("2001:db8::1")
    assert not listed.trusts("11.0.0.1")
    assert not listed.trusts("2001:db8::2")
    assert not listed.trusts("")


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("1.1.1.1, 192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, 10.0.0.5", "192.0.2.7"),
        ("6.6.6.6, 192.0.2.7,10.0.0.5 , 10.0.0.6", "192.0.2.7"),
        ("6.6.6.6\n192.0.2.7\n10.0.0.5", "192.0.2.7"),
        ("192.0.2.7:8080", "192.0.2.7"),
        ("[2001:4860::8]:443", "2001:4860::8"),
        ("2001:4860::8", "2001:4860::8"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("10.0.0.7, 10.0.0.8", "10.0.0.7"),
    ],
)
def test_the_right_most_hop_that_is_not_listed_is_the_client(value: str, client: str) -> None:
    assert heard(value) == client


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("192.0.2.7, garbage", "10.0.0.1"),
        ("192.0.2.7, , 10.0.0.9", "10.0.0.9"),
        ("192.0.2.7, fe80::1%eth0", "10.0.0.1"),
        ("0192.0.2.7", "10.0.0.1"),
        ("192.0.2.7, 999.0.0.1", "10.0.0.1"),
        ("192.0.2.7, \xb2.0.2.7", "10.0.0.1"),
    ],
)
def test_a_hop_that_is_no_address_ends_the_walk_at_what_is_known(value: str, client: str) -> None:
    assert heard(value) == client


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("for=192.0.2.7", "192.0.2.7"),
        ('for="[2001:4860::8]:4711";proto=https', "2001:4860::8"),
        ("for=6.6.6.6, by=10.0.0.5;For=192.0.2.7;proto=http", "192.0.2.7"),
        ("for=192.0.2.7, for=10.0.0.5", "192.0.2.7"),
        ("for=192.0.2.7, for=_hidden", "10.0.0.1"),
        ("for=192.0.2.7, for=unknown", "10.0.0.1"),
        ("for=192.0.2.7;for=6.6.6.6", "10.0.0.1"),
        ("proto=https", "10.0.0.1"),
        ('for="192.0.2.7', "10.0.0.1"),
    ],
)
def test_the_standard_field_is_read_as_rfc_7239_says(value: str, client: str) -> None:
    assert heard(value, "forwarded") == client


def test_the_other_field_is_not_listened_to() -> None:
    headers = Headers([(b"forwarded", b"for=6.6.6.6")])
    assert proxies("10.0.0.0/8").client_address("10.0.0.1", headers) == "10.0.0.1"


def test_a_list_longer_than_any_real_one_is_refused() -> None:
    assert heard(", ".join(["10.0.0.2"] * HOPS)) == "10.0.0.2"
    with pytest.raises(Denied) as caught:
        heard(", ".join(["10.0.0.2"] * (HOPS + 1)))
    assert caught.value.code == "transport.header_alias"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.internal", "", "10.0.0.0/33", "::/129"])
def test_what_is_no_network_is_refused_with_advice(text: str) -> None:
    with pytest.raises(ValueError, match="write `10"):
        TransportPolicy(trusted_proxies=(text,))


@pytest.mark.parametrize(
    ("field", "value", "scheme"),
    [
        ("x-forwarded-for", "https", "https"),
        ("x-forwarded-for", "HTTP", "http"),
        ("x-forwarded-for", "http, https", "https"),
        ("x-forwarded-for", "https, http", "http"),
        ("x-forwarded-for", "https\nhttp", "http"),
        ("x-forwarded-for", "wss", None),
        ("x-forwarded-for", "https,", None),
        ("forwarded", "for=192.0.2.7;proto=https", "https"),
        ("forwarded", 'proto="http";for=192.0.2.7', "http"),
        ("forwarded", "proto=https, for=192.0.2.7", None),
        ("forwarded", "for=192.0.2.7;proto=https;proto=http", None),
    ],
)
def test_the_nearest_proxy_says_how_the_client_came(field: ClientField, value: str, scheme: str | None) -> None:
    name = b"x-forwarded-proto" if field == "x-forwarded-for" else b"forwarded"
    headers = Headers([(name, line.encode("latin-1")) for line in value.split("\n")])
    policy = TransportPolicy(trusted_proxies=("10.0.0.0/8",), client_address=field, client_scheme=True)
    listed = policy.proxies()
    assert listed is not None
    assert listed.client_scheme(headers) == scheme
    assert proxies("10.0.0.0/8", field=field).client_scheme(headers) is None


def test_a_scheme_is_not_taken_from_nobody() -> None:
    with pytest.raises(ValueError, match="client_scheme needs trusted_proxies"):
        TransportPolicy(client_scheme=True)
