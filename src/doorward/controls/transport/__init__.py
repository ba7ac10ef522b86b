"""Transport: whether the bytes are one unambiguous request for this host.

Threat:   two servers read one request differently (request smuggling, path confusion, header aliases), so that what
          was checked is not what is done (OWASP API8:2023).
Standard: RFC 9110, RFC 9112, RFC 3986; OWASP ASVS 5.0 V4.2; hostile inputs S1-S16, S22-S24, H1-H8, H10, P1-P7.
Not here: how large or slow a request may be (limits); which paths and methods exist (validate); TLS itself (gateway).
"""

from doorward.controls.transport.chunked import ChunkedBody
from doorward.controls.transport.head import METHODS, check_head, start_line
from doorward.controls.transport.path import canonical_path
from doorward.controls.transport.policy import TransportPolicy, WebSocketPolicy
from doorward.controls.transport.proxies import TrustedProxies
from doorward.controls.transport.request import compile_check
from doorward.controls.transport.upgrade import websocket_offer, without_upgrade
from doorward.controls.transport.websocket import accept_value, check_handshake

__all__ = [
    "METHODS",
    "ChunkedBody",
    "TransportPolicy",
    "TrustedProxies",
    "WebSocketPolicy",
    "accept_value",
    "canonical_path",
    "check_handshake",
    "check_head",
    "compile_check",
    "start_line",
    "websocket_offer",
    "without_upgrade",
]
