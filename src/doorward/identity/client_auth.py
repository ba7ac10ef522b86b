"""Who asks the token endpoint: by secret (RFC 6749 section 2.3.1), by signed assertion (RFC 7523), or by name alone."""

import base64
import binascii
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_plus

from doorward.identity.assertions import ASSERTION_TYPE
from doorward.identity.names import is_name
from doorward.identity.oauth_errors import OAuthError

FAILURES_COUNT: Final = 10
"""Wrong secrets of one client from one address within `WINDOW_S` before it has to wait."""
WINDOW_S: Final = 60.0
_TRACKED_COUNT: Final = 10_000
"""Pairs of client and address remembered; beyond it the oldest are forgotten, so memory is bounded."""


class FailureLimiter:
    """Counts failed authentications by client *and* address: counting by client alone would let anybody lock it out."""

    __slots__ = ("_failures",)

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def require_allowance(self, client: str, address: str, now: float) -> None:
        """Nothing, while there is allowance left. Errors: OAuthError 429 with the seconds to wait."""
        since, count = self._failures.get(_counted_as(client, address), (now, 0))
        if count >= FAILURES_COUNT and now - since < WINDOW_S:
            wait_s = int(WINDOW_S - (now - since)) + 1
            raise OAuthError("invalid_client", "too many failures", 429, (("retry-after", str(wait_s)),))

    def failed(self, client: str, address: str, now: float) -> None:
        """Nothing; one more failure is counted."""
        counted = _counted_as(client, address)
        since, count = self._failures.pop(counted, (now, 0))
        if now - since >= WINDOW_S:
            since, count = now, 0
        self._failures[counted] = (since, count + 1)
        while len(self._failures) > _TRACKED_COUNT:
            self._failures.popitem(last=False)


def _counted_as(client: str, address: str) -> tuple[str, str]:
    # what cannot be a name is nobody's, and as long as whoever sends it likes
    return (client if is_name(client) else "", address)


_SHOWN: Final = ("client_secret", "client_assertion", "client_assertion_type")


def names_public_client(authorization: list[str], form: Mapping[str, str]) -> bool:
    """Whether the asker shows no credential at all, only a name."""
    return not authorization and "client_id" in form and not any(name in form for name in _SHOWN)


def client_assertion(authorization: list[str], form: Mapping[str, str]) -> str | None:
    """The assertion that the client signed; None when it shows none. Errors: OAuthError `invalid_request`."""
    if "client_assertion" not in form and "client_assertion_type" not in form:
        return None
    if authorization or "client_secret" in form:
        raise OAuthError("invalid_request", "a client authenticates in one way only")
    if form.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in form:
        raise OAuthError("invalid_request", f"client_assertion with client_assertion_type={ASSERTION_TYPE}")
    return form["client_assertion"]


def client_credentials(authorization: list[str], form: Mapping[str, str]) -> tuple[str, str]:
    """The client's id and secret. Errors: OAuthError `invalid_request`, `invalid_client`."""
    posted = "client_secret" in form
    if len(authorization) > 1 or (authorization and posted):
        raise OAuthError("invalid_request", "a client authenticates in one way only")
    if authorization:
        client, secret = _basic(authorization[0])
        if form.get("client_id", client) != client:
            raise OAuthError("invalid_request", "client_id differs from the authenticated client")
        return client, secret
    if not posted or "client_id" not in form:
        raise OAuthError("invalid_client", "no client authentication", 401)
    return form["client_id"], form["client_secret"]


def _basic(value: str) -> tuple[str, str]:
    scheme, _, encoded = value.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(" "), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        text = ""
    client, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise OAuthError("invalid_client", "not Basic authentication", 401)
    return unquote_plus(client), unquote_plus(secret)
