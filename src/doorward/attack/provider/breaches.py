"""The site's service that knows passwords of data breaches, by the first five digits of their hash."""

import hashlib
import ssl
from collections.abc import Iterable
from email.message import Message
from http import HTTPStatus
from typing import Final

from doorward.attack.loopback import LoopbackService, Told

_PREFIX: Final = 5


class BreachService(LoopbackService):
    """Knows these passwords."""

    def __init__(self, tls: ssl.SSLContext, passwords: Iterable[str]) -> None:
        super().__init__(tls)
        self.known = [_sha1(password) for password in passwords]

    @property
    def url(self) -> str:
        """Where its ranges are."""
        return f"{self.origin}/range"

    def tell(self, path: str, fields: Message, body: bytes) -> Told:  # noqa: ARG002 - asked by its path alone
        """One range: padding, and what it knows."""
        prefix = path.rpartition("/")[2]
        found = [f"{digest[_PREFIX:]}:1" for digest in self.known if digest.startswith(prefix)]
        padding = [f"{_sha1(f'padding {number}')[_PREFIX:]}:0" for number in range(20)]
        return Told(HTTPStatus.OK, "text/plain", "\r\n".join([*padding, *found]).encode("ascii"))


def _sha1(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
