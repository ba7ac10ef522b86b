"""Names and types are noted, never a value; what could be a value is no name."""

import orjson
import pytest
from tests.controls.inspect.test_check import exchange

from doorward.controls.validate.learning import note_shape, noted_shape, notes_of, shape_of


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ({"a": 1, "b": 1.5, "c": True, "d": None}, {"a": "integer", "b": "number", "c": "boolean", "d": "null"}),
        ({"at": "2026-11-29T10:00:00Z", "on": "2026-11-29"}, {"at": "date-time", "on": "date"}),
        ({"n": "17", "flag": "true"}, {"n": "string", "flag": "string"}),
        ({"alice@example.com": 1}, {}),
        ({f"k{number}": 1 for number in range(40)}, {}),
        ([{"id": 1}, {"id": 2, "x": 3}], [{"id": "integer"}]),
        ([], []),
    ],
)
def test_a_value_becomes_its_shape(value: object, shape: object) -> None:
    assert shape_of(value) == shape


def test_nothing_deep_or_long_is_noted_whole() -> None:
    deep: object = 1
    for _ in range(50):
        deep = {"a": deep}
    assert orjson.dumps(shape_of(deep)).count(b"a") <= 8
    wide = {"query": {}, "type": "application/json", "body": {f"name_{number}" * 4: "string" for number in range(30)}}
    assert noted_shape(notes_of(wide)) == '{"query":{},"type":"application/json"}'
    assert all(len(note) <= 128 for note in notes_of({"body": {f"name_{number}": "string" for number in range(30)}}))


@pytest.mark.parametrize(
    ("query", "media", "body", "noted"),
    [
        (b"", b"", b"", {}),
        (b"page=2&%3Cscript%3E=1&q=x", b"", b"", {"query": {"page": "integer", "q": "string"}}),
        (b"", b"application/x-www-form-urlencoded", b"user=ann&pin=1234", "form"),
        (b"", b"application/json", b"{broken", {"type": "application/json"}),
        (b"", b"text/plain; charset=utf-8", b"hello", {"type": "text/plain"}),
        (b"", b"evil\x00/type", b"hello", {}),
    ],
)
def test_queries_forms_and_bodies_nobody_reads(query: bytes, media: bytes, body: bytes, noted: object) -> None:
    made = exchange(query=query, headers=((b"content-type", media),) if media else ())
    made.request.body = body
    note_shape(made)
    wanted = noted
    if noted == "form":
        wanted = {"type": media.decode(), "body": {"user": "string", "pin": "integer"}}
    assert orjson.loads(noted_shape(made.findings)) == wanted
