"""Errors of the OAuth endpoints, as RFC 6749 section 5.2 wants them answered."""

from typing import Final

NO_STORE: Final = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
"""On every answer of the token endpoint (RFC 6749 section 5.1)."""


class OAuthError(Exception):
    """A refusal of the token endpoint. The description is for developers; it never holds what was sent."""

    def __init__(
        self, code: str, description: str, status: int = 400, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(f"{code}: {description}")
        self.code, self.description, self.status = code, description, status
        challenge = (("www-authenticate", 'Basic realm="token"'),) if status == 401 else ()
        self.headers = dict((*NO_STORE, *challenge, *headers))
