from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import httpx
import pytest
from tests.controls.authenticate.partner import NOW, PRIVATE, SECRET, Partner, exchange_of

from doorward.answer_key import new_answer_key
from doorward.attack.case import Ask
from doorward.client import MessageSigner, SentRequest, SignatureAuth, SignatureRefused, WebhookAuth
from doorward.client.signing import ReceivedAnswer
from doorward.controls.authenticate import AnswerSigner
from doorward.exchange import Response
from doorward.signatures import public_key_from_pem

URL = "https://api.example/x?a=1&b=%20"
GATEWAY = new_answer_key()
SIGNER = AnswerSigner(GATEWAY.id, GATEWAY.key)


def ask_of(request: httpx.Request) -> Ask:
    """The request as the gateway reads it."""
    headers = tuple((name, value) for name, value in request.headers.items() if name != "host")
    return Ask(method=request.method, target=request.url.raw_path.decode(), headers=headers, body=request.content)


class Gateway:
    """A gateway's authentication and answers behind httpx, without a socket."""

    def __init__(self, partner: Partner, *, answer: Callable[[Response], Response] = lambda response: response) -> None:
        self.partner, self.answer = partner, answer
        self.codes: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        ask = ask_of(request)
        self.codes.append(self.partner.code(ask))
        response = Response(200, [(b"content-type", b"application/json")], b'{"ok":true}')
        SIGNER.sign(exchange_of(ask, now=NOW), response)
        sent = self.answer(response)
        content = b"" if request.method == "HEAD" else sent.body
        return httpx.Response(sent.status, headers=sent.headers, content=content)

    def client(self, auth: httpx.Auth) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self), auth=auth, base_url="https://api.example")


def auth_of(**settings: Any) -> SignatureAuth:
    return SignatureAuth("ed", PRIVATE, clock=lambda: NOW, **settings)


@pytest.mark.parametrize("body", [None, {"a": 1}])
def test_httpx_sends_what_the_gateway_accepts(body: Any) -> None:
    gateway = Gateway(Partner())
    with gateway.client(auth_of()) as client:
        for _ in range(2):
            client.request("POST", "/x", params={"a": "ä b", "b": "/"}, json=body)
    assert gateway.codes == ["", ""]


def test_a_token_beside_the_signature_is_covered() -> None:
    gateway = Gateway(Partner())
    with gateway.client(auth_of()) as client:
        client.get("/x", headers={"Authorization": "Bearer abc"})
    assert gateway.codes == [""]


def test_a_shared_secret_signs_too() -> None:
    import base64

    gateway = Gateway(Partner())
    auth = SignatureAuth("mac", base64.b64encode(SECRET).decode(), clock=lambda: NOW)
    with gateway.client(auth) as client:
        client.get("/x")
    assert gateway.codes == [""]


def test_a_webhook_is_sent_as_the_gateway_accepts_it() -> None:
    gateway = Gateway(Partner("hmac"))
    with gateway.client(WebhookAuth("hook", SECRET, clock=lambda: NOW)) as client:
        for _ in range(2):
            client.post("/x?a=1", json={"a": 1})
    assert gateway.codes == ["", ""]


@pytest.mark.parametrize(
    ("signature", "auth"),
    [("rfc9421", auth_of()), ("hmac", WebhookAuth("hook", SECRET, clock=lambda: NOW))],
)
def test_a_redirect_to_another_host_takes_nothing_along_that_holds_here(
    signature: Literal["rfc9421", "hmac"], auth: httpx.Auth
) -> None:
    partner, taken = Partner(signature), list[Ask]()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "api.example":
            return httpx.Response(307, headers={"location": "https://api.example.evil/x"})
        taken.append(ask_of(request))
        return httpx.Response(200)

    with httpx.Client(transport=httpx.MockTransport(answer), auth=auth, follow_redirects=True) as client:
        client.post("https://api.example/y", json={})
        client.post("https://api.example.evil/x", json={})
    assert [partner.code(ask) for ask in taken] == ["signature_invalid"] * 2


def test_a_digest_that_the_program_set_itself_is_replaced() -> None:
    gateway = Gateway(Partner())
    with gateway.client(auth_of()) as client:
        client.post("/x", content=b"{}", headers={"Content-Digest": "sha-256=:AAAA:"})
    assert gateway.codes == [""]


def test_a_signed_answer_is_believed() -> None:
    gateway = Gateway(Partner())
    with gateway.client(auth_of(answers_from=GATEWAY.public)) as client:
        assert client.get("/x").json() == {"ok": True}
        assert client.head("/x").status_code == 200


def _unsigned(response: Response) -> Response:
    return Response(response.status, [(b"content-type", b"application/json")], response.body)


def _without(name: bytes) -> Callable[[Response], Response]:
    return lambda response: Response(
        response.status, [field for field in response.headers if field[0] != name], response.body
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_unsigned, "missing"),
        (lambda response: Response(201, response.headers, response.body), "invalid"),
        (lambda response: Response(200, response.headers, b'{"ok":false}'), "digest"),
        (lambda response: Response(200, response.headers, b""), "digest"),
        (
            lambda response: Response(200, [*response.headers, (b"content-type", b"text/html")], response.body),
            "invalid",
        ),
        (_without(b"content-type"), "invalid"),
        (_without(b"content-digest"), "invalid"),
        (_without(b"signature"), "invalid"),
    ],
)
def test_any_other_answer_is_not(change: Callable[[Response], Response], reason: str) -> None:
    gateway = Gateway(Partner(), answer=change)
    with gateway.client(auth_of(answers_from=GATEWAY.public)) as client, pytest.raises(SignatureRefused) as refused:
        client.get("/x")
    assert refused.value.reason == reason


def test_an_answer_of_another_key_is_refused() -> None:
    gateway = Gateway(Partner())
    other = auth_of(answers_from=new_answer_key().public)
    with gateway.client(other) as client, pytest.raises(SignatureRefused):
        client.get("/x")


def answered(request: SentRequest, *, now: float = NOW, status: int = 200, body: bytes = b"{}") -> ReceivedAnswer:
    """The gateway's answer to a request."""
    target = request.url.removeprefix("https://api.example")
    exchange = exchange_of(Ask(method=request.method, target=target, headers=tuple(request.headers)), now=now)
    response = Response(status, [(b"content-type", b"application/json")], body)
    SIGNER.sign(exchange, response)
    headers = [(name.decode(), value.decode()) for name, value in response.headers]
    return ReceivedAnswer(status=status, headers=headers, body=response.body or b"", request=request, asked_at=NOW)


def believes(answer: ReceivedAnswer, now: float = NOW) -> bool:
    try:
        answer.verify(public_key_from_pem(GATEWAY.public), now=now)
    except SignatureRefused:
        return False
    return True


def test_an_answer_holds_for_its_own_question_only() -> None:
    signer = MessageSigner(key_id="ed", key=MessageSigner.from_pem(PRIVATE), clock=lambda: NOW)
    plain = SentRequest(method="GET", url=URL)
    asked, again = (replace(plain, headers=tuple(signer.sign(plain).items())) for _ in range(2))
    answer = answered(asked)
    assert believes(answer)
    for other in (
        again,
        replace(asked, method="PUT"),
        replace(asked, url="https://api.example/y?a=1&b=%20"),
        replace(asked, url="https://api.example/x?a=2&b=%20"),
        replace(asked, url="https://other.example/x?a=1&b=%20"),
    ):
        assert not believes(replace(answer, request=other))


def test_a_redirect_leads_where_the_gateway_said() -> None:
    exchange = exchange_of(Ask(target="/x?a=1&b=%20"))
    response = Response(302, [(b"location", b"/there")], b"")
    SIGNER.sign(exchange, response)
    plain = [(name.decode(), value.decode()) for name, value in response.headers]
    request = SentRequest(method="GET", url=URL)
    answer = ReceivedAnswer(status=302, headers=plain, body=b"", request=request, asked_at=NOW)
    assert believes(answer)
    elsewhere = [(name, "https://evil.example/" if name == "location" else value) for name, value in plain]
    assert not believes(replace(answer, headers=elsewhere))
    assert not believes(replace(answer, headers=[field for field in plain if field[0] != "location"]))
    added = answered(request)
    assert not believes(replace(added, headers=[*added.headers, ("location", "https://evil.example/")]))


def test_an_answer_holds_for_its_own_time_only() -> None:
    request = SentRequest(method="GET", url=URL)
    assert believes(answered(request, now=NOW - 5))
    assert not believes(answered(request, now=NOW - 6)), "it was given before it was asked for"
    assert believes(answered(request, now=NOW + 5))
    assert not believes(answered(request, now=NOW + 6))
    assert believes(answered(request), now=NOW + 600), "an answer may take long"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_an_answer_without_a_body_has_no_digest(method: str, status: int) -> None:
    answer = answered(SentRequest(method=method, url=URL), status=status, body=b"")
    assert "content-digest" not in dict(answer.headers)
    assert believes(answer)
    assert not believes(replace(answer, body=b"x"))


def test_what_the_upstream_signed_itself_does_not_leave() -> None:
    response = Response(200, [(b"signature", b"x=:AA==:"), (b"content-digest", b"sha-256=:AA==:")], b"{}")
    SIGNER.sign(exchange_of(Ask()), response)
    assert [name for name, _ in response.headers] == [b"content-digest", b"signature-input", b"signature"]


def test_an_answer_that_cannot_be_signed_leaves_unsigned_and_is_noted() -> None:
    exchange = exchange_of(Ask())
    response = Response(200, [(b"content-type", "é".encode("latin-1"))], b"{}")
    SIGNER.sign(exchange, response)
    assert [name for name, _ in response.headers] == [b"content-type"]
    assert exchange.findings == ["authenticate.unsigned_answer"]


def test_a_signer_shows_no_key() -> None:
    assert "key=" not in repr(MessageSigner(key_id="ed", key=MessageSigner.from_pem(PRIVATE))).replace("key_id=", "")


def test_a_port_and_a_user_in_the_url_are_as_httpx_sends_them() -> None:
    message = SentRequest(method="GET", url="https://user:pw@api.example:8443/a").message()
    assert (message.authority, message.target) == (b"api.example:8443", b"/a")
