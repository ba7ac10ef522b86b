"""Group P: one path, one reading."""

import pytest
from tests.gateway.lab import Lab, request, running
from tests.hostile.judge import CUTS, Cut, assert_passes, assert_refused

from doorward.errors import PolicyError
from doorward.policy.routing import Router

ROWS = {
    **{
        f"P1-{path}": (path, "transport.path_traversal")
        for path in (
            "/public/../items",
            "/public/%2e%2e/items",
            "/public/.%2E/items",
            "/public/..%2fitems",
            "/a%2fb",
            "/./items",
            "//items",
            "/items//",
            "/items/.",
            "/items/..",
            "/items/%2e",
            "/%2e%2e",
        )
    },
    **{
        f"P2-{path}": (path, "transport.path_double")
        for path in ("/%252e%252e/items", "/%2569tems", "/items%252f", "/%25252e", "/%250%30", "/%25%32%66")
    },
    **{
        f"P3-{path}": (path, "transport.path_matrix")
        for path in ("/items;x=1", "/pub/..;/items", "/items%3bx", "/items%3B")
    },
    **{
        f"P6-{path!r}": (path, "transport.path_bytes")
        for path in (
            "/items%00.css",
            "/a\\b",
            "/a%5cb",
            "/a%5C..%5Cb",
            "/a%c0%afb",
            "/a%e0%80%afb",
            "/a%ef%bc%8fb",
            "/a%e2%84%80b",
            "/%ef%bc%8e%ef%bc%8e\xff",
            "/\xc3\xa9",
            "/a%zz",
            "/a%",
            "/a%2",
            "/a%0d%0ab",
            "/a%7fb",
            "/a%c2%85b",
            "/a%ffb",
            "/a<b",
            '/a"b',
        )
    },
    "P7-fragment": ("/items#/public", "transport.path_fragment"),
    "P7-fragment-query": ("/items?x=1#y", "transport.path_fragment"),
    "P5-space": ("/items%20", "validate.path_unknown"),
    "P5-dot": ("/items.", "validate.path_unknown"),
    "P5-suffix": ("/items.json", "validate.path_unknown"),
    "P5-slash": ("/items/", "validate.path_unknown"),
    "P4-case": ("/Items", "validate.path_unknown"),
    "P7-encoded-fragment": ("/items%23/public", "validate.path_unknown"),
    "P7-encoded-query": ("/items%3Fx", "validate.path_unknown"),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("row", ROWS)
def test_a_path_with_two_readings_is_refused(lab: Lab, row: str, cut: Cut) -> None:
    path, code = ROWS[row]
    assert_refused(lab, request("GET", path), code, cut=cut)


TWINS = {
    "P1-space": ("/a%20b", b"/a%20b"),
    "P2-letters": ("/%69tem%73", b"/items"),
    "P3-blank": ("/a%20b?x=;y", b"/a%20b?x=;y"),
    "P4-hex-case": ("/%61%20b?Case=Kept", b"/a%20b?Case=Kept"),
    "P5-dot-in-query": ("/items?name=a.json/", b"/items?name=a.json/"),
    "P6-in-query": ("/items?q=%c3%a9%5c%00", b"/items?q=%c3%a9%5c%00"),
    "P7-hash-in-query": ("/items?q=%23a", b"/items?q=%23a"),
    "P2-lower-hex": ("/%61%20b", b"/a%20b"),
    "P7-query": ("/items?x=/public/../y%2f%252e;z", b"/items?x=/public/../y%2f%252e;z"),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("row", TWINS)
def test_what_is_decided_on_is_what_is_forwarded(lab: Lab, row: str, cut: Cut) -> None:
    path, forwarded = TWINS[row]
    assert_passes(lab, request("GET", path), b"GET " + forwarded + b" HTTP/1.1", cut=cut)


@pytest.mark.parametrize("path", ["/a/../b", "/a/%2e%2e/b", "/a//b", "/a/./{x}", "/a%2Fb", "/{x}/.."])
def test_p9_a_description_with_such_a_path_does_not_load(path: str) -> None:
    with pytest.raises(PolicyError, match="dot segment"):
        Router([("GET", path, None)])


def test_p9_two_paths_that_answer_the_same_requests_do_not_load() -> None:
    with pytest.raises(PolicyError, match="same requests"):
        Router([("GET", "/a/{x}", None), ("GET", "/a/{y}", None)])


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("path", ["/../items", "/%2e%2e/items", "/x/../items", "/..%2fitems"])
def test_p8_behind_a_base_path_the_check_is_on_what_is_forwarded(path: str, cut: Cut) -> None:
    with running(base="/internal/v1") as lab:
        assert_refused(lab, request("GET", path), "transport.path_traversal", cut=cut)


@pytest.mark.parametrize("cut", CUTS)
def test_p8_a_plain_path_behind_a_base_path_passes(cut: Cut) -> None:
    with running(base="/internal/v1") as lab:
        assert_passes(lab, request("GET", "/%69tems"), b"GET /internal/v1/items HTTP/1.1", cut=cut)


def test_p9_a_description_of_plain_paths_loads() -> None:
    Router([("GET", "/a/b.c/{x}", None), ("GET", "/a/{x}/b", None), ("POST", "/a/{y}/b", None)])
