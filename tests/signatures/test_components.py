import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.signatures.messages import request, response

from doorward.exchange import Headers
from doorward.signatures import Component, Message, SignatureRefused, signature_base
from doorward.signatures.components import ComponentValues, component


def value(text: str, message: Message) -> str:
    return value_of(component(text), message)


def value_of(found: Component, message: Message) -> str:
    return ComponentValues(message).value(found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("@method", "POST"),
        ("@target-uri", "https://example.com/foo?param=Value&Pet=dog"),
        ("@authority", "example.com"),
        ("@scheme", "https"),
        ("@request-target", "/foo?param=Value&Pet=dog"),
        ("@path", "/foo"),
        ("@query", "?param=Value&Pet=dog"),
        ('"@query-param";name="Pet"', "dog"),
    ],
)
def test_the_parts_of_a_request(name: str, expected: str) -> None:
    assert value(name, request()) == expected


@pytest.mark.parametrize(
    ("host", "scheme", "expected"),
    [
        ("EXAMPLE.com:443", "https", "example.com"),
        ("example.com:80", "http", "example.com"),
        ("example.com:80", "https", "example.com:80"),
        ("example.com:8443", "https", "example.com:8443"),
    ],
)
def test_the_authority_is_lower_case_without_the_default_port(host: str, scheme: str, expected: str) -> None:
    assert value("@authority", request(host=host, scheme=scheme)) == expected


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", "?"),
        ("/a?", "/a", "?"),
        ("/%7Ea/b?x=/y?z", "/%7Ea/b", "?x=/y?z"),
        ("http://example.com/a/b?c", "/a/b", "?c"),
        ("http://example.com?c/d", "/", "?c/d"),
        ("http://example.com", "/", "?"),
    ],
)
def test_path_and_query_are_the_bytes_on_the_wire(target: str, path: str, query: str) -> None:
    assert (value("@path", request(target)), value("@query", request(target))) == (path, query)


@pytest.mark.parametrize("name", ["@path", "@target-uri"])
@pytest.mark.parametrize("target", ["*", "example.com:443"])
def test_a_target_without_a_path_has_none(target: str, name: str) -> None:
    with pytest.raises(SignatureRefused):
        value(name, request(target))


@pytest.mark.parametrize("target", ["/a?b", "https://example.com/a?b", "https://evil.example/a?b", "ftp://x/a?b"])
def test_the_target_uri_has_the_scheme_and_host_that_the_request_came_by(target: str) -> None:
    assert value("@target-uri", request(target, scheme="http")) == "http://example.com/a?b"


def test_a_query_parameter_is_decoded_and_spelled_anew() -> None:
    # the examples of RFC 9421 section 2.2.8
    asked = request(
        "/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something"
    )
    assert value('"@query-param";name="var"', asked) == "this%20is%20a%20big%0Amultiline%20value"
    assert value('"@query-param";name="bar"', asked) == "with%20plus%20whitespace"
    assert value('"@query-param";name="fa%C3%A7ade%22%3A%20"', asked) == "something"


@pytest.mark.parametrize("target", ["/a?x=1&x=2", "/a?y=1", "/a?" + "&".join(["a=1"] * 2_000) + "&x=1"])
def test_a_query_parameter_that_is_not_there_exactly_once_has_no_value(target: str) -> None:
    with pytest.raises(SignatureRefused):
        value('"@query-param";name="x"', request(target))


def test_fields_are_trimmed_and_joined() -> None:
    asked = request(fields=[("X-A", "  one "), ("X-B", ""), ("X-A", "\ttwo,  three")])
    assert value("x-a", asked) == "one, two,  three"
    assert value("x-b", asked) == ""


def test_a_field_can_be_covered_by_its_bytes_its_spelling_or_one_member() -> None:
    asked = Message(
        authority=b"example.com", target=b"/",
        structured={"example-dict": "dictionary", "example-list": "list", "example-item": "item"},
        fields=Headers(
            [(b"example-dict", b" a=1,    b=2;x=1;y=2,   c=(a   b   c), d"), (b"example-list", b"1,   2"),
             (b"example-item", b" 1;a "), (b"two", b"value, with"), (b"two", b"lots, of")]
        ),
    )  # fmt: skip
    # the examples of RFC 9421 sections 2.1.1 to 2.1.3
    assert value('"example-dict";sf', asked) == "a=1, b=2;x=1;y=2, c=(a b c), d"
    assert value('"example-list";sf', asked) == "1, 2"
    assert value('"example-item";sf', asked) == "1;a"
    assert value('"example-dict";key="a"', asked) == "1"
    assert value('"example-dict";key="d"', asked) == "?1"
    assert value('"example-dict";key="b"', asked) == "2;x=1;y=2"
    assert value('"example-dict";key="c"', asked) == "(a b c)"
    assert value('"two";bs', asked) == ":dmFsdWUsIHdpdGg=:, :bG90cywgb2Y=:"


@pytest.mark.parametrize(
    "text", ['"x";sf', '"content-digest";sf', '"content-digest";key="md5"', "absent", '"x";tr', '"x";req']
)
def test_a_field_that_has_no_such_value_is_refused(text: str) -> None:
    asked = request(fields=[("x", "1"), ("content-digest", "not ( a dictionary")])
    with pytest.raises(SignatureRefused):
        value(text, asked)


def test_cookies_are_covered_by_their_bytes_only() -> None:
    answer = response(200, [("set-cookie", "a=1, b=2"), ("set-cookie", "c=3")])
    assert value('"set-cookie";bs', answer) == ":YT0xLCBiPTI=:, :Yz0z:"
    with pytest.raises(SignatureRefused):
        value("set-cookie", answer)


def test_a_trailer_is_another_field() -> None:
    asked = Message(fields=Headers([(b"x", b"head")]), trailers=Headers([(b"x", b"tail")]))
    assert (value("x", asked), value('"x";tr', asked)) == ("head", "tail")


def test_a_response_speaks_of_its_request_only_with_req() -> None:
    answer = response(200, [("x", "answer")], request(fields=[("x", "question")]))
    assert value("@status", answer) == "200"
    assert value('"@method";req', answer) == "POST"
    assert (value("x", answer), value('"x";req', answer)) == ("answer", "question")
    with pytest.raises(SignatureRefused):
        value("@method", answer)
    with pytest.raises(SignatureRefused):
        value("@status", request())


@pytest.mark.parametrize(
    "text",
    ["@unknown", "@signature-params", "X-Upper", '"@method";sf', '"@query-param"', '"@path";name="a"', '"x";name="a"',
     '"x";bs;sf', '"x";bs;key="a"', '"x";sf=?0', '"x";key=1', '"x";other', '"a b"', '""', "1"],
)  # fmt: skip
def test_what_is_no_component_cannot_be_covered(text: str) -> None:
    with pytest.raises(SignatureRefused):
        component(text if text != "1" else '"x";tr=1')


def test_a_component_is_covered_once_whatever_the_order_of_its_parameters() -> None:
    covered = (Component("x", (("sf", True), ("key", "a"))), Component("x", (("key", "a"), ("sf", True))))
    with pytest.raises(SignatureRefused, match="twice"):
        signature_base(covered, {}, request(fields=[("x", "a=1")]))


def test_a_line_break_in_a_value_cannot_begin_a_new_line_of_the_base() -> None:
    smuggled = Message(fields=Headers([(b"x", b'1\n"@method": DELETE')]))
    with pytest.raises(SignatureRefused):
        signature_base((component("x"),), {}, smuggled)


@given(
    st.text(st.characters(max_codepoint=0x10FFFF, exclude_categories=["Cs"])),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_a_query_parameter_has_one_spelling_however_it_was_encoded(name: str, text: str) -> None:
    from urllib.parse import quote, quote_plus

    wanted = quote(name, safe="*-._").replace("~", "%7E")
    asked = value_of(
        Component("@query-param", (("name", wanted),)), request(f"/?{quote_plus(name)}={quote(text, safe='')}")
    )
    again = value_of(
        Component("@query-param", (("name", wanted),)), request(f"/?{quote(name, safe='')}={quote_plus(text)}")
    )
    assert asked == again


def work(named: int, message: Message, form: str) -> int:
    """Calls made for a signature base over so many components with parameters: what it costs, without a clock."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    covered = [component(form.format(number)) for number in range(named)]
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        signature_base(covered, {}, message)
    finally:
        sys.setprofile(before)
    return count


def test_query_and_fields_are_read_once_however_many_components_look_into_them() -> None:
    query = request("/?" + "&".join(f"%70{number}={number}" for number in range(250)))
    assert work(16, query, '"@query-param";name="p{}"') < 2 * work(1, query, '"@query-param";name="p{}"')
    field = request(fields=[("priority", ", ".join(f"k{number}={number}" for number in range(60)))])
    assert work(16, field, '"priority";key="k{}"') < 3 * work(1, field, '"priority";key="k{}"')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"@query-param";name="p0"', request("/?" + "&".join(f"p{number}" for number in range(257)))),
        ('"priority";key="k0"', request(fields=[("priority", ", ".join(f"k{number}" for number in range(65)))])),
        ('"priority";sf', request(fields=[("priority", "a" + "".join(f";k{number}" for number in range(65)))])),
        ('"priority";sf', request(fields=[("priority", f"a=({' 1' * 65})")])),
        ('"cache-status";sf', request(fields=[("cache-status", ", ".join("a" * 65))])),
    ],
)
def test_a_part_of_something_very_long_is_not_looked_for(text: str, message: Message) -> None:
    with pytest.raises(SignatureRefused, match="more than"):
        value(text, message)


def test_the_base_of_the_standard() -> None:
    # RFC 9421 section 2.5
    asked = request(
        "/foo?param=Value&Pet=dog",
        fields=[("content-digest", "sha-512=:x:"), ("content-length", "18"), ("content-type", "application/json")],
    )
    names = ("@method", "@authority", "@path", "content-digest", "content-length", "content-type")
    base = signature_base(
        [component(name) for name in names], {"created": 1618884473, "keyid": "test-key-rsa-pss"}, asked
    )
    assert base.decode() == (
        '"@method": POST\n"@authority": example.com\n"@path": /foo\n"content-digest": sha-512=:x:\n'
        '"content-length": 18\n"content-type": application/json\n'
        '"@signature-params": ("@method" "@authority" "@path" "content-digest" "content-length" "content-type")'
        ';created=1618884473;keyid="test-key-rsa-pss"'
    )
