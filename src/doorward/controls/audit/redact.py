"""Secrets in records: never the value, only a keyed hash of it, so that a known value can still be looked for."""

import hashlib
from typing import Final

from doorward.exchange import Exchange, Headers

_BLOCK_BYTES: Final = 64
_SECRET_BYTES: Final = 8
"""Shorter values are not searched for in a text: they would hit ordinary words, and they are no secrets."""
_CREDENTIAL_HEADERS: Final = (b"authorization", b"proxy-authorization", b"cookie", b"x-api-key")


class Tagger:
    """HMAC-SHA256 (RFC 2104) under the installation's record key, with both key blocks hashed once."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def tag(self, *parts: bytes) -> bytes:
        """The HMAC of the parts in order, each led by its length when there are several."""
        inner = self._inner.copy()
        if len(parts) > 1:
            inner.update(b"".join([len(part).to_bytes(8, "little") for part in parts]))
        for part in parts:
            if part:
                inner.update(part)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def __repr__(self) -> str:
        return "Tagger(****)"


def presented_credential(exchange: Exchange, more: tuple[bytes, ...] = ()) -> bytes:
    """The first credential the client sent, without its scheme; empty when it sent none.

    `more`: header fields that carry credentials by the policy.
    """
    return next(iter(_credentials(exchange.request.headers, (*_names(exchange), *more))), b"")


def redact(text: str, exchange: Exchange, tagger: Tagger, more: tuple[bytes, ...] = ()) -> str:
    """The text with every credential of this request in it replaced by `hmac:` and 16 hex digits of its tag.

    Controls keep secrets out of their details; this is the second lock on that door.
    """
    if not text:
        return text
    for secret in _credentials(exchange.request.headers, (*_names(exchange), *more)):
        if len(secret) >= _SECRET_BYTES:
            text = text.replace(secret.decode("utf-8", "surrogateescape"), f"hmac:{tagger.tag(secret).hex()[:16]}")
    return text


def _names(exchange: Exchange) -> tuple[bytes, ...]:
    operation = exchange.operation
    if operation is None:
        return _CREDENTIAL_HEADERS
    declared = (
        scheme.parameter.lower().encode()
        for requirement in operation.security
        for scheme in requirement
        if scheme.location == "header"
    )
    return (*_CREDENTIAL_HEADERS, *declared)


def _credentials(headers: Headers, names: tuple[bytes, ...]) -> list[bytes]:
    found: list[bytes] = []
    for name in names:
        for value in headers.all(name):
            if name == b"cookie":
                found += [pair.partition(b"=")[2].strip(b" ") for pair in value.split(b";")]
            elif name.endswith(b"authorization"):
                scheme, _, rest = value.partition(b" ")
                found.append(rest.strip(b" ") or scheme)
            else:
                found.append(value)
    return [value for value in found if value]
