"""Attacks by an upstream that is broken, slow, absent or not the upstream; each needs the laboratory's."""

from typing import Final

from doorward.attack.case import Ask, Attack, Samples

_UPSTREAM: Final = "API10:2023 Unsafe consumption of APIs"


def _ok(samples: Samples) -> Ask | None:
    return samples.lab("ok")


ATTACKS: Final[tuple[Attack, ...]] = (
    Attack(
        id="forward.two_lengths",
        name="the upstream answers with two different Content-Lengths",
        earns="forward.upstream_framing",
        threat=_UPSTREAM,
        source="RFC 9112 section 6.3; response splitting, CWE-113",
        send=lambda samples: samples.lab("two_lengths"),
        twin=_ok,
    ),
    Attack(
        id="forward.length_and_chunked",
        name="the upstream answers with Content-Length and Transfer-Encoding at once",
        earns="forward.upstream_framing",
        threat=_UPSTREAM,
        source="RFC 9112 section 6.3; hostile input S24",
        send=lambda samples: samples.lab("length_and_chunked"),
        twin=lambda samples: samples.lab("chunked"),
    ),
    Attack(
        id="forward.short_body",
        name="the upstream closes before the length it announced",
        earns="forward.upstream_framing",
        threat=_UPSTREAM,
        source="RFC 9112 section 8",
        send=lambda samples: samples.lab("short_length"),
        twin=_ok,
    ),
    Attack(
        id="forward.bad_header",
        name="the upstream answers with a NUL in a header field",
        earns="forward.upstream_framing",
        threat=_UPSTREAM,
        source="RFC 9110 section 5.5",
        send=lambda samples: samples.lab("nul_in_header"),
        twin=_ok,
    ),
    Attack(
        id="forward.wrong_name",
        name="the upstream's certificate names another host",
        earns="forward.upstream_tls",
        threat=_UPSTREAM,
        source="RFC 9110 section 4.3.4; RFC 9525",
        send=lambda samples: samples.lab("tls_wrong_name"),
        twin=lambda samples: samples.lab("tls_right_name"),
    ),
    Attack(
        id="forward.refused",
        name="nobody listens at the upstream's address",
        earns="forward.upstream_unreachable",
        threat=_UPSTREAM,
        source="RFC 9110 section 15.6.3",
        send=lambda samples: samples.lab("refused"),
        twin=_ok,
    ),
    Attack(
        id="forward.silent",
        name="the upstream takes the request and never answers",
        earns="forward.upstream_timeout",
        threat=_UPSTREAM,
        source="RFC 9110 section 15.6.5",
        send=lambda samples: samples.lab("slow"),
        twin=_ok,
    ),
    Attack(
        id="forward.dripping",
        name="the upstream answers byte by byte, for ever",
        earns="forward.upstream_timeout",
        threat=_UPSTREAM,
        source="total deadline, not a deadline a read: hostile input D1 from the other side",
        send=lambda samples: samples.lab("drip"),
        twin=_ok,
    ),
    Attack(
        id="forward.all_connections_taken",
        name="every upstream connection and every waiting place is taken",
        earns="forward.upstream_busy",
        threat="API4:2023 Unrestricted resource consumption",
        source="RFC 9110 section 15.6.4",
        send=lambda samples: samples.lab("busy"),
        twin=_ok,
    ),
)
