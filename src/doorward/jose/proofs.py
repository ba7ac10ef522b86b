"""Proofs of possession (DPoP, RFC 9449): a small signed message that brings its own key, to show that one holds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from doorward.jose.errors import JoseError
from doorward.jose.keys import Algorithm, PrivateKey, PublicKey, algorithm_named, public_key_from_jwk
from doorward.jose.parsing import decode_segment, media_type_of, parse_object, refuse_members, shown
from doorward.jose.tokens import EXTENSIONS, REFERENCES, TOKEN_BYTES, decode_signature, sign_segments

PROOF_TYPE: Final = "dpop+jwt"
PROOF_HEADER_BYTES: Final = 4096
"""Longest encoded header of a proof: one with an RSA key of 2,048 bits has about 560 bytes, of 8,192 bits 1,650."""
HEADERS_KEPT: Final = 1024
"""Headers whose key was read already: a client sends the same one with each of its proofs. At most 4 MiB."""
_PRIVATE_MEMBERS: Final = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_OTHER_REFERENCES: Final = tuple(name for name in REFERENCES if name != "jwk")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedProof:
    """A well-formed proof that nobody has checked yet. Only the key it claims to be made with may be read."""

    thumbprint: str
    """Of the key it brings (RFC 7638): what `cnf.jkt` of a bound token says."""

    @property
    def algorithm(self) -> Algorithm:
        """What that key signs with."""
        return self._key.algorithm

    _key: PublicKey = field(repr=False)
    _signed: bytes = field(repr=False)
    _signature: bytes = field(repr=False)


def split_proof(proof: bytes, *, max_bytes: int = TOKEN_BYTES) -> UnverifiedProof:
    """The parts of a proof, decoded strictly, and the public key it brings.

    Errors: JoseError `size`, `header`, `algorithm`, `reference`, `key`, `claims` (`typ`), `signature` (its encoding).
    Source: RFC 9449 section 4.3, points 2 to 6.
    """
    if len(proof) > max_bytes or proof.count(b".") != 2:
        raise JoseError("size", f"{len(proof)} bytes with {proof.count(b'.')} dots")
    head, body, tail = proof.split(b".")
    if len(head) > PROOF_HEADER_BYTES:
        raise JoseError("size", f"a header of {len(head)} bytes, {PROOF_HEADER_BYTES} allowed")
    key, thumbprint = _key_in(head)
    return UnverifiedProof(
        thumbprint=thumbprint,
        _key=key,
        _signed=proof[: len(head) + 1 + len(body)],
        _signature=decode_signature(tail),
    )


def verify_proof(proof: UnverifiedProof) -> Mapping[str, Any]:
    """The claims, proved to be signed by the key the proof brings; what they say is the caller's to judge.

    Errors: JoseError `signature`; `header` for claims that are not one strict JSON object.
    """
    # the payload is read only now: parsing is dearer than refusing
    signed, key = proof._signed, proof._key  # noqa: SLF001 - this module is the one that may open it
    if not key.verifies(signed, proof._signature):  # noqa: SLF001
        raise JoseError("signature", "not signed by the key it brings")
    body = signed.partition(b".")[2]
    return parse_object(decode_segment(body, "payload"), "claims")


def sign_proof(key: PrivateKey, claims: Mapping[str, Any], *, header: Mapping[str, Any] | None = None) -> str:
    """A proof of these claims by `key`, as a client makes it; `header` replaces members, for tests and attacks."""
    public = {name: value for name, value in key.public.jwk().items() if name not in {"kid", "alg", "use"}}
    return sign_segments(key, {"typ": PROOF_TYPE, "alg": key.algorithm, "jwk": public, **(header or {})}, claims)


@lru_cache(maxsize=HEADERS_KEPT)
def _key_in(head: bytes) -> tuple[PublicKey, str]:
    header = parse_object(decode_segment(head, "header"), "header")
    if media_type_of(header) != PROOF_TYPE:
        raise JoseError("claims", f"typ {shown(header.get('typ'))}, not {PROOF_TYPE}")
    algorithm = algorithm_named(header.get("alg"))
    if algorithm is None:
        raise JoseError("algorithm", f"alg {shown(header.get('alg'))}")
    refuse_members(header, _OTHER_REFERENCES, "reference")
    refuse_members(header, EXTENSIONS, "header")
    jwk = header.get("jwk")
    if not isinstance(jwk, dict):
        raise JoseError("key", "the header brings no jwk")
    refuse_members(jwk, _PRIVATE_MEMBERS, "key")
    key = public_key_from_jwk(jwk, [algorithm])
    return key, key.thumbprint
