"""Response header fields: what never leaves, and what always goes along."""

from typing import Final

from doorward.controls.minimise.cors import OWN
from doorward.controls.minimise.policy import MinimisePolicy
from doorward.exchange import Exchange, Header, Response

_REVEALING: Final = frozenset(
    {
        b"server", b"via", b"x-powered-by", b"x-powered-cms", b"x-aspnet-version", b"x-aspnetmvc-version",
        b"x-runtime", b"x-version",
        b"x-generator", b"x-drupal-cache", b"x-drupal-dynamic-cache", b"x-varnish", b"x-backend", b"x-backend-server",
        b"x-backend-host", b"x-upstream", b"x-served-by", b"x-server", b"x-server-name", b"x-host", b"x-node",
        b"x-sourcefiles", b"x-debug-token",
        b"x-debug-token-link", b"x-debug-exception", b"x-debug-exception-file", b"x-php-version",
        b"x-application-context",
        b"x-envoy-upstream-service-time", b"x-envoy-decorator-operation", b"x-kong-upstream-latency",
        b"x-kong-proxy-latency",
        b"x-litespeed-cache", b"x-turbo-charged-by", b"x-mod-pagespeed", b"x-page-speed", b"x-owa-version",
        b"x-jenkins",
        b"liferay-portal", b"microsoftsharepointteamservices", b"server-timing", b"sourcemap", b"x-sourcemap",
        b"x-confluence-request-time",
        b"host-header", b"x-cf-powered-by", b"x-redirect-by", b"x-aspnet-duration-ms", b"x-litespeed-tag",
        b"x-shopify-stage", b"x-b3-traceid",
    }
)  # fmt: skip
_OF_THE_BODY: Final = frozenset(
    {
        b"content-length",
        b"transfer-encoding",
        b"content-md5",
        b"digest",
        b"content-digest",
        b"repr-digest",
        b"etag",
        b"accept-ranges",
        b"trailer",
    }
)
_OF_A_REPLACED_BODY: Final = _OF_THE_BODY | {
    b"content-type", b"content-encoding", b"content-language", b"content-disposition", b"content-range",
    b"last-modified", b"content-location",
}  # fmt: skip
_CSP: Final = b"content-security-policy"
_JSON_CSP: Final = (_CSP, b"default-src 'none'; frame-ancestors 'none'")
_NOSNIFF: Final = (b"x-content-type-options", b"nosniff")
_NO_REFERRER: Final = (b"referrer-policy", b"no-referrer")
_NO_STORE: Final = (b"cache-control", b"no-store")
_HSTS: Final = b"strict-transport-security"


class HeaderRules:
    """The rules of one policy, compiled."""

    __slots__ = ("_hardens_cookies", "_hsts", "_removed", "_removed_if_private")

    def __init__(self, policy: MinimisePolicy) -> None:
        own = frozenset(name.lower().encode("latin-1") for name in policy.strip_headers)
        # What we set ourselves is taken out first, so that it comes once.
        self._removed = _REVEALING | own | {_NOSNIFF[0], _NO_REFERRER[0], _HSTS} | (OWN if policy.cors else frozenset())
        self._removed_if_private = self._removed | {_NO_STORE[0], b"expires", b"pragma"}
        self._hardens_cookies = not policy.insecure_cookies
        value = b"max-age=%d" % policy.hsts_s
        self._hsts: Header | None = (_HSTS, value) if policy.hsts_s else None

    def apply(self, exchange: Exchange, response: Response, *, is_json: bool, caching_is_declared: bool) -> None:
        """Nothing; the response's fields are replaced by those that may leave.

        An answer to an identified caller is never for a shared cache (catalogue row X4), unless the description
        declares a Cache-Control field of its own for it.
        """
        is_private = exchange.caller is not None and not caching_is_declared
        removed = self._removed_if_private if is_private else self._removed
        is_https = exchange.request.scheme == "https"
        headers = [header for header in response.headers if header[0] not in removed]
        if self._hardens_cookies:
            headers = [
                (name, hardened(value, is_https=is_https)) if name == b"set-cookie" else (name, value)
                for name, value in headers
            ]
        headers.append(_NOSNIFF)
        headers.append(_NO_REFERRER)
        if is_private:
            headers.append(_NO_STORE)
        if self._hsts is not None and is_https:
            headers.append(self._hsts)
        if is_json:
            headers = [header for header in headers if header[0] != _CSP]
            headers.append(_JSON_CSP)
        response.headers = headers


def hardened(cookie: bytes, *, is_https: bool) -> bytes:
    """A Set-Cookie value with what it lacks: `HttpOnly`, `SameSite=Lax`, and over https `Secure`.

    Source: RFC 6265bis sections 4.1.2.5 to 4.1.2.7; OWASP ASVS 5.0 V3.3. What the upstream says itself stays:
    `SameSite=None` is what an API for pages of other sites needs.

    >>> hardened(b"id=1; Path=/; SameSite=Strict", is_https=True)
    b'id=1; Path=/; SameSite=Strict; HttpOnly; Secure'
    """
    names = {part.partition(b"=")[0].strip(b" \t").lower() for part in cookie.split(b";")[1:]}
    for name, attribute in ((b"httponly", b"HttpOnly"), (b"samesite", b"SameSite=Lax")):
        if name not in names:
            cookie += b"; " + attribute
    return cookie + b"; Secure" if is_https and b"secure" not in names else cookie


def without_body_fields(response: Response) -> list[Header]:
    """The fields of an answer whose body is going to be another, of a length nobody knows yet."""
    return [header for header in response.headers if header[0] not in _OF_THE_BODY]


def set_body(response: Response, body: bytes, *, media_type: bytes | None = None) -> None:
    """Nothing; the response carries `body`, and the fields that spoke of the old one are gone.

    With `media_type` the body has nothing to do with the old one, so its type, language and name go too.
    """
    removed = _OF_THE_BODY if media_type is None else _OF_A_REPLACED_BODY
    headers = [header for header in response.headers if header[0] not in removed]
    if media_type is not None:
        headers.append((b"content-type", media_type))
    headers.append((b"content-length", b"%d" % len(body)))
    response.headers, response.body = headers, body
