"""Proofs of possession (DPoP) with httpx, and several ways of proving at once."""

import hashlib
import secrets
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final

import httpx

from doorward.jose import JoseError, PrivateKey, encode_segment, private_key_from_jwk, sign_proof

_ID_BYTES: Final = 18


class ProofAuth(httpx.Auth):
    """Sends a token that is bound to a key, with a proof that we hold it, made anew for each request (RFC 9449).

    A nonce that the gateway gives out is put into the next proof; when it demands one, the request is sent once more.
    """

    def __init__(
        self,
        token: str | Callable[[], str],
        key: Mapping[str, Any] | PrivateKey,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`token`: the token, or what gives the one in force; `key`: the private key it is bound to (a JWK with `alg`).

        Errors: ValueError for a key that is none.
        """
        try:
            self._key = key if isinstance(key, PrivateKey) else private_key_from_jwk(key)
        except JoseError as error:
            raise ValueError(error.problem) from error
        self._token, self._clock = token, clock
        self._nonces: dict[str, str] = {}
        """The newest nonce of each origin."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """As httpx has it."""
        origin = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
        self._prove(request, origin)
        response = yield request
        known = self._nonces.get(origin)
        self._note(response, origin)
        demands = 'error="use_dpop_nonce"' in response.headers.get("www-authenticate", "")
        if response.status_code == httpx.codes.UNAUTHORIZED and demands and self._nonces.get(origin) != known:
            self._prove(request, origin)
            response = yield request
            self._note(response, origin)

    def _note(self, response: httpx.Response, origin: str) -> None:
        nonce = response.headers.get("dpop-nonce")
        if nonce:
            self._nonces[origin] = nonce

    def _prove(self, request: httpx.Request, origin: str) -> None:
        token = self._token if isinstance(self._token, str) else self._token()
        claims: dict[str, Any] = {
            "jti": secrets.token_urlsafe(_ID_BYTES),
            "htm": request.method,
            "htu": origin + request.url.raw_path.decode("ascii").partition("?")[0],
            "iat": int(self._clock()),
            "ath": encode_segment(hashlib.sha256(token.encode("ascii")).digest()).decode("ascii"),
        }
        nonce = self._nonces.get(origin)
        if nonce is not None:
            claims["nonce"] = nonce
        request.headers["Authorization"] = f"DPoP {token}"
        request.headers["DPoP"] = sign_proof(self._key, claims)


class CombinedAuth(httpx.Auth):
    """Several ways of proving, one after another: what comes later may cover what came before.

    `CombinedAuth(ProofAuth(...), SignatureAuth(...))` signs the token, too. Whatever a way has to do again, those after
    it do again as well.
    """

    def __init__(self, *ways: httpx.Auth) -> None:
        self._ways = ways
        self.requires_request_body = any(way.requires_request_body for way in ways)
        self.requires_response_body = any(way.requires_response_body for way in ways)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """As httpx has it."""
        yield from _through(self._ways, request)


def _through(
    ways: tuple[httpx.Auth, ...], request: httpx.Request
) -> Generator[httpx.Request, httpx.Response, httpx.Response]:
    if not ways:
        response = yield request
        return response
    flow = ways[0].auth_flow(request)
    request = next(flow)
    while True:
        response = yield from _through(ways[1:], request)
        try:
            request = flow.send(response)
        except StopIteration:
            return response
