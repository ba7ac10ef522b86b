"""Rows H4 and H5: what a client says about where it comes from, past a listed proxy and without one."""

import pytest
from tests.gateway.lab import request, running
from tests.hostile.judge import assert_refused

from doorward.controls.transport import TransportPolicy

FORGED = {
    "Forwarded": "for=6.6.6.6;host=evil.test;proto=https",
    "X-Forwarded": "for=6.6.6.6",
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Proto": "evil",
    "X-Forwarded-Port": "66677",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Server": "evil.test",
    "X-Forwarded-Uri": "/evil",
    "X-Forwarded-Method": "EVIL",
    "X-Real-IP": "6.6.6.6",
    "X-Client-IP": "6.6.6.6",
    "X-Cluster-Client-IP": "6.6.6.6",
    "X-Original-URL": "/evil",
    "X-Rewrite-URL": "/evil",
    "True-Client-IP": "6.6.6.6",
    "CF-Connecting-IP": "6.6.6.6",
    "X-Envoy-External-Address": "6.6.6.6",
}
LISTED = TransportPolicy(trusted_proxies=("127.0.0.0/8",)).proxies()
ODD = {
    "H5-twice": ("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.7", "192.0.2.7"),
    "H5-case": ("x-FORWARDED-for: 192.0.2.7", "192.0.2.7"),
    "H5-zone": ("X-Forwarded-For: fe80::1%eth0", "127.0.0.1"),
    "H5-mapped": ("X-Forwarded-For: ::ffff:192.0.2.7", "192.0.2.7"),
    "H5-name": ("X-Forwarded-For: localhost", "127.0.0.1"),
    "H5-own-address": ("X-Forwarded-For: 6.6.6.6, 127.0.0.1", "6.6.6.6"),
    "H5-octal": ("X-Forwarded-For: 0300.0.2.7", "127.0.0.1"),
    "H5-port": ("X-Forwarded-For: 192.0.2.7:443", "192.0.2.7"),
    "H5-empty": ("X-Forwarded-For:", "127.0.0.1"),
    "H5-comma": ("X-Forwarded-For: 6.6.6.6,", "127.0.0.1"),
}


@pytest.mark.parametrize("name", FORGED)
def test_h4_from_a_client_it_neither_counts_nor_goes_on(name: str) -> None:
    with running() as lab:
        answer = lab.ask(request("GET", "/items", f"{name}: {FORGED[name]}"))
        assert answer is not None
        assert answer.status == 200
        head = lab.upstream.seen[0].head.lower()
        for trace in (b"6.6.6.6", b"evil", b"66677"):
            assert trace not in head
        assert b"x-forwarded-for: 127.0.0.1" in head
        assert lab.audit.wait_for_outcomes(1)[0].address == "127.0.0.1"


@pytest.mark.parametrize("name", [name for name in FORGED if name != "X-Forwarded-For"])
def test_h4_a_listed_proxy_passes_on_no_other_field_of_its_clients(name: str) -> None:
    with running(proxies=LISTED) as lab:
        lab.ask(request("GET", "/items", f"{name}: {FORGED[name]}", "X-Forwarded-For: 192.0.2.7"))
        head = lab.upstream.seen[0].head.lower()
        for trace in (b"6.6.6.6", b"evil", b"66677"):
            assert trace not in head
        assert b"x-forwarded-for: 192.0.2.7" in head
        assert lab.audit.wait_for_outcomes(1)[0].address == "192.0.2.7"


@pytest.mark.parametrize("row", ODD)
def test_h5_an_odd_list_gives_the_nearest_address_that_is_known(row: str) -> None:
    fields, address = ODD[row]
    with running(proxies=LISTED) as lab:
        lab.ask(request("GET", "/items", fields))
        assert lab.audit.wait_for_outcomes(1)[0].address == address


@pytest.mark.parametrize("hops", [33, 1_000])
def test_h5_a_long_list_is_refused(hops: int) -> None:
    with running(proxies=LISTED) as lab:
        assert_refused(
            lab, request("GET", "/items", "X-Forwarded-For: " + ",".join(["1.1.1.1"] * hops)), "transport.header_alias"
        )
