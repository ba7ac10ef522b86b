from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.signatures.structured_fields import (
    INTEGER_MOST,
    Date,
    DisplayString,
    FieldError,
    InnerList,
    Item,
    Token,
    parse_dictionary,
    parse_item,
    parse_list,
    serialize_bare,
    serialize_dictionary,
    serialize_list,
    serialize_member,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-42", -42),
        ("999999999999999", INTEGER_MOST),
        ("-0", 0),
        ("1.5", Decimal("1.5")),
        ("-0.125", Decimal("-0.125")),
        ('"a \\"b\\" \\\\"', 'a "b" \\'),
        ('""', ""),
        ("foo/bar:*", Token("foo/bar:*")),
        (":aGVsbG8=:", b"hello"),
        ("::", b""),
        ("?1", True),
        ("?0", False),
        ("@1659578233", Date(1659578233)),
        ('%"f%c3%bc%c3%bc"', DisplayString("füü")),
        ("  1  ", 1),
    ],
)
def test_an_item_is_read_as_what_it_is(text: str, value: object) -> None:
    found = parse_item(text).value
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "", "1.", "1.2345", "1234567890123.5", "1000000000000000", "-", "--1", "1 2", '"open', '"tab\t"', '"\\n"', "'a'",
        '"é"', ":aGVsbG8:", ":aGk:", ":aGl=:", ":a=GVs:", ":aGVs bG8=:", ":aGVsbG8=", "?2", "?", "?true", "@1.5", "@",
        '%"%C3%BC"', '%"%c3"', '%"open', "a b", "a;", "a;B", "a;b=", "a; =1", "(1)", ",", "a,b", "=",
    ],
)  # fmt: skip
def test_what_the_grammar_does_not_allow_is_no_item(text: str) -> None:
    with pytest.raises(FieldError):
        parse_item(text)


def test_parameters_are_kept_in_order_and_the_last_of_a_name_counts() -> None:
    item = parse_item("1;a=2; b;a=3")
    assert list(item.parameters.items()) == [("b", True), ("a", 3)]


def test_an_inner_list_holds_items_with_parameters_of_their_own() -> None:
    (found,) = parse_list('( "foo";a=1  bar );lvl=5', most=2)
    assert found == InnerList((Item("foo", {"a": 1}), Item(Token("bar"))), {"lvl": 5})


@pytest.mark.parametrize("text", ["(1", "(1,2)", "(1\t2)", "(1)2", "1,", "1,,2", ", 1", "1 2", "(1)(2)", "((1))"])
def test_what_the_grammar_does_not_allow_is_no_list(text: str) -> None:
    with pytest.raises(FieldError):
        parse_list(text)


@pytest.mark.parametrize(
    "text", ['("a" "b")', '( "a" "b")', '("a"  "b" )', '("a";x=1 "b")', '("a b" "b")', '("" "b")', '("b")']
)
def test_a_list_of_strings_is_read_the_same_however_it_is_spelled(text: str) -> None:
    (found,) = parse_list(text)
    assert isinstance(found, InnerList)
    assert [item.value for item in found.items][-1] == "b"
    assert serialize_list(parse_list(serialize_list([found]))) == serialize_list([found])


@pytest.mark.parametrize("text", ['("a""b")', '("a" "b"', '("a",)', '("a"b)', '("a"\t"b")'])
def test_what_is_nearly_a_list_of_strings_is_none(text: str) -> None:
    with pytest.raises(FieldError):
        parse_list(text)


def test_lists_and_dictionaries_may_be_empty() -> None:
    assert parse_list("") == []
    assert parse_dictionary("") == {}
    assert parse_dictionary("  ") == {}


def test_a_dictionary_member_without_a_value_is_true_with_parameters() -> None:
    assert parse_dictionary("a;x=1,\tb , c=?0") == {"a": Item(True, {"x": 1}), "b": Item(True), "c": Item(False)}


@pytest.mark.parametrize("text", ["A=1", "a=1,", "a=1;;b", "a=", "=1", "a==1", "a=1 b=2", "a=1,\n b=2", "1a=1"])
def test_what_the_grammar_does_not_allow_is_no_dictionary(text: str) -> None:
    with pytest.raises(FieldError):
        parse_dictionary(text)


def test_of_a_key_that_comes_twice_the_last_counts_unless_it_must_be_unique() -> None:
    assert list(parse_dictionary("a=1, b=2, a=3").items()) == [("b", Item(2)), ("a", Item(3))]
    with pytest.raises(FieldError, match="twice"):
        parse_dictionary("a=1, b=2, a=3", unique=True)
    with pytest.raises(FieldError, match="twice"):
        parse_dictionary("a=1;x=1;x=2", unique=True)


def test_more_members_than_allowed_are_refused_before_the_rest_is_read() -> None:
    assert len(parse_dictionary("a=1, b=2", most=2)) == 2
    with pytest.raises(FieldError, match="more than 2"):
        parse_dictionary("a=1, b=2, c=3, then what is no dictionary", most=2)


@pytest.mark.parametrize(
    "value", [10**15, -(10**15), Decimal(10**12), Decimal("999999999999.9996"), "é", "\n", Token("a b")]
)
def test_what_has_no_spelling_is_not_written(value: Any) -> None:
    with pytest.raises(FieldError):
        serialize_bare(value)


def test_a_key_that_is_none_is_not_written() -> None:
    with pytest.raises(FieldError):
        serialize_dictionary({"A": Item(1)})


_keys = st.from_regex(r"[a-z*][a-z0-9_\-.*]{0,8}", fullmatch=True)
_bare = st.one_of(
    st.integers(-INTEGER_MOST, INTEGER_MOST),
    st.integers(-(10**12) + 1, 10**12 - 1).map(lambda number: Decimal(number) / 1000),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)),
    st.binary(),
    st.booleans(),
    st.from_regex(r"[A-Za-z*][A-Za-z0-9!#$%&'*+\-.^_`|~:/]{0,8}", fullmatch=True).map(Token),
    st.text().filter(lambda text: text.isascii() or text.encode("utf-8", "ignore").decode() == text).map(DisplayString),
    st.integers(-INTEGER_MOST, INTEGER_MOST).map(Date),
)
_parameters = st.dictionaries(_keys, _bare, max_size=3)
_items = st.builds(Item, _bare, _parameters)
_members = st.one_of(_items, st.builds(InnerList, st.lists(_items, max_size=3).map(tuple), _parameters))


@given(st.dictionaries(_keys, _members, max_size=5))
def test_a_dictionary_written_is_read_back(members: dict[str, Any]) -> None:
    text = serialize_dictionary(members)
    assert parse_dictionary(text, unique=True) == members
    assert serialize_dictionary(parse_dictionary(text)) == text


@given(st.lists(_members, max_size=5))
def test_a_list_written_is_read_back(members: list[Any]) -> None:
    assert parse_list(serialize_list(members)) == members


@given(st.one_of(st.text(), st.text('()"\\;=,:?%@*aB19.- \t'), st.binary().map(lambda data: data.decode("latin-1"))))
def test_any_text_is_read_or_refused_and_what_was_read_is_stable(text: str) -> None:
    pairs: list[tuple[Any, Any]] = [(parse_dictionary, serialize_dictionary), (parse_list, serialize_list)]
    for parse, write in pairs:
        try:
            found = parse(text)
        except FieldError:
            continue
        spelled = write(found)
        assert parse(spelled) == found
        assert write(parse(spelled)) == spelled
    try:
        item = parse_item(text)
    except FieldError:
        return
    assert parse_item(serialize_member(item)) == item


@pytest.mark.parametrize(
    "piece", ["a=1, ", 'a="\\\\', "(", ";a", '"', ":", "a;b;c, ", 'a=("x" ', "=", "9", "%22", '%"%c3', " ", "\t,"]
)
def test_hostile_texts_take_time_in_proportion_to_their_length(piece: str) -> None:
    """The parser's moves are counted, not timed: each takes at least one byte."""
    from doorward.signatures import structured_fields

    text = piece * (65_536 // len(piece))
    moves = 0
    plain = structured_fields._Reader.takes

    def counted(self: Any, character: str) -> bool:
        nonlocal moves
        moves += 1
        return plain(self, character)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structured_fields._Reader, "takes", counted)
        for parse in (parse_dictionary, parse_list, parse_item):
            try:
                parse(text)
            except FieldError:
                pass
            else:
                assert piece in {"a=1, ", "a;b;c, ", "9"} or parse is not parse_item
    assert moves <= 12 * len(text)
