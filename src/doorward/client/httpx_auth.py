"""Signed requests with httpx: hand one of these to `auth=`, of a client or of one request."""

import time
from collections.abc import Callable, Generator

import httpx

from doorward.client.signing import COMPONENTS, MessageSigner, ReceivedAnswer, SentRequest, WebhookSigner
from doorward.signatures import SigningKey, public_key_from_pem


class SignatureAuth(httpx.Auth):
    """Signs each request by RFC 9421, retries too; with `answers_from` it checks that answers are signed.

    A redirect is another request: followed by httpx itself it has the old signature, which holds nowhere else.
    Errors: SignatureRefused, out of the call that sends the request, for an answer that the gateway did not sign.
    """

    requires_request_body = True

    def __init__(
        self,
        key_id: str,
        key: bytes | str | SigningKey,
        *,
        answers_from: str = "",
        tag: str = "",
        components: tuple[str, ...] = COMPONENTS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`key`: a PEM private key (bytes), or a shared secret in base64 (text).

        `answers_from`: the gateway's public key (PEM, `doorward key answers`); every answer must be signed with it.
        Errors: ValueError for a key that is none.
        """
        if isinstance(key, bytes):
            key = MessageSigner.from_pem(key)
        elif isinstance(key, str):
            key = MessageSigner.from_secret(key)
        self._signer = MessageSigner(key_id=key_id, key=key, tag=tag, components=components, clock=clock)
        self._gateway = public_key_from_pem(answers_from) if answers_from else None
        self.requires_response_body = self._gateway is not None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """As httpx has it."""
        for name in ("content-digest", "signature-input", "signature"):
            request.headers.pop(name, None)
        asked_at = self._signer.clock()
        for name, value in self._signer.sign(sent(request)).items():
            request.headers[name] = value
        response = yield request
        if self._gateway is None:
            return
        ReceivedAnswer(
            status=response.status_code,
            headers=response.headers.multi_items(),
            body=response.content,
            request=sent(request),
            asked_at=asked_at,
        ).verify(self._gateway, now=self._signer.clock())


class WebhookAuth(httpx.Auth):
    """Signs each request by plain HMAC, in Doorward's own form. A redirect is not signed anew."""

    requires_request_body = True

    def __init__(self, key_id: str, secret: bytes, *, clock: Callable[[], float] = time.time) -> None:
        self._signer = WebhookSigner(key_id=key_id, secret=secret, clock=clock)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """As httpx has it."""
        for name, value in self._signer.sign(sent(request)).items():
            request.headers[name] = value
        yield request


def sent(request: httpx.Request) -> SentRequest:
    """The request as httpx sends it; its body has been read."""
    url = request.url
    return SentRequest(
        method=request.method,
        url=f"{url.scheme}://{url.netloc.decode('ascii')}{url.raw_path.decode('ascii')}",
        headers=request.headers.multi_items(),
        body=request.content,
    )
