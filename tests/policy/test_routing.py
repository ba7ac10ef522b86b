import pytest

from doorward.denial import Denied
from doorward.errors import PolicyError
from doorward.policy.routing import Router

ROUTER = Router(
    [
        (method, template, f"{method} {template}")
        for method, template in [
            ("GET", "/"),
            ("GET", "/orders"),
            ("POST", "/orders"),
            ("GET", "/orders/{id}"),
            ("GET", "/orders/open"),
            ("DELETE", "/orders/{order}"),
            ("GET", "/orders/{id}/items/{item}"),
            ("GET", "/files/{name}.json"),
            ("GET", "/files/{name}"),
            ("GET", "/at/{lat},{lng}"),
            ("POST", "/v1/{name}:cancel"),
            ("GET", "/{a}/b/c"),
            ("GET", "/x/{b}/d"),
            ("GET", "/caf%C3%A9/{x}"),
            ("GET", "/naïve/{x}"),
        ]
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "target", "values"),
    [
        ("GET", b"/", "GET /", {}),
        ("GET", b"/orders", "GET /orders", {}),
        ("POST", b"/orders", "POST /orders", {}),
        ("GET", b"/orders/open", "GET /orders/open", {}),
        ("GET", b"/orders/opened", "GET /orders/{id}", {"id": "opened"}),
        ("DELETE", b"/orders/7", "DELETE /orders/{order}", {"order": "7"}),
        ("GET", b"/orders/a%20b%2525", "GET /orders/{id}", {"id": "a b%25"}),
        ("GET", b"/orders/%C3%A9", "GET /orders/{id}", {"id": "é"}),
        ("GET", b"/orders/1/items/2", "GET /orders/{id}/items/{item}", {"id": "1", "item": "2"}),
        ("GET", b"/files/a.json", "GET /files/{name}.json", {"name": "a"}),
        ("GET", b"/files/.json", "GET /files/{name}", {"name": ".json"}),
        ("GET", b"/files/a.txt", "GET /files/{name}", {"name": "a.txt"}),
        ("GET", b"/at/1.5,2", "GET /at/{lat},{lng}", {"lat": "1.5", "lng": "2"}),
        ("POST", b"/v1/a%3Ab:cancel", "POST /v1/{name}:cancel", {"name": "a:b"}),
        ("GET", b"/x/b/d", "GET /x/{b}/d", {"b": "b"}),
        ("GET", b"/x/b/c", "GET /{a}/b/c", {"a": "x"}),
        ("GET", b"/caf%C3%A9/1", "GET /caf%C3%A9/{x}", {"x": "1"}),
        ("GET", b"/na%C3%AFve/1", "GET /naïve/{x}", {"x": "1"}),
    ],
)
def test_the_most_literal_template_answers(method: str, path: bytes, target: str, values: dict[str, str]) -> None:
    assert ROUTER.find(method, path) == (target, values)


@pytest.mark.parametrize(
    "path",
    [
        b"/orders/",
        b"/Orders",
        b"/orders/1/",
        b"//orders",
        b"/orders/1/items",
        b"/orders/1/items/2/3",
        b"/at/1",
        b"/at/,",
        b"",
        b"/v1/:cancel",
    ],
)
def test_a_path_that_is_not_described_is_not_found(path: bytes) -> None:
    with pytest.raises(Denied) as refusal:
        ROUTER.find("GET", path)
    assert refusal.value.code == "validate.path_unknown"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", b"/orders", b"GET, POST"),
        ("HEAD", b"/orders", b"GET, POST"),
        ("OPTIONS", b"/orders/1", b"DELETE, GET"),
        ("get", b"/", b"GET"),
        ("DELETE", b"/orders/open", b"GET"),
    ],
)
def test_a_method_that_is_not_described_is_told_which_are(method: str, path: bytes, allow: bytes) -> None:
    with pytest.raises(Denied) as refusal:
        ROUTER.find(method, path)
    assert refusal.value.code == "validate.method"
    assert refusal.value.headers == ((b"allow", allow),)


def test_a_path_value_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(Denied) as refusal:
        ROUTER.find("GET", b"/orders/%ff")
    assert refusal.value.code == "validate.parameter"


@pytest.mark.parametrize(
    "templates",
    [["orders"], ["/a/{b}{c}"], ["/a/{b"], ["/a/b}"], ["/{a}/{a}"], ["/a/{b}", "/a/{c}"], ["/a", "/a"]],
)
def test_templates_that_no_request_can_tell_apart_are_refused(templates: list[str]) -> None:
    with pytest.raises(PolicyError):
        Router([("GET", template, template) for template in templates])


def test_a_segment_of_many_near_misses_is_searched_once() -> None:
    router = Router([("GET", "/{a}-{b}-{c}-{d}-{e}.x", "")])
    with pytest.raises(Denied):
        router.find("GET", b"/" + b"-" * 200_000)
