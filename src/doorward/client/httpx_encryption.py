"""Encrypted bodies with httpx: hand this to `transport=` of a client whose every operation takes them."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx

from doorward.client.encryption import MEDIA_TYPE, BodyEncrypter, EncryptionRefused, SealedBody

_BODILESS: Final = frozenset({204, 304})
_FAILED: Final = 400
_OF_THE_BODY: Final = frozenset({"content-type", "content-length", "transfer-encoding", "content-encoding"})


class EncryptedTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Encrypts each request and opens each answer; code above it sees clear text. For clients of both kinds.

    What proves the caller (`auth`: `SignatureAuth`, `ProofAuth`, or both in a `CombinedAuth`) belongs here and not to
    the client: a signature covers the body as it is sent, and an answer's signature is checked as it came.

    Errors: EncryptionRefused, out of the call that sends the request, for an answer that was not encrypted to us and to
    this request. A refusal in clear (status 400 and above, from before the gateway could open the message) is handed on
    as it is: believe nothing that it says. So is an answer without a body (to HEAD, 204, 304), which only a signature
    proves.
    """

    def __init__(
        self,
        gateway_keys: Mapping[str, Any] | None,
        key: Mapping[str, Any] | bytes | BodyEncrypter,
        *,
        key_id: str = "",
        auth: httpx.Auth | None = None,
        transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`gateway_keys`: the gateway's JWKS; `key`: one's own private key (JWK, or PEM with `key_id`).

        `transport`: what sends; by default httpx's own for the kind of client it is used with. Errors: ValueError for
        keys that are none.
        """
        self._encrypter = key if isinstance(key, BodyEncrypter) else BodyEncrypter.of(gateway_keys, key, key_id=key_id)
        self._auth = auth or httpx.Auth()
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """As httpx has it."""
        sender = self._transport or httpx.HTTPTransport()
        if not isinstance(sender, httpx.BaseTransport):
            raise TypeError("the transport is for an AsyncClient")
        self._transport = sender
        sealed, sent = self._sealed(request, request.read())
        flow = self._auth.sync_auth_flow(sent)
        sent = next(flow)
        while True:
            response = sender.handle_request(sent)
            response.request = sent
            response.read()
            response.close()
            try:
                sent = flow.send(response)
            except StopIteration:
                return self._opened(request, sealed, response)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As httpx has it."""
        sender = self._transport or httpx.AsyncHTTPTransport()
        if not isinstance(sender, httpx.AsyncBaseTransport):
            raise TypeError("the transport is for a Client")
        self._transport = sender
        sealed, sent = self._sealed(request, await request.aread())
        flow = self._auth.async_auth_flow(sent)
        sent = await anext(flow)
        while True:
            response = await sender.handle_async_request(sent)
            response.request = sent
            await response.aread()
            await response.aclose()
            try:
                sent = await flow.asend(response)
            except StopAsyncIteration:
                return self._opened(request, sealed, response)

    def close(self) -> None:
        """Close what sends."""
        if isinstance(self._transport, httpx.BaseTransport):
            self._transport.close()

    async def aclose(self) -> None:
        """Close what sends."""
        if isinstance(self._transport, httpx.AsyncBaseTransport):
            await self._transport.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()

    def _sealed(self, request: httpx.Request, content: bytes) -> tuple[SealedBody, httpx.Request]:
        media_type = request.headers.get("content-type", "application/octet-stream")
        sealed = self._encrypter.seal(content, media_type)
        kept = [(name, value) for name, value in request.headers.multi_items() if name not in _OF_THE_BODY]
        return sealed, httpx.Request(
            request.method,
            request.url,
            headers=[*kept, *sealed.headers.items()],
            content=sealed.body or None,
            extensions=request.extensions,
        )

    def _opened(self, request: httpx.Request, sealed: SealedBody, response: httpx.Response) -> httpx.Response:
        status = response.status_code
        if request.method == "HEAD" or status in _BODILESS:
            return response
        if response.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
            if status >= _FAILED:
                return response
            raise EncryptionRefused(f"an answer in clear, with status {status}")
        opened = self._encrypter.open(response.content, status=status, message_id=sealed.message_id)
        kept = [(name, value) for name, value in response.headers.multi_items() if name not in _OF_THE_BODY]
        if opened.media_type:
            kept.append(("content-type", opened.media_type))
        return httpx.Response(status, headers=kept, content=opened.content, extensions=response.extensions)
