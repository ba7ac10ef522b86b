"""Every name of JSON lines is read line by line on the way in and on the way out."""

import pytest
from tests.controls.minimise.test_release import answer, exchange, release
from tests.controls.validate.carrying import body_document, code_of, sender

from doorward.media_types import JSON_LINES

NAMES = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
]
NUMBERED = {"type": "object", "properties": {"n": {"type": "integer"}}}


def test_the_names_are_these() -> None:
    assert sorted(NAMES) == sorted(JSON_LINES)


@pytest.mark.parametrize("name", NAMES)
def test_a_request_is_held_to_the_schema_line_by_line(name: str) -> None:
    send = sender(body_document(NUMBERED, media_type=name))
    headers = [(b"content-type", name.encode())]
    assert send("POST", b"/things", headers, b'{"n":1}\n\n{"n":2}\n').json_body == [{"n": 1}, {"n": 2}]
    for body, code in (
        (b'{"n":1}\n{"n":"two"}\n', "validate.schema"),
        (b'{"n":1}\n{"n":\n', "validate.json_syntax"),
        (b'{"n":1}\n{"m":1}\n', "validate.unknown_property"),
    ):
        assert code_of(lambda body=body: send("POST", b"/things", headers, body)) == code  # type: ignore[misc]


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_filtered_line_by_line(name: str) -> None:
    made = exchange(b'{"n":1,"hash":"x"}\n\n{"n":2}\n', media=name.encode())
    compiled = release(responses={"200": answer("200", {name: NUMBERED})})
    assert made.response is not None
    assert compiled.reads_body(made, made.response)
    compiled.apply(made)
    assert made.response.body == b'{"n":1}\n\n{"n":2}\n'
