import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.controls.validate.carrying import code_of

from doorward.controls.validate.json_text import JsonReader
from doorward.controls.validate.policy import ValidatePolicy
from doorward.denial import Denied

READER = JsonReader(ValidatePolicy())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"a":1,"a":2}', "validate.json_duplicate"),
        (b'{"\\u0061":1,"a":2}', "validate.json_duplicate"),
        (b'[{"b":{"a":1,"a":2}}]', "validate.json_duplicate"),
        (b"\xef\xbb\xbf{}", "validate.json_syntax"),
        (b"{} {}", "validate.json_syntax"),
        (b"NaN", "validate.json_syntax"),
        (b"[-Infinity]", "validate.json_syntax"),
        (b"{} // comment", "validate.json_syntax"),
        (b"{'a':1}", "validate.json_syntax"),
        (b'"\\ud800"', "validate.json_syntax"),
        (b'"\xff"', "validate.json_syntax"),
        (b'"\xed\xa0\x80"', "validate.json_syntax"),
        ("{}".encode("utf-16"), "validate.json_syntax"),
        (b"[" * 65 + b"]" * 65, "validate.json_limit"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "validate.json_limit"),
        (b"[" * 10_000_000, "validate.json_limit"),
        (b"[" + b"1," * 1_000_000 + b"1]", "validate.json_limit"),
        (b"{" + b",".join(b'"%d":1' % number for number in range(10_001)) + b"}", "validate.json_limit"),
        (b"1e999999", "validate.json_number"),
        (b"[-1E+999]", "validate.json_number"),
        (b"9" * 10_000, "validate.json_number"),
        (b"0." + b"1" * 101, "validate.json_number"),
    ],
)
def test_b1_json_that_two_readers_read_differently_or_that_costs_too_much_is_refused(body: bytes, code: str) -> None:
    assert code_of(lambda: READER.read(body)) == code


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 64 + b"]" * 64,
        b'"' + b"[" * 1000 + b'"',
        b'"' + b"9" * 1000 + b'"',
        b'["1e999999", "\\"[[[[", "\\\\"]',
        b"[" + b"{}," * 500 + b"{}]",
        b'"' + b"," * 20_000 + b'"',
        b"[1e0005, 1e308, -0, 123e-1000]",
        b" {} \n",
        b'"\\ud83d\\ude00"',
    ],
)
def test_what_merely_looks_like_it_passes(body: bytes) -> None:
    assert READER.read(body) == json.loads(body)


@pytest.mark.parametrize(
    "number",
    [b"1e999999", b"-1e400", b"9" * 10_000, b"0." + b"1" * 200, b"1e" + b"9" * 30],
    ids=lambda one: one[:12].decode(),
)
def test_b3_a_number_that_readers_disagree_about_is_refused(number: bytes) -> None:
    for body in (number, b'{"a":[' + number + b"]}"):
        assert code_of(lambda body=body: READER.read(body)) == "validate.json_number"  # type: ignore[misc]


@pytest.mark.parametrize("piece", [b'"', b'\\"', b'"\\', b"[]", b'{"a":', b"[1,", b"1e", b"9", b"\\"])
def test_a_hostile_body_costs_no_more_than_its_length(piece: bytes) -> None:
    # A quadratic scan of a megabyte would not end within the limit of this suite.
    body = piece * (1_000_000 // len(piece))
    assert code_of(lambda: READER.read(body)).startswith("validate.json_")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=6),
)


@given(JSON, st.booleans())
def test_every_json_value_is_read_as_what_it_is(value: object, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert READER.read(body) == value


def test_json_texts_are_accepted_and_refused_as_the_published_suite_says(corpora: Path) -> None:
    reader = JsonReader(ValidatePolicy(json_depth=200))
    wrong = []
    for line in (corpora / "jsontestsuite.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        try:
            reader.read(row["payload"].encode("latin-1"))
        except Denied as denied:
            # A member named twice is JSON, and two readers take two values of it: refused on purpose.
            if row["expect"] == "pass" and denied.code != "validate.json_duplicate":
                wrong.append((row["name"], denied.code))
        else:
            if row["expect"] == "block":
                wrong.append((row["name"], "accepted"))
    assert wrong == []
