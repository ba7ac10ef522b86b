"""Where people may be sent back to: redirect URIs, registered and compared byte for byte.

Source: OAuth 2.1 draft section 2.3; RFC 8252 sections 7.1, 7.3, 8.3; RFC 9700 section 2.1.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from doorward.errors import PolicyError

_LENGTH_MOST: Final = 512
_PLAIN: Final = re.compile(r"[!$&-;=?-Z_a-z~\[\]%]+")
"""Characters of a URI without fragment; a backslash, which browsers read as a slash, is none."""
_LOOPBACK: Final = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?(/.*)?")
_PRIVATE_SCHEME: Final = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+")
"""A reversed domain name (RFC 8252 section 7.1), which two apps do not share by chance."""


def require_redirect_uri(uri: str) -> str:
    """The URI, for one that may be registered. Errors: PolicyError."""
    parts = split_uri(uri) if len(uri) <= _LENGTH_MOST and _PLAIN.fullmatch(uri) else None
    if parts is None or "@" in parts.netloc or "*" in uri or "/../" in f"{parts.path}/":
        raise PolicyError(
            f"{uri[:80]!r} is not a redirect URI", key="redirect", hint="https://app.example.com/callback, whole"
        )
    secure = parts.scheme == "https" and parts.hostname
    private = _PRIVATE_SCHEME.fullmatch(parts.scheme) and not parts.netloc and parts.path.startswith("/")
    if not (secure or private or _LOOPBACK.fullmatch(uri)):
        raise PolicyError(
            f"{uri!r} is neither https, nor http on 127.0.0.1 or [::1], nor an app's own scheme",
            key="redirect",
            hint="https://app.example.com/callback, http://127.0.0.1/callback or com.example.app:/callback",
        )
    return uri


def require_backchannel_uri(uri: str) -> str:
    """The URI, for one at which a client may be told of ended sessions. Errors: PolicyError.

    Source: OpenID Connect Back-Channel Logout 1.0 section 2.2: absolute, without fragment, https.
    """
    parts = split_uri(uri) if len(uri) <= _LENGTH_MOST and _PLAIN.fullmatch(uri) else None
    if parts is None or parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        raise PolicyError(
            f"{uri[:80]!r} is not an https URL that a client could be told at",
            key="backchannel-logout",
            hint="https://app.example.com/backchannel-logout, whole",
        )
    return uri


def split_uri(uri: str) -> SplitResult | None:
    """The parts of a URI; None for one with an address or a port that there cannot be.

    >>> split_uri("https://[::1/"), split_uri("https://app.example:99999/")
    (None, None)
    """
    try:
        parts = urlsplit(uri)
        # asked for its errors: it is read only now
        _ = parts.port
    except ValueError:
        return None
    return parts


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """Whether the URI is one of the registered ones, byte for byte; on loopback any port is the same (RFC 8252 7.3).

    >>> is_registered("http://127.0.0.1:49152/cb", ["http://127.0.0.1/cb"])
    True
    >>> is_registered("https://app.example:444/cb", ["https://app.example/cb"])
    False
    """
    known = tuple(registered)
    if uri in known:
        return True
    bare = _without_port(uri)
    return bare is not None and any(bare == _without_port(other) for other in known)


def with_parameters(uri: str, query: str) -> str:
    """The URI with more in its query."""
    return f"{uri}{'&' if '?' in uri else '?'}{query}"


def _without_port(uri: str) -> str | None:
    match = _LOOPBACK.fullmatch(uri)
    return None if match is None else f"{match[1]}{match[2] or ''}"
