"""Callers by API key: checksum, record, constant-time comparison, expiry, address."""

import hmac
from typing import Final, Literal

from doorward.controls.authenticate.api_key_records import ApiKeyRecord
from doorward.controls.authenticate.challenge import refusal
from doorward.controls.authenticate.credentials import Credentials
from doorward.controls.authenticate.key_format import api_key_id, hash_api_key
from doorward.denial import Denied
from doorward.exchange import Caller, Exchange, Request

_NOBODY: Final = bytes(32)
"""Compared with when there is no such id, so that the answer takes as long as for a wrong secret."""


class ApiKeyMechanism:
    """Finds and proves the API key at one place of a request."""

    __slots__ = ("_credentials", "_location", "_names", "_realm")

    def __init__(
        self,
        location: Literal["query", "header", "cookie"],
        names: tuple[str, ...],
        credentials: Credentials,
        realm: str,
    ) -> None:
        """`names`: of the header fields, any of which may bring it; of the parameter or cookie, one."""
        self._location = location
        self._names = tuple(name.lower().encode() if location == "header" else name.encode() for name in names)
        self._credentials, self._realm = credentials, realm

    def __call__(self, exchange: Exchange) -> Caller | None:
        """Who presents the key; None when there is none. Errors: Denied `authenticate.api_key`, `.key_address`."""
        found = self._find(exchange.request)
        if not found:
            return None
        if len(found) > 1:
            raise self._refused("the key is given twice")
        record = self._proved(found[0], exchange)
        key_id = record.caller.credential_id
        if record.revoked:
            raise self._refused(f"key {key_id} is revoked")
        if exchange.now >= record.caller.expires_at:
            raise self._refused(f"key {key_id} has expired")
        if not record.allows_address(exchange.source.address):
            # Only whoever has the whole key learns this: that it is no use elsewhere is no secret from them.
            raise refusal(
                "authenticate.key_address", f"key {key_id} may not be used from {exchange.source.address}", self._realm
            )
        self._credentials.used_keys[key_id] = exchange.now
        return record.caller

    def _proved(self, key: bytes, exchange: Exchange) -> ApiKeyRecord:
        """The record of a key that is whole and right."""
        key_id = api_key_id(key)
        if key_id is None:
            foreign = self._credentials.foreign_keys
            found = foreign.find(key) if foreign else None
            if found is None:
                raise self._refused("no known key: not well-formed, mistyped, or of a form that nobody imported")
            if exchange.request.scheme != "https":
                # Shared by two who made it elsewhere: nobody here can tell who has seen it before.
                raise self._refused("a key of a foreign form came in the clear, and may be known to others now")
            return found
        record = self._credentials.api_keys.get(key_id)
        matches = hmac.compare_digest(hash_api_key(key), _NOBODY if record is None else record.hash)
        if record is None or not matches:
            raise self._refused(f"no such key: {key_id}")
        return record

    def _find(self, request: Request) -> list[bytes]:
        match self._location:
            case "header":
                if len(self._names) == 1:
                    return request.headers.all(self._names[0])
                return [value for name in self._names for value in request.headers.all(name)]
            case "cookie":
                pairs = [pair for value in request.headers.all(b"cookie") for pair in value.split(b";")]
            case "query":
                pairs = request.query.split(b"&")
        start = self._names[0] + b"="
        return [value[len(start) :] for pair in pairs if (value := pair.strip(b" ")).startswith(start)]

    def _refused(self, detail: str) -> Denied:
        return refusal("authenticate.api_key", detail, self._realm)
