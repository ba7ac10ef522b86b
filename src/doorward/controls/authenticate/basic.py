"""Callers by HTTP Basic (RFC 7617): a client's name and secret, over TLS only, for machines that know nothing better.

The secret itself travels with each request: whoever sees one has it. People's passwords are never taken this way.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

from doorward.controls.authenticate.credentials import Credentials
from doorward.denial import Denied
from doorward.exchange import Caller, Exchange

FIELD_BYTES: Final = 512
"""Longest credential read, in bytes: a name has up to 64, a secret 52."""
_SCHEME: Final = b"basic "
_NOBODY: Final = bytes(32)
"""Compared with when there is no such client, so that the answer takes as long as for a wrong secret."""


class BasicMechanism:
    """Finds and proves the client whose name and secret a request brings."""

    __slots__ = ("_challenge", "_credentials")

    def __init__(self, credentials: Credentials, realm: str) -> None:
        self._credentials = credentials
        self._challenge = ((b"www-authenticate", f'Basic realm="{realm}", charset="UTF-8"'.encode("ascii")),)

    def missing(self, detail: str) -> Denied:
        """The denial of a request without a name and a secret."""
        return Denied("authenticate.missing", detail, headers=self._challenge)

    def __call__(self, exchange: Exchange) -> Caller | None:
        """Who presents the secret; None when there is none. Errors: Denied `authenticate.basic`."""
        value = exchange.request.headers.get(b"authorization")
        if value is None or value[: len(_SCHEME)].lower() != _SCHEME:
            return None
        if exchange.request.scheme != "https":
            # Before it is compared: an answer about it would tell whoever listens whether it is worth keeping.
            raise self._refused("a secret came in the clear, and may be known to others now")
        name, secret = self._pair(value[len(_SCHEME) :].strip(b" "))
        record = self._credentials.clients.get(name)
        given = hashlib.sha256(secret).digest()
        matches = hmac.compare_digest(given, _NOBODY if record is None else record.hash)
        if record is None or not matches:
            raise self._refused("no such client, or another secret")
        if record.disabled:
            raise self._refused(f"client {name} is disabled")
        return record.caller

    def _pair(self, encoded: bytes) -> tuple[str, bytes]:
        if len(encoded) > FIELD_BYTES:
            raise self._refused(f"longer than {FIELD_BYTES} bytes")
        try:
            name, colon, secret = base64.b64decode(encoded, validate=True).partition(b":")
            text = name.decode("ascii")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise self._refused("not base64 of a name and a secret") from error
        if not colon:
            raise self._refused("no colon between name and secret")
        return text, secret

    def _refused(self, detail: str) -> Denied:
        return Denied("authenticate.basic", detail, headers=self._challenge)
