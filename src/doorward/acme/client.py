"""Asks an ACME server: each request signed with the account's key, with a nonce of the server's own."""

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from doorward.acme.account import Account
from doorward.acme.errors import AcmeError, error_of
from doorward.jose import sign_flattened
from doorward.outbound import OutboundAnswer, OutboundRefused

_NONCE: Final = "replay-nonce"
_TRIES: Final = 5
"""How often a request is sent when the server will not have its nonce (RFC 8555 section 6.5)."""
_AGENT: Final = {"user-agent": "doorward"}
_JOSE: Final = {"content-type": "application/jose+json", **_AGENT}
_WAIT_MOST_S: Final = 3_600.0


class Asks(Protocol):
    """What carries requests; `OutboundClient` is one."""

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> OutboundAnswer:
        """What is answered. Errors: OutboundRefused."""


class AcmeClient:
    """One server and one account."""

    __slots__ = ("_account", "_contact", "_directory", "_http", "_kid", "_nonce", "_server")

    def __init__(self, server: str, account: Account, http: Asks, *, contact: str = "") -> None:
        """`server` is the URL of its directory; `contact` a mail address for warnings, or empty."""
        self._server, self._account, self._http, self._contact = server, account, http, contact
        self._directory: Mapping[str, Any] = {}
        self._kid = self._nonce = ""

    @property
    def thumbprint(self) -> str:
        """Of the account's key."""
        return self._account.thumbprint

    async def url(self, name: str) -> str:
        """An address of the server's directory, as `newOrder`; empty when it has none. Errors: AcmeError."""
        if not self._directory:
            self._directory = await self.fetched(self._server)
        found = self._directory.get(name, "")
        return found if isinstance(found, str) else ""

    async def signed_in(self) -> None:
        """Nothing, once the server knows the account: a new one is made, or the one of this key is found.

        Making it agrees to the server's terms, which the policy said (`agree_to_terms`). Errors: AcmeError.
        """
        if self._kid:
            return
        wanted: dict[str, Any] = {"termsOfServiceAgreed": True}
        if self._contact:
            wanted["contact"] = [f"mailto:{self._contact}"]
        answer = await self._post(await self._needed("newAccount"), wanted, by_key=True)
        self._kid = answer.headers.get("location", "")
        if not self._kid:
            raise AcmeError("answer", "the server made an account without an address")

    async def post(self, url: str, payload: Mapping[str, Any] | None) -> OutboundAnswer:
        """The answer to a signed request of the account; None as payload only fetches (POST-as-GET).

        Errors: AcmeError, for every answer that is no success.
        """
        await self.signed_in()
        return await self._post(url, payload, by_key=False)

    async def post_to(self, name: str, payload: Mapping[str, Any]) -> OutboundAnswer:
        """The same to an address of the directory."""
        return await self.post(await self._needed(name), payload)

    async def fetched(self, url: str) -> Mapping[str, Any]:
        """The object at an address that needs no account. Errors: AcmeError."""
        answer = await self._ask("GET", url, _AGENT)
        if answer.status != 200:
            raise error_of(_document(answer), answer.status)
        return object_of(answer)

    async def _needed(self, name: str) -> str:
        found = await self.url(name)
        if not found:
            raise AcmeError("answer", f"the directory of {self._server} has no {name}")
        return found

    async def _post(self, url: str, payload: Mapping[str, Any] | None, *, by_key: bool) -> OutboundAnswer:
        body = b"" if payload is None else json.dumps(payload).encode("utf-8")
        for tries_left in reversed(range(_TRIES)):
            answer = await self._ask("POST", url, _JOSE, await self._signed(url, body, by_key=by_key))
            self._nonce = answer.headers.get(_NONCE, "")
            if answer.status < 300:
                return answer
            error = error_of(_document(answer), answer.status, retry_after_s=retry_after_s(answer))
            if error.kind != "badNonce" or not tries_left:
                raise error
        raise AcmeError("badNonce", "the server takes none of its own nonces")

    async def _signed(self, url: str, body: bytes, *, by_key: bool) -> bytes:
        nonce, self._nonce = self._nonce or await self._new_nonce(), ""
        protected: dict[str, Any] = {"nonce": nonce, "url": url}
        if by_key:
            jwk = self._account.key.public.jwk()
            protected["jwk"] = {name: jwk[name] for name in ("kty", "crv", "x", "y")}
        else:
            protected["kid"] = self._kid
        return sign_flattened(self._account.key, protected, body)

    async def _new_nonce(self) -> str:
        answer = await self._ask("HEAD", await self._needed("newNonce"), _AGENT)
        found = answer.headers.get(_NONCE, "")
        if not found:
            raise AcmeError("answer", "the server gives no nonce")
        return found

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> OutboundAnswer:
        # The addresses are the server's word. They stay with it: an ACME server has no reason to lead elsewhere.
        if _place(url) != _place(self._server):
            raise AcmeError("answer", f"the server leads to another host: {url}")
        try:
            return await self._http.exchange(method, url, headers, body)
        except OutboundRefused as error:
            raise AcmeError("unreachable", str(error)) from error


def retry_after_s(answer: OutboundAnswer) -> float:
    """How long the server wants one to wait, in seconds; 0 when it does not say, or names a date."""
    text = answer.headers.get("retry-after", "")
    return min(float(text), _WAIT_MOST_S) if text.isascii() and text.isdigit() else 0.0


def object_of(answer: OutboundAnswer) -> Mapping[str, Any]:
    """The JSON object of an answer. Errors: AcmeError."""
    found = _document(answer)
    if not isinstance(found, dict):
        raise AcmeError("answer", "the server answered with something else than an object")
    return found


def _place(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise AcmeError("answer", f"the server leads to what is no address: {url}") from error
    return parts.scheme, parts.netloc.lower()


def _document(answer: OutboundAnswer) -> object:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
