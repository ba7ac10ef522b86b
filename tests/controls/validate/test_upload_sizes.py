"""Files have bounds of their own, and are held to them while they arrive."""

from typing import Any

import pytest
from tests.controls.validate.carrying import code_of, denial_of, document_of, sender

from doorward.controls.validate import ValidatePolicy, compile_watch, largest_file_body
from doorward.controls.validate.arriving import Arriving
from doorward.controls.validate.multipart import parts
from doorward.controls.validate.upload_sizes import FileSizes
from doorward.denial import Denied
from doorward.exchange import Exchange, Headers, Request, Source
from doorward.operation import MediaType
from doorward.policy.openapi import description_from_document

FILE = {"type": "string", "format": "binary"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 3},
        "image": {**FILE, "minLength": 4, "maxLength": 10},
        "many": {"type": "array", "items": {**FILE, "maxLength": 5}},
        "open": FILE,
        "text": {"type": "string", "format": "byte", "minLength": 2},
    },
}
DOCUMENT = document_of(
    {"/things": {"post": {"requestBody": {"content": {"multipart/form-data": {"schema": SCHEMA}}}, "responses": {}}}}
)
DESCRIPTION = description_from_document(DOCUMENT)
HEADERS = [(b"content-type", b"multipart/form-data; boundary=b")]


def body(*made: tuple[str, bytes], more: str = '; filename="f.bin"') -> bytes:
    pieces = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"{"" if name == "title" else more}\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in made
    ]
    return b"".join(pieces) + b"--b--\r\n"


def whole(raw: bytes, **settings: Any) -> str:
    """The code that the whole body earns."""
    return code_of(lambda: sender(DOCUMENT, **settings)("POST", b"/things", HEADERS, raw))


def sizes(**settings: Any) -> FileSizes:
    media = MediaType(name="multipart/form-data", schema=SCHEMA)
    return FileSizes(media, ValidatePolicy(**settings), DESCRIPTION)


def arriving(raw: bytes, step: int, most_parts: int = 100, **settings: Any) -> tuple[str, int]:
    """The code that the body earns in pieces of this size, and how much of it had to come for that."""
    feed = Arriving(b"b", sizes(**settings), most_parts).feed
    for at in range(0, len(raw), step):
        try:
            feed(raw[at : at + step])
        except Denied as denied:
            return denied.code, at + step
    return "", len(raw)


@pytest.mark.parametrize("size", [4, 10])
def test_a_file_within_its_bounds_passes(size: int) -> None:
    raw = body(("image", b"x" * size))
    assert whole(raw) == ""
    assert arriving(raw, 7) == ("", len(raw))


@pytest.mark.parametrize(("name", "size"), [("image", 11), ("many", 6)])
@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
def test_a_file_above_its_bound_is_refused_when_it_is_above_it(name: str, size: int, step: int) -> None:
    raw = body((name, b"x" * size))
    assert whole(raw) == "validate.upload_size"
    assert arriving(raw, step)[0] == "validate.upload_size"


def test_the_rest_need_not_come() -> None:
    raw = body(("title", b"abc"), ("image", b"x" * 1_000_000))
    code, came = arriving(raw, 100)
    assert code == "validate.upload_size"
    assert came <= 400


def test_the_client_is_told_413_and_no_more() -> None:
    denied = denial_of(lambda: sender(DOCUMENT)("POST", b"/things", HEADERS, body(("image", b"x" * 11))))
    assert (denied.denial.status, denied.detail, denied.public) == (413, "image: a file above 10 bytes", None)


def test_a_file_below_its_bound_does_not_fit_the_schema() -> None:
    assert whole(body(("image", b"xxx"))) == "validate.schema"
    assert whole(body(("text", b"QUJD"))) == ""
    assert whole(body(("text", b"Q"))) == "validate.schema"


def test_each_file_of_a_list_has_the_bound_by_itself() -> None:
    raw = body(("many", b"12345"), ("many", b"12345"), ("many", b""))
    assert whole(raw) == ""
    assert arriving(raw, 3)[0] == ""


def test_the_policy_bounds_every_file_and_the_smaller_bound_holds() -> None:
    assert whole(body(("open", b"x" * 100))) == ""
    for name, size in (("open", 9), ("image", 9)):
        raw = body((name, b"x" * size))
        assert whole(raw, upload_bytes=8) == "validate.upload_size"
        assert arriving(raw, 5, upload_bytes=8)[0] == "validate.upload_size"
    assert whole(body(("image", b"x" * 11)), upload_bytes=100) == "validate.upload_size"
    assert arriving(body(("title", b"x" * 100)), 5, upload_bytes=8)[0] == ""


def test_one_part_too_many_is_refused_when_it_begins() -> None:
    raw = body(*[("open", b"")] * 5)
    assert arriving(raw, 1, most_parts=5)[0] == ""
    code, came = arriving(raw, 1, most_parts=4)
    assert code == "validate.json_limit"
    assert came < len(raw)


def test_what_looks_like_a_boundary_is_data() -> None:
    data = b"\r\n--\r\n-"
    raw = body(("image", data + b"\r\n"), ("open", b"\r\n--c" * 50))
    for step in (1, 3, 5, 100_000):
        assert arriving(raw, step)[0] == ""
    assert whole(raw) == ""


@pytest.mark.parametrize("seed", range(40))
def test_in_pieces_a_body_is_what_it_is_as_a_whole(seed: int) -> None:
    """What passes as a whole passes in pieces, and a file that is too large is so both ways."""
    import random

    chance = random.Random(seed)
    words = [b"\r\n", b"--", b"b", b"x", b"\r\n--", b"\r", b"\n", b"\r\n--bb"[:-2]]
    made = []
    for _ in range(chance.randint(0, 4)):
        name = chance.choice(["image", "many", "open", "title"])
        made.append((name, b"".join(chance.choice(words) for _ in range(chance.randint(0, 6)))))
    raw = body(*made)
    try:
        found = parts(raw, {"boundary": "b"}, 100)
    except Denied:
        return
    bounds = sizes()
    too_large = any(
        (most := bounds.most_of(part.name, is_file=part.filename is not None)) is not None and len(part.data) > most
        for part in found
    )
    for step in (1, 2, 5, 1000):
        assert arriving(raw, step)[0] == ("validate.upload_size" if too_large else "")


def test_heads_without_end_are_refused_early() -> None:
    code, came = arriving(b"--b\r\n" + b"x" * 100_000, 100)
    assert code == "validate.multipart"
    assert came < 5_000


def exchange(content_type: bytes) -> Exchange:
    request = Request("POST", b"/things", b"/things", b"", Headers([(b"content-type", content_type)]), has_body=True)
    return Exchange(id="0" * 32, now=1e9, ticks=1.0, source=Source(address="192.0.2.1"), request=request)


def test_only_bodies_with_bounded_files_are_followed() -> None:
    operation = DESCRIPTION.operations[0]
    watch = compile_watch(operation, ValidatePolicy(), DESCRIPTION)
    assert watch is not None
    assert watch(exchange(b"multipart/form-data; boundary=b")) is not None
    assert code_of(lambda: watch(exchange(b"multipart/form-data"))) == "validate.multipart"
    unbounded = description_from_document(
        document_of(
            {
                "/things": {
                    "post": {
                        "requestBody": {
                            "content": {
                                "multipart/form-data": {"schema": {"type": "object", "properties": {"a": FILE}}},
                                "application/json": {},
                            }
                        },
                        "responses": {},
                    }
                }
            }
        )
    )
    assert compile_watch(unbounded.operations[0], ValidatePolicy(), unbounded) is None
    bounded = compile_watch(unbounded.operations[0], ValidatePolicy(upload_bytes=5), unbounded)
    assert bounded is not None
    assert bounded(exchange(b"application/json")) is None


@pytest.mark.parametrize(
    ("content", "most"),
    [
        ({"image/png": {"schema": {**FILE, "maxLength": 9}}}, 9),
        ({"image/png": {"schema": {**FILE, "maxLength": 9}}, "image/gif": {"schema": {**FILE, "maxLength": 7}}}, 9),
        ({"image/png": {"schema": {**FILE, "maxLength": 9}}, "image/gif": {"schema": FILE}}, None),
        ({"image/png": {"schema": {**FILE, "maxLength": 9}}, "application/json": {}}, None),
        ({"image/png": {}}, None),
    ],
)
def test_a_body_that_is_one_file_is_bounded_by_its_schema(content: Any, most: int | None) -> None:
    description = description_from_document(
        document_of({"/things": {"post": {"requestBody": {"content": content}, "responses": {}}}})
    )
    assert largest_file_body(description.operations[0], description) == most
