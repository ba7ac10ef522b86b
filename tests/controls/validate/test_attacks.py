"""Each attack earns its code from the compiled checks, and its twin passes; the running gateway is tested elsewhere."""

import json
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.controls.validate.carrying import code_of, document_of, sender

from doorward.attack.case import Ask, Samples
from doorward.controls.validate import AntivirusPolicy, ArchivesPolicy, GraphqlPolicy, ValidatePolicy, compile_scan
from doorward.controls.validate.antivirus import judge_answer
from doorward.controls.validate.attacks import ATTACKS
from doorward.controls.validate.graphql import compile_graphql_check
from doorward.controls.validate.upload_attacks import EICAR
from doorward.denial import DENIALS, Denied
from doorward.operation import MediaType, Operation, RequestBody

BODY = {"amount": 1, "note": "n"}
QUERY = {"type": "object", "properties": {"query": {"type": "string"}}}
GRAPHQL = compile_graphql_check(GraphqlPolicy())
ANTIVIRUS = AntivirusPolicy(address="/run/clamd")
DOCUMENT = {
    "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary", "maxLength": 65_536}}},
    "encoding": {"file": {"contentType": "application/zip, application/gzip, image/svg+xml, text/plain"}},
}
SEND = sender(
    document_of(
        {
            "/orders": {
                "get": {"parameters": [{"name": "q", "in": "query", "schema": {"type": "string"}}], "responses": {}},
                "post": {
                    "requestBody": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "properties": {"amount": {"type": "number"}, "note": {"type": "string"}},
                                }
                            }
                        }
                    },
                    "responses": {},
                },
            },
            "/avatars": {
                "post": {
                    "requestBody": {
                        "content": {
                            "multipart/form-data": {
                                "schema": {
                                    "type": "object",
                                    "required": ["title", "image"],
                                    "properties": {
                                        "title": {"type": "string"},
                                        "image": {"type": "string", "format": "binary"},
                                    },
                                },
                                "encoding": {"image": {"contentType": "image/png"}},
                            }
                        }
                    },
                    "responses": {},
                }
            },
            "/documents": {"post": {"requestBody": {"content": {"multipart/form-data": DOCUMENT}}, "responses": {}}},
            "/graphql": {
                "post": {"requestBody": {"content": {"application/json": {"schema": QUERY}}}, "responses": {}}
            },
            "/xml": {"post": {"requestBody": {"content": {"application/xml": {}}}, "responses": {}}},
        }
    ),
    archives=ArchivesPolicy(),
    antivirus=ANTIVIRUS,
)
FILES = MediaType(name="multipart/form-data", schema=None)
TAKING = Operation(
    id="x",
    method="POST",
    path="/x",
    template="/x",
    request_body=RequestBody(required=True, content={"multipart/form-data": FILES}),
)
SCAN = compile_scan(TAKING, ValidatePolicy(antivirus=ANTIVIRUS)) or (ANTIVIRUS, lambda *_: None)
AVATAR = (
    b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nme\r\n--b\r\n'
    b'Content-Disposition: form-data; name="image"; filename="me.png"\r\nContent-Type: image/png\r\n\r\n'
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\r\n--b--\r\n"
)


class OrderSamples:
    """Requests to the one API of this test."""

    def read(self) -> Ask:
        return Ask(target="/orders")

    def write(self, **changed: object) -> Ask:
        body = json.dumps({**BODY, **changed}).encode()
        return Ask(method="POST", target="/orders", headers=(("Content-Type", "application/json"),), body=body)

    def query_text(self, value: str) -> Ask:
        return Ask(target=f"/orders?q={value}")

    def body_of(self, media_type: str) -> Ask:
        if media_type == "application/xml":
            return Ask(method="POST", target="/xml", headers=(("Content-Type", media_type),), body=b"<a>b</a>")
        headers = (("Content-Type", f"{media_type}; boundary=b"),)
        return Ask(method="POST", target="/avatars", headers=headers, body=AVATAR)

    def upload(self, media_type: str, content: bytes, *, looked_into: str = "") -> Ask:
        head = (
            f'Content-Disposition: form-data; name="file"; filename="a.{media_type[-3:]}"\r\nContent-Type: {media_type}'
        )
        body = b"--b\r\n" + head.replace("xml", "svg", 1).encode() + b"\r\n\r\n" + content + b"\r\n--b--\r\n"
        headers = (("Content-Type", "multipart/form-data; boundary=b"),)
        return Ask(method="POST", target="/documents", headers=headers, body=body)

    def sized_upload(self, *, beyond: int) -> Ask:
        return self.upload("text/plain", b"a" * (65_536 + beyond))

    def lab(self, behaviour: str) -> Ask:
        return replace(self.upload("text/plain", b"words"), lab=behaviour)

    def graphql(self, query: str) -> Ask:
        body = json.dumps({"query": query}).encode()
        return Ask(method="POST", target="/graphql", headers=(("Content-Type", "application/json"),), body=body)

    def body_value(self, pointer_kind: str, value: object) -> Ask:
        return self.write(**{"amount" if pointer_kind == "number" else "undeclared": value})


def verdict_on(uploads: tuple[tuple[str, bytes], ...], *, is_away: bool) -> Denied | None:
    """What the scanner's answer is read as; asking it is tested with the gateway."""
    try:
        for field, data in uploads:
            judge_answer(b"" if is_away else b"stream: Eicar FOUND\0" if EICAR in data else b"stream: OK\0", field)
    except Denied as denied:
        return denied
    return None


def code_earned_by(ask: Ask | None) -> str:
    assert ask is not None
    headers = [(name.lower().encode(), value.encode()) for name, value in ask.headers]

    def carried() -> None:
        exchange = SEND(ask.method, ask.target.encode(), headers, ask.body or None)
        if exchange.uploads:
            SCAN[1](exchange, verdict_on(exchange.uploads, is_away=ask.lab == "scanner_away"))
        if ask.target == "/graphql":
            GRAPHQL(exchange)

    return code_of(carried)


SAMPLES = cast("Samples", OrderSamples())


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_the_attack_is_stopped_and_its_twin_passes(attack: Any) -> None:
    assert code_earned_by(attack.send(SAMPLES)) == attack.earns
    assert code_earned_by(attack.twin(SAMPLES)) == ""


def test_every_code_of_this_control_has_an_attack() -> None:
    assert {code for code in DENIALS if code.startswith("validate.")} == {attack.earns for attack in ATTACKS}
