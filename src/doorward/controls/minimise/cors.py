"""Which pages of which origins may read answers: decided here, from the policy, never echoed from the request.

Threat: CWE-942; catalogue row X5. Source: Fetch standard, section 3.2 (CORS protocol). An origin counts only when it
is, byte for byte, one of those listed: no pattern that `evil-example.com` or `example.com.evil` could fit, no `null`.
"""

from typing import Final

from doorward.controls.minimise.policy import CorsPolicy
from doorward.exchange import Exchange, Header, Response

_ORIGIN: Final = b"origin"
_ASKED_METHOD: Final = b"access-control-request-method"
_FINDING: Final = "minimise.cors"
_PROOF_REQUESTS: Final = ("dpop",)
_PROOF_ANSWERS: Final = ("dpop-nonce", "www-authenticate")
OWN: Final = frozenset(
    {
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
        b"access-control-allow-methods",
        b"access-control-allow-headers",
        b"access-control-expose-headers",
        b"access-control-max-age",
        b"access-control-allow-private-network",
    }
)
"""Fields that only we send, once origins are listed: the upstream's are taken out."""


class Cors:
    """One policy, compiled."""

    __slots__ = ("_allowed", "_exposed", "_is_open", "_preflight")

    def __init__(self, policy: CorsPolicy, *, takes_proofs: bool = False) -> None:
        """`takes_proofs`: some operation takes tokens, which may be bound to a key (DPoP).

        Then a page that may send them may send the proof, too, and read the nonce for the next one, and why one was
        refused (RFC 9449 section 9).
        """
        self._is_open = "*" in policy.origins
        own = [(b"access-control-allow-credentials", b"true")] if policy.credentials else []
        if not self._is_open:
            own.append((b"vary", b"origin"))
        self._allowed: dict[bytes, tuple[Header, ...]] = {
            origin.encode("ascii"): ((b"access-control-allow-origin", origin.encode("ascii")), *own)
            for origin in policy.origins
        }
        self._exposed: tuple[Header, ...] = ()
        takes_proofs = takes_proofs and "authorization" in {name.lower() for name in policy.headers}
        expose = _with(policy.expose, _PROOF_ANSWERS if takes_proofs else ())
        if expose:
            self._exposed = ((b"access-control-expose-headers", ", ".join(expose).encode("ascii")),)
        headers = _with(policy.headers, _PROOF_REQUESTS if takes_proofs else ())
        self._preflight: tuple[Header, ...] = (
            (b"access-control-allow-headers", ", ".join(headers).lower().encode("ascii")),
            (b"access-control-max-age", b"%d" % policy.max_age_s),
        )

    def check(self, exchange: Exchange) -> None:
        """Nothing; the answer, whatever it will be, says whether the page that asked may read it. Refuses nobody."""
        origin = exchange.request.headers.get(_ORIGIN)
        if origin is None:
            return
        allowed = self._of(origin)
        if allowed is None:
            exchange.findings.append(_FINDING)
        else:
            exchange.answer_headers += (*allowed, *self._exposed)

    def preflight(self, exchange: Exchange, methods: list[str]) -> Response:
        """The answer to a question before a request, where these methods are described; `check` has been before.

        To an origin that is not listed it says nothing: the browser then does not ask.
        """
        headers: list[Header] = []
        if self._of(exchange.request.headers.get(_ORIGIN) or b"") is not None:
            headers = [(b"access-control-allow-methods", ", ".join(methods).encode("ascii")), *self._preflight]
        return Response(204, headers, b"")

    def _of(self, origin: bytes) -> tuple[Header, ...] | None:
        return self._allowed.get(b"*" if self._is_open else origin)


def _with(written: list[str], more: tuple[str, ...]) -> list[str]:
    known = {name.lower() for name in written}
    return [*written, *(name for name in more if name not in known)]


def is_preflight(exchange: Exchange) -> bool:
    """Whether a browser asks if it may ask (Fetch standard, section 3.2.2)."""
    request = exchange.request
    return (
        request.method == "OPTIONS"
        and not request.has_body
        and request.headers.get(_ORIGIN) is not None
        and request.headers.get(_ASKED_METHOD) is not None
    )
