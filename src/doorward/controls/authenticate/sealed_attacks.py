"""Attacks on encrypted bodies, each with its twin (JWE, RFC 7516)."""

from typing import Final

from doorward.attack.case import Attack, Sealing, Send, changed

_THREAT: Final = "API2:2023 Broken authentication"
_LONG: Final = b"A" * 200_000


def _sealed(sealing: Sealing) -> Send:
    return lambda samples: samples.sealed(sealing)


_well: Final = _sealed(Sealing())


def _attack(name: str, what: str, source: str, send: Sealing | Send) -> Attack:
    return Attack(
        id=f"authenticate.body_{name}",
        name=what,
        earns="authenticate.body_decryption",
        threat=_THREAT,
        source=source,
        send=_sealed(send) if isinstance(send, Sealing) else send,
        twin=_well,
    )


ATTACKS: Final[tuple[Attack, ...]] = (
    _attack(
        "in_clear",
        "send a body in clear where it must be encrypted",
        "RFC 7516 section 11",
        changed(_well, finish=None),
    ),
    _attack(
        "stranger_key", "encrypt to a key that is not the gateway's", "RFC 7516 section 5.2", Sealing(key="stranger")
    ),
    _attack("own_key", "encrypt to one's own key, in the gateway's name", "RFC 7516 section 5.2", Sealing(key="own")),
    _attack("tag_spoilt", "change an encrypted body on its way", "RFC 7516 section 5.2, step 16", Sealing(spoilt=True)),
    _attack(
        "header_changed",
        "have an encrypted body read as another type",
        "RFC 7516 section 5.2, step 14",
        Sealing(header={"cty": "text/plain"}),
    ),
    _attack(
        "alg_rsa15",
        "fall back to RSA1_5",
        "RFC 8017 section 7.2 (Bleichenbacher 1998)",
        Sealing(header={"alg": "RSA1_5"}),
    ),
    _attack("alg_dir", "claim that no key had to be agreed on", "RFC 8725 section 3.1", Sealing(header={"alg": "dir"})),
    _attack(
        "enc_cbc", "fall back to a padded cipher", "RFC 8725 section 3.1", Sealing(header={"enc": "A128CBC-HS256"})
    ),
    _attack(
        "pbes2",
        "have a key derived two thousand million times",
        "CVE-2023-51775",
        Sealing(header={"alg": "PBES2-HS512+A256KW", "p2c": 2**31 - 1, "p2s": "c2FsdA"}),
    ),
    _attack("zip", "hide a bomb in a compressed message", "CVE-2024-28180", Sealing(header={"zip": "DEF"})),
    _attack(
        "reference",
        "have the gateway fetch a key",
        "RFC 8725 section 3.10",
        Sealing(header={"jku": "http://127.0.0.1:1/keys"}),
    ),
    _attack("replayed", "send an encrypted body twice", "RFC 8725 section 2.7", Sealing(times=2)),
    _attack(
        "old",
        "send an encrypted body that was kept for later",
        "RFC 8725 section 2.7",
        Sealing(members={"iat": 1_000_000_000}),
    ),
    _attack("ahead", "encrypt for a time to come", "RFC 8725 section 2.7", Sealing(members={"iat": 1 << 39})),
    _attack(
        "undated", "leave the time away, to send it for ever", "RFC 8725 section 2.7", Sealing(members={"iat": None})
    ),
    _attack(
        "turned_round",
        "send an answer back as a request",
        "RFC 8725 section 3.11",
        Sealing(members={"direction": "answer"}),
    ),
    _attack(
        "taken_over",
        "take an encrypted body off the wire and send it as one's own",
        "RFC 8725 section 2.8",
        Sealing(who="admin"),
    ),
    _attack(
        "reply_key_foreign",
        "have the answer encrypted to nobody's key",
        "RFC 8725 section 3.8",
        Sealing(members={"reply_kid": "nobody"}),
    ),
    _attack("dots", "send ten thousand dots", "CVE-2025-27144", Sealing(instead=b"." * 10_000)),
    _attack("long_part", "send a header of 200 kB", "RFC 7516 section 5.2, step 2", Sealing(instead=_LONG + b"....")),
)
"""Attacks on encrypted bodies."""
