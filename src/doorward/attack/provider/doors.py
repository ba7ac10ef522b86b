"""Attacks on the provider's listener itself, in front of every login: too slow, or of two readings."""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from doorward.attack.provider.case import LoginAttack
from doorward.attack.provider.site import SLOW_S, ProviderSite
from doorward.attack.wire import Answer, Connection, request_bytes

_FORM: Final = ("Content-Type", "application/x-www-form-urlencoded")
_CONSUMPTION: Final = "API4:2023 Unrestricted resource consumption"
_BRIEF_S: Final = 0.1
Sent = Callable[[ProviderSite], bytes]


def _keys(site: ProviderSite) -> bytes:
    return request_bytes("GET", "/oauth/jwks", (("Accept", "*/*"),), b"", authority=site.provider.authority)


def _form(site: ProviderSite) -> bytes:
    # filled up, so that the middle of the request lies in its body
    fields = {"grant_type": "client_credentials", "client_id": "batch", "client_secret": site.secrets["batch"]}
    body = urlencode({**fields, "filling": "x" * 256}).encode()
    return request_bytes("POST", "/oauth/token", (_FORM,), body, authority=site.provider.authority)


def _two_lengths(site: ProviderSite) -> bytes:
    return _form(site).replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n", 1)


def _refused(sent: Sent, code: str, pause_s: float = 0.0) -> Callable[[ProviderSite], str]:
    """What was got by a request that is sent in two halves and has to earn that code."""

    def tried(site: ProviderSite) -> str:
        answer = _answer(site, sent, pause_s)
        return "" if answer.denial == code else f"an answer of {answer.status}"

    return tried


def _answered(sent: Sent, pause_s: float = 0.0) -> Callable[[ProviderSite], str]:
    """What a request was refused that has to be answered."""

    def tried(site: ProviderSite) -> str:
        answer = _answer(site, sent, pause_s)
        return "" if answer.status == 200 else f"{answer.status} {answer.denial or ''}"

    return tried


def _answer(site: ProviderSite, sent: Sent, pause_s: float) -> Answer:
    with Connection(site.provider, timeout_s=60.0) as connection:
        connection.send(sent(site), pause_s=pause_s)
        return connection.receive()


DOORS: Final[tuple[LoginAttack, ...]] = (
    LoginAttack(
        id="listener.slow_head",
        name="send the head of a request to the provider, and take forever",
        earns="limits.slow_header",
        source="Slowloris (CVE-2007-6750)",
        attack=_refused(_keys, "limits.slow_header", SLOW_S),
        twin=_answered(_keys, _BRIEF_S),
        threat=_CONSUMPTION,
    ),
    LoginAttack(
        id="listener.slow_body",
        name="send a form to the provider, and take forever",
        earns="limits.slow_body",
        source="CWE-400; R-U-Dead-Yet",
        attack=_refused(_form, "limits.slow_body", SLOW_S),
        twin=_answered(_form, _BRIEF_S),
        threat=_CONSUMPTION,
    ),
    LoginAttack(
        id="listener.two_lengths",
        name="send the provider a request of two lengths",
        earns="transport.cl_te",
        source="RFC 9112 6.1; CWE-444 request smuggling",
        attack=_refused(_two_lengths, "transport.cl_te"),
        twin=_answered(_form),
        threat="API8:2023 Security misconfiguration",
    ),
)
