"""The short cut for depth says yes only to what the long way lets pass."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doorward.controls.validate.json_text import JsonReader
from doorward.controls.validate.policy import ValidatePolicy
from doorward.denial import Denied

READER = JsonReader(ValidatePolicy(json_depth=4))
_VALUES = st.recursive(
    st.one_of(st.none(), st.integers(-9, 9), st.text('[]{}",:\\a', max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text("[{a", max_size=2), inner, max_size=4)
    ),
    max_leaves=30,
)


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max((depth(one) for one in inner), default=0)


def verdict(body: bytes) -> str:
    """The code of the denial, or nothing."""
    try:
        READER.read(body)
    except Denied as denied:
        return denied.code
    return ""


@given(_VALUES)
@example([[[{}]]])
@example([{"a": [{}]}])
def test_b2_exactly_what_is_deeper_than_allowed_is_refused(value: object) -> None:
    body = json.dumps([value] * 3).encode()
    assert verdict(body) == ("validate.json_limit" if 1 + depth(value) > 4 else "")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[" * 5 + b"]" * 5, "validate.json_limit"),
        (b"[[],[],[],[],[[[[]]]]]", "validate.json_limit"),
        (b'["[[[[[[[[",[],[],[],[]]', ""),
        (b"[[],[],[],[],[}", "validate.json_syntax"),
        (b'[[],[],[],[],"]', "validate.json_syntax"),
    ],
)
def test_brackets_in_texts_count_for_nothing_and_unbalanced_ones_are_no_json(body: bytes, code: str) -> None:
    assert verdict(body) == code
