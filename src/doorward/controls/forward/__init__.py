"""Forward: what the upstream is told, and by whom.

Threat:   a client speaks in the gateway's name: forged forwarding and identity fields, hop-by-hop tricks, a second
          request hidden in the first (OWASP API8:2023); an upstream that is slow, down, lying or not the upstream
          (API10:2023 Unsafe consumption of APIs).
Standard: RFC 9110 section 7.6, RFC 9112 section 6, RFC 7239; OWASP ASVS 5.0 V4.1.
Not here: sockets, pool, deadlines and retry (gateway); what of the answer leaves (minimise).
"""

from doorward.controls.forward.identity import IdentitySigner
from doorward.controls.forward.policy import ForwardPolicy, HealthPolicy
from doorward.controls.forward.request_head import compile_request_head, with_framing
from doorward.controls.forward.upstream import Upstream, parse_upstream

__all__ = [
    "ForwardPolicy",
    "HealthPolicy",
    "IdentitySigner",
    "Upstream",
    "compile_request_head",
    "parse_upstream",
    "with_framing",
]
