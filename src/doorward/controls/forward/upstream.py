"""Where the API runs, read once from its URL."""

import re
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from doorward.errors import PolicyError

_HOST: Final = r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}"
_PATH: Final = r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*/?"


class Upstream(NamedTuple):
    """The parts of the upstream's URL."""

    scheme: Literal["http", "https"]
    host: str
    """Name or address, without brackets: what is connected to and, for https, what the certificate must name."""
    port: int
    authority: bytes
    """What stands in Host."""
    prefix: bytes
    """Path put in front of every request's; without a slash at its end, often empty."""


def parse_upstream(url: str) -> Upstream:
    """The parts of an upstream's URL. Errors: PolicyError for `upstream`.

    >>> parse_upstream("https://orders.internal/v1/")
    Upstream(scheme='https', host='orders.internal', port=443, authority=b'orders.internal', prefix=b'/v1')
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _mistake(url, "it is not a URL") from None
    if parts.scheme not in {"http", "https"}:
        raise _mistake(url, "it does not begin with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise _mistake(url, "it holds a user name or password")
    if parts.query or parts.fragment:
        raise _mistake(url, "it has a query or a fragment")
    host = parts.hostname or ""
    if re.fullmatch(_HOST, host) is None or port == 0:
        raise _mistake(url, "it names no host")
    if re.fullmatch(_PATH, parts.path) is None or "/../" in f"{parts.path}/" or "/./" in f"{parts.path}/":
        raise _mistake(url, "its path is not a plain one")
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    usual = 443 if scheme == "https" else 80
    name = f"[{host}]" if ":" in host else host
    authority = name if port in {None, usual} else f"{name}:{port}"
    return Upstream(scheme, host, port or usual, authority.encode("ascii"), parts.path.rstrip("/").encode("ascii"))


def _mistake(url: str, problem: str) -> PolicyError:
    url = "the value" if "@" in url else url  # a password is not repeated in a message
    return PolicyError(f"{url} cannot be an upstream: {problem}", key="upstream", hint="write `http://127.0.0.1:8000`")
