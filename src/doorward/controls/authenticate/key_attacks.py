"""Attacks on credentials that are looked up: API keys and secrets of clients (K1), opaque tokens, callers at all."""

import zlib
from dataclasses import replace
from typing import Final

from doorward.attack.case import Ask, Attack, Family, Samples

_OPAQUE: Final = "RFC 7662 sections 2.2 and 4"
_K1: Final = "hostile-input catalogue K1; Traefik CVE-2026-32595"


def _wrong_tail(samples: Samples) -> Ask | None:
    """The valid API key with another secret and a checksum that fits it."""
    ask = samples.api_key("valid")
    if ask is None:
        return None
    headers = tuple(
        (name, _with_other_secret(value) if value.startswith("dw_") else value) for name, value in ask.headers
    )
    return None if headers == ask.headers else replace(ask, headers=headers)


def _with_other_secret(key: str) -> str:
    body = key.rpartition("_")[0]
    body = body[:-1] + ("a" if body[-1] != "a" else "b")
    return f"{body}_{zlib.crc32(body.encode()):08x}"


_attack: Final = Family(control="authenticate", threat="API2:2023 Broken authentication").attack


def _valid(samples: Samples) -> Ask | None:
    """The protected request with the reader's own token."""
    ask, token = samples.protected(), samples.token("reader")
    if ask is None or token is None:
        return None
    return replace(ask, who="anonymous").with_header("Authorization", f"Bearer {token}")


ATTACKS: Final[tuple[Attack, ...]] = (
    _attack(
        "opaque_guess",
        "guess a token that only its issuer can judge",
        "token_inactive",
        _OPAQUE,
        lambda samples: samples.lab("opaque_unknown"),
        lambda samples: samples.lab("opaque_good"),
    ),
    _attack(
        "opaque_flattered",
        "have an issuer call a token active in a way that is none",
        "unavailable",
        _OPAQUE,
        lambda samples: samples.lab("opaque_flattered"),
        lambda samples: samples.lab("opaque_good"),
    ),
    _attack(
        "key_unknown",
        "guess an API key",
        "api_key",
        _K1,
        lambda samples: samples.api_key("unknown"),
        lambda samples: samples.api_key("valid"),
    ),
    _attack(
        "key_wrong_tail",
        "guess the secret of a known API key",
        "api_key",
        _K1,
        _wrong_tail,
        lambda samples: samples.api_key("valid"),
    ),
    _attack(
        "key_expired",
        "use an expired API key",
        "api_key",
        _K1,
        lambda samples: samples.api_key("expired"),
        lambda samples: samples.api_key("valid"),
    ),
    _attack(
        "key_revoked",
        "use a revoked API key",
        "api_key",
        _K1,
        lambda samples: samples.api_key("revoked"),
        lambda samples: samples.api_key("valid"),
    ),
    _attack(
        "key_elsewhere",
        "use a stolen API key from outside of its networks",
        "key_address",
        _K1,
        lambda samples: samples.api_key("elsewhere"),
        lambda samples: samples.api_key("valid"),
    ),
    _attack(
        "secret_wrong",
        "guess the secret of a client",
        "basic",
        _K1,
        lambda samples: samples.secret("wrong"),
        lambda samples: samples.secret("valid"),
    ),
    _attack(
        "secret_of_nobody",
        "use a client's secret under another name",
        "basic",
        _K1,
        lambda samples: samples.secret("unknown"),
        lambda samples: samples.secret("valid"),
    ),
    _attack(
        "stale",
        "call while no revocation can arrive",
        "stale",
        "hostile-input catalogue J10",
        lambda samples: samples.lab("control_gone"),
        lambda samples: samples.lab("tls_right_name"),
    ),
    _attack(
        "issuer_unavailable",
        "use the moment when an issuer's keys cannot be had",
        "unavailable",
        "hostile-input catalogue K5; Traefik CVE-2026-54762",
        lambda samples: samples.lab("issuer_unavailable"),
        _valid,
    ),
)
"""All attacks of this kind."""
