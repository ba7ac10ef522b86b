"""Group H: host and headers."""

import pytest
from tests.gateway.lab import Lab, request
from tests.hostile.judge import CUTS, Cut, assert_cheap, assert_passes, assert_refused

ROWS = {
    "H1-missing": (request(host=""), "transport.host_invalid"),
    "H1-twice": (request("GET", "/items", "Host: api.test"), "transport.host_invalid"),
    "H1-list": (request(host="api.test, evil.test"), "transport.host_invalid"),
    "H1-empty": (b"GET /items HTTP/1.1\r\nHost:\r\n\r\n", "transport.host_invalid"),
    "H1-path": (request(host="api.test/x"), "transport.host_invalid"),
    "H1-userinfo": (request(host="evil@api.test"), "transport.host_invalid"),
    "H1-nul": (request(host="api.test\x00.evil"), "transport.control_byte"),
    "H1-port": (request(host="api.test:99999"), "transport.host_invalid"),
    "H1-port-0": (request(host="api.test:0"), "transport.host_invalid"),
    "H1-port-empty": (request(host="api.test:"), "transport.host_invalid"),
    "H1-non-ascii": (request(host="\xe4pi.test"), "transport.host_invalid"),
    "H2-absolute": (request("GET", "http://evil.test/items"), "transport.host_mismatch"),
    "H2-absolute-port": (request("GET", "http://api.test:81/items"), "transport.host_mismatch"),
    "H2-userinfo": (request("GET", "http://api.test@evil.test/items"), "transport.host_invalid"),
    "H2-scheme": (request("GET", "ftp://api.test/items"), "transport.start_line"),
    "H3-unknown": (request(host="evil.test"), "transport.host_unknown"),
    "H3-suffix": (request(host="api.test.evil"), "transport.host_unknown"),
    "H3-address": (request(host="10.0.0.1"), "transport.host_unknown"),
    "H3-ipv6": (request(host="[::1]"), "transport.host_unknown"),
    "H5-alias": (request("GET", "/items", "X_Forwarded_For: 127.0.0.1"), "transport.header_alias"),
    "H5-alias-case": (request("GET", "/items", "x_REAL_ip: 127.0.0.1"), "transport.header_alias"),
    "H7-alias": (request("GET", "/items", "Doorward_Caller: admin"), "transport.header_alias"),
    "H8-authorization": (
        request("GET", "/items", "Authorization: a", "authorization: b"),
        "transport.header_duplicate",
    ),
    "H8-content-type": (
        request("POST", "/items", "Content-Type: a/b", "Content-Type: a/b", body=b"x"),
        "transport.header_duplicate",
    ),
    "H9-count": (request("GET", "/items", *[f"X-{n}: y" for n in range(101)]), "limits.header_size"),
    "H9-size": (request("GET", "/items", f"X: {'y' * 17000}"), "limits.header_size"),
    "H9-target": (request("GET", f"/items?{'y' * 8200}"), "limits.target_size"),
    "H9-target-endless": (f"GET /{'y' * 20000}".encode(), "limits.target_size"),
    "H10-lower-case": (request("get"), "transport.method_unknown"),
    "H10-unknown": (request("BREW"), "transport.method_unknown"),
    "H10-purge": (request("PURGE"), "transport.method_unknown"),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("row", ROWS)
def test_a_hostile_header_is_refused(lab: Lab, row: str, cut: Cut) -> None:
    attack, code = ROWS[row]
    assert_refused(lab, attack, code, cut=cut)


LINE = b"GET /items HTTP/1.1"
TWINS = {
    "H1-port": request(host="api.test:8443"),
    "H2-case": request(host="API.Test"),
    "H2-trailing-dot": request(host="api.test."),
    "H2-absolute": request("GET", "http://API.test/items"),
    "H3-address": request(host="127.0.0.1"),
    "H4-own-field": request("GET", "/items", "X-Forwarding-Note: 6.6.6.6"),
    "H5-own-underscore": request("GET", "/items", "X_Api_Version: 3"),
    "H6": request("GET", "/items", "Connection: keep-alive"),
    "H7-own-field": request("GET", "/items", "Caller-Reference: 7"),
    "H8-one": request("GET", "/items", "Authorization: a"),
    "H8-list": request("GET", "/items", "Accept: a/b", "Accept: c/d"),
    "H9-count": request("GET", "/items", *[f"X-{n}: y" for n in range(98)]),
    "H9-size": request("GET", "/items", f"X: {'y' * 15000}"),
    "H10-own-field": request("GET", "/items", "X-HTTP-Method: GET"),
    "H11-parts": request("GET", "/items", "Range: bytes=" + ",".join(["0-0"] * 16)),
    "H11-date": request("GET", "/items", "Date: Wed, 25 Nov 2026 21:34:37 GMT"),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("row", TWINS)
def test_its_twin_passes(lab: Lab, row: str, cut: Cut) -> None:
    assert_passes(lab, TWINS[row], LINE, cut=cut)
    kept = {b"x-forwarding-note", b"x_api_version", b"caller-reference", b"accept", b"date"}
    assert names_of(TWINS[row]) & kept <= lab.upstream.seen[0].names


def test_h9_a_target_of_the_largest_size_passes(lab: Lab) -> None:
    target = "/items?" + "y" * 8_185
    assert_passes(lab, request("GET", target), f"GET {target} HTTP/1.1".encode())


def names_of(raw: bytes) -> set[bytes]:
    return {field.partition(b":")[0].lower() for field in raw.split(b"\r\n")[1:]}


FINDINGS = {
    "H4": ("transport.forwarded", ["X-Forwarded-For: 6.6.6.6", "X-Original-URL: /admin", "True-Client-IP: 6.6.6.6"]),
    "H6": ("transport.hop_by_hop", ["Connection: x-request-id, Authorization, close-not"]),
    "H7": ("transport.identity_header", ["Doorward-Caller: forged", "Remote-User: admin"]),
    "H11": ("transport.range", ["Range: bytes=" + ",".join(["0-0"] * 1_000), "Date: " + "(" * 500]),
    "H10": ("transport.method_override", ["X-HTTP-Method-Override: DELETE"]),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("row", FINDINGS)
def test_what_a_client_may_not_say_is_noted_and_not_passed_on(lab: Lab, row: str, cut: Cut) -> None:
    finding, fields = FINDINGS[row]
    attack = request("GET", "/items", *fields)
    assert_passes(lab, attack, LINE, cut=cut)
    assert finding in lab.audit.outcomes()[0].findings
    head = lab.upstream.seen[0].head
    assert b"6.6.6.6" not in head
    assert b"forged" not in head
    assert b"DELETE" not in head
    assert b"x-request-id: " in head
    if cut == "whole":
        assert_cheap(lab, attack)
