from base64 import b64encode

import pytest

from doorward.controls.inspect.normalise import base64_reading, markup_reading, path_reading, readings


def test_plain_text_has_one_reading() -> None:
    assert [*readings("just a text")] == ["just a text"]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("%3Cscript%3E", "<script>"),
        ("%253Cscript%253E", "<script>"),
        ("%25253Cscript%25253E", "<script>"),
        ("%u003cscript%u003e", "<script>"),
        (r"\u003cscript\u003e", "<script>"),
        (r"\x3cscript\x3e", "<script>"),
        ("\uff1cscript\uff1e", "<script>"),
        ("+ADw-script+AD4-", "<script>"),
        ("%C0%AE%C0%AE%C0%AF", "../"),
        ("1+union+select+2", "1 union select 2"),
    ],
)
def test_an_encoded_text_is_also_read_decoded(text: str, hidden: str) -> None:
    assert next(readings(text)) == text
    assert hidden in readings(text)


def test_decoding_ends_whatever_the_text() -> None:
    assert len([*readings("%" + "25" * 1_000 + "41")]) <= 8


def test_broken_encodings_are_no_fault() -> None:
    for text in ("%", "%4", "%zz", "%ff%fe", "\\u12", "\\ud800", "+AD", "+A-", "\ud800%41", "+ADw" + "A" * 21):
        assert next(readings(text)) == text


def test_character_references_are_resolved_for_markup_only() -> None:
    assert markup_reading("&lt;b&gt;") == "<b>"
    assert markup_reading("no reference") is None
    assert markup_reading("a & b") is None


def test_look_alikes_of_slashes_are_folded_for_paths() -> None:
    assert path_reading("..\u2215x") == "../x"
    assert path_reading("../x") == "../x"


def test_base64_is_read_as_text_or_not_at_all() -> None:
    assert base64_reading(b64encode("für alle".encode() * 3).decode()) == "für alle" * 3
    assert base64_reading(b64encode("für alle".encode("latin-1") * 3).decode()) == "für alle" * 3
    assert base64_reading(b64encode(bytes(range(60))).decode()) is None
    assert base64_reading("PHNjcmlw\tdD5hbGVy\r\n\tdCgxKTwvc2NyaXB0Pg=\n=\n") == "<script>alert(1)</script>"
    for text in ("", " " * 40, "=" * 40, "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==a", "not base64, a sentence", "YWJj"):
        assert base64_reading(text) is None
