"""Attacks on callers that prove themselves by the certificate of their connection, each with its twin."""

from collections.abc import Callable
from typing import Final

from doorward.attack.case import Ask, Attack, Samples

_THREAT: Final = "API2:2023 Broken authentication"


def _with(shown: str) -> Callable[[Samples], Ask | None]:
    return lambda samples: samples.lab(f"caller_certificate_{shown}")


def _attack(name: str, what: str, earns: str, source: str, shown: str) -> Attack:
    return Attack(
        id=f"authenticate.caller_certificate_{name}",
        name=what,
        earns=f"authenticate.certificate_{earns}",
        threat=_THREAT,
        source=source,
        send=_with(shown),
        twin=_with("own"),
    )


ATTACKS: Final[tuple[Attack, ...]] = (
    _attack(
        "left_away",
        "call what only a certificate opens without one",
        "missing",
        "OpenAPI 3.1 `mutualTLS`; OWASP ASVS 5.0 V12.3.5",
        "missing",
    ),
    _attack(
        "told",
        "tell of a partner's certificate in a field, as only a proxy may",
        "missing",
        "RFC 9440 section 4; RFC 8705 section 6.5; reference ID-50",
        "told",
    ),
    _attack(
        "of_nobody",
        "come with a certificate that a trusted authority signed for somebody nobody knows",
        "untrusted",
        "OWASP ASVS 5.0 V12.3.5; hostile-input catalogue T6",
        "other",
    ),
    _attack(
        "revoked",
        "come with a partner's certificate that was revoked",
        "revoked",
        "RFC 5280 section 5; hostile-input catalogue T7",
        "revoked",
    ),
    _attack(
        "of_two",
        "come with a certificate that names two callers, so that either could be meant",
        "mismatch",
        "hostile-input catalogue T6; RFC 8705 section 2.1.2",
        "two",
    ),
)
"""Attacks on certificates of callers."""
