import jsonschema_rs
import pytest

from doorward.errors import PolicyError
from doorward.schemas.pattern import LINEAR, linear_pattern


def matches(pattern: str, text: str) -> bool:
    schema = {"pattern": linear_pattern(pattern, "#")}
    return jsonschema_rs.Draft202012Validator(schema, pattern_options=LINEAR).is_valid(text)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (r"^[\w-.]+$", "a-.", "a,"),
        (r"^[\w.-]+$", "a-.", "a,"),
        ("^[a&&b]+$", "a&b", "c"),
        ("^[a--b]$", "-", "~"),
        ("^[[]$", "[", "]"),
        ("^{a}$", "{a}", "a"),
        ("^a{2,3}$", "aa", "a"),
        (r"^\d$", "1", "\u0661"),
        (r"^\p{Lu}$", "É", "é"),
        (r"^[^a]$", "b", "a"),
        (r"^\{\}$", "{}", "{"),
        ("^a$", "a", "a\n"),
    ],
)
def test_a_pattern_means_what_ecma_262_says(pattern: str, yes: str, no: str) -> None:
    assert matches(pattern, yes)
    assert not matches(pattern, no)


@pytest.mark.parametrize("pattern", ["^(?!a)b", "(?<=a)b", r"(a)\1", "[", 3, ".{1,100000000}"])
def test_b16_a_pattern_that_needs_backtracking_does_not_load(pattern: object) -> None:
    with pytest.raises(PolicyError) as mistake:
        linear_pattern(pattern, "#/x")
    assert mistake.value.key == "#/x"


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^([a-z]+)*=$"])
def test_a_pattern_that_is_exponential_elsewhere_is_linear_here(pattern: str) -> None:
    assert not matches(pattern, "a" * 65_536 + "!")
