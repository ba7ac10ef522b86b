"""Attacks on tokens that are bound to a key or a certificate, each with its twin (catalogue J10)."""

from typing import Any, Final

from doorward.attack.case import Attack, Family, Proving, Send, changed

_J10: Final = "hostile-input catalogue J10"
_SECRET: Final = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"}


def _bound(**proving: Any) -> Send:
    return lambda samples: samples.bound(Proving(**proving))


def _lab(behaviour: str) -> Send:
    return lambda samples: samples.lab(behaviour)


_attack: Final = Family(control="authenticate", threat="API2:2023 Broken authentication", twin=_bound()).attack

ATTACKS: Final[tuple[Attack, ...]] = (
    _attack(
        "proof_left_away",
        "use a stolen token that is bound to a key, without the key",
        "proof_missing",
        "RFC 9449 section 7.1",
        _bound(count=0),
    ),
    _attack(
        "proof_downgrade",
        "pass a token bound to a key for a bearer token",
        "proof_missing",
        "RFC 9449 section 7.2",
        _bound(scheme="Bearer", count=0),
    ),
    _attack(
        "proof_by_thief",
        "prove a stolen token with a key of one's own",
        "proof_invalid",
        "RFC 9449 section 4.3, point 12",
        _bound(by_thief=True),
    ),
    _attack(
        "proof_other_method",
        "use the proof of a read for something else",
        "proof_invalid",
        _J10,
        _bound(claims={"htm": "DELETE"}),
    ),
    _attack(
        "proof_other_target",
        "use a proof that was made for another site",
        "proof_invalid",
        _J10,
        _bound(claims={"htu": "https://attacker.example/notes"}),
    ),
    _attack(
        "proof_other_token",
        "use a proof that was made for another token",
        "proof_invalid",
        _J10,
        _bound(claims={"ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"}),
    ),
    _attack(
        "proof_of_no_token",
        "use a proof that names no token, as one for the token endpoint",
        "proof_invalid",
        "RFC 9449 section 4.3, point 12",
        _bound(claims={"ath": None}),
    ),
    _attack(
        "proof_old",
        "use a proof that was kept for later",
        "proof_invalid",
        "RFC 9449 section 11.1",
        _bound(claims={"iat": 1_000_000_000, "nonce": None}),
    ),
    _attack(
        "proof_ahead",
        "use a proof that was made for a time to come",
        "proof_invalid",
        "RFC 9449 section 11.2",
        _bound(claims={"iat": 1 << 39, "nonce": None}),
    ),
    _attack(
        "proof_unsigned",
        "claim that the proof needs no signature",
        "proof_invalid",
        "RFC 9449 section 4.3, point 5",
        _bound(header={"alg": "none"}),
    ),
    _attack(
        "proof_shared_secret",
        "bring a shared secret as the key of the proof",
        "proof_invalid",
        "RFC 9449 section 4.3, points 5 and 7",
        _bound(header={"alg": "HS256", "jwk": _SECRET}),
    ),
    _attack(
        "proof_other_type",
        "pass another signed message for a proof",
        "proof_invalid",
        "RFC 9449 section 4.3, point 4",
        _bound(header={"typ": "at+jwt"}),
    ),
    _attack(
        "proof_twice_in_request",
        "send two proofs, so that two readers choose differently",
        "proof_invalid",
        "RFC 9449 section 4.3, point 1",
        _bound(count=2),
    ),
    _attack(
        "proof_replayed",
        "send a request again with the proof it had",
        "proof_replayed",
        "RFC 9449 section 11.1; hostile-input catalogue J10",
        changed(_bound(), times=2),
    ),
    _attack(
        "proof_nonce_made_up",
        "make up the nonce of a proof",
        "proof_nonce",
        "RFC 9449 section 9",
        _bound(claims={"nonce": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}),
    ),
    _attack(
        "token_unbound_by_dpop",
        "pass an ordinary token for one that is bound to a key",
        "token_unbound",
        "RFC 9449 section 7.1",
        _bound(is_bound=False),
    ),
    _attack(
        "token_unbound_stolen",
        "use a stolen bearer token where the policy demands proofs",
        "token_unbound",
        "RFC 9700 section 2.2.1; OWASP ASVS 5.0 V10.3.5",
        _bound(is_demanded=True, is_bound=False, scheme="Bearer", count=0),
        _bound(is_demanded=True),
    ),
    _attack(
        "certificate_left_away",
        "use a stolen token that is bound to a certificate, without one",
        "certificate_missing",
        "RFC 8705 section 3",
        _lab("certificate_missing"),
        _lab("certificate_own"),
    ),
    _attack(
        "certificate_other",
        "use a stolen token that is bound to a certificate, with another one",
        "certificate_mismatch",
        "RFC 8705 section 3",
        _lab("certificate_other"),
        _lab("certificate_own"),
    ),
)
"""Attacks on bound tokens."""
