"""A file above its bound is refused while it arrives: the rest of it need not come, and nothing is forwarded."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from tests.gateway.h2_client import H2Client, fields
from tests.gateway.lab import Lab, StubPipeline
from tests.gateway.test_tls import write

from doorward.controls.forward import ForwardPolicy
from doorward.controls.validate import ValidatePolicy, compile_watch
from doorward.gateway.tls import server_context
from doorward.operation import MediaType, Operation, RequestBody
from doorward.policy.openapi import description_from_document

DESCRIPTION = description_from_document({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}})
CONTENT = {"multipart/form-data": MediaType(name="multipart/form-data", schema=None)}
OPERATION = Operation(
    id="x", method="POST", path="/items", template="/items", request_body=RequestBody(required=True, content=CONTENT)
)
TYPE = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="a"; filename="a.bin"\r\n\r\n'


class WatchingPipeline(StubPipeline):
    def __init__(self, policy: ForwardPolicy) -> None:
        super().__init__(policy)
        key = ("POST", b"/items")
        watch = compile_watch(OPERATION, ValidatePolicy(upload_bytes=1000), DESCRIPTION)
        self.plans[key] = replace(self.plans[key], watch=watch)


class WatchingLab(Lab):
    pipeline_type = WatchingPipeline


@pytest.fixture
def lab() -> Iterator[WatchingLab]:
    with WatchingLab() as lab:
        yield lab


@pytest.mark.parametrize("framing", ["Content-Length: 50000", "Transfer-Encoding: chunked"])
def test_the_answer_comes_before_the_rest_of_the_body(lab: WatchingLab, framing: str) -> None:
    begun = PART + b"x" * 1100
    sent = begun if "Length" in framing else b"%x\r\n" % len(begun) + begun + b"\r\n"
    with lab.connect() as client:
        client.send(
            f"POST /items HTTP/1.1\r\nHost: api.test\r\nContent-Type: {TYPE}\r\n{framing}\r\n\r\n".encode() + sent
        )
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.code) == (413, "validate.upload_size")
        # Where the next request begins is unknown as long as the body is not there.
        assert answer.headers[b"connection"] == b"close"
    assert lab.upstream.seen == []
    assert lab.audit.wait_for_outcomes(1)[0].detail == "a: a file above 1000 bytes"
    lab.wait_until(lambda: lab.gateway.load.buffered_bytes == 0)


@pytest.mark.parametrize("bytewise", [False, True])
def test_a_file_within_its_bound_goes_through_as_it_came(lab: WatchingLab, bytewise: bool) -> None:
    body = PART + b"x" * 1000 + b"\r\n--b--\r\n"
    head = f"POST /items HTTP/1.1\r\nHost: api.test\r\nContent-Type: {TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = lab.ask(head.encode() + body, bytewise=bytewise)
    assert answer is not None
    assert answer.status == 200
    assert lab.upstream.seen[0].body == body


def test_over_http2_the_stream_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    files = write(authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA), tmp_path)
    with WatchingLab(context=server_context(*files), scheme="https") as lab, H2Client(lab.port, authority) as client:
        stream = client.ask(fields("POST", "/items", ("content-type", TYPE)), PART + b"x" * 1100, ends=False)
        assert client.answer(stream).code == "validate.upload_size"
        assert client.answer(client.ask(fields())).status == 200
        assert [seen.line for seen in lab.upstream.seen] == [b"GET /items HTTP/1.1"]
