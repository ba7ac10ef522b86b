"""Keys of signed messages. Each has one algorithm, and it is the key's: a message cannot choose another."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

SignatureAlgorithm = Literal["ed25519", "ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-pss-sha512", "hmac-sha256"]
"""Of the registry (RFC 9421 section 6.2.2); without `rsa-v1_5-sha256`, whose padding has a history of forgeries."""
ALGORITHMS: Final[tuple[SignatureAlgorithm, ...]] = get_args(SignatureAlgorithm)
RSA_BITS_LEAST: Final = 2048
RSA_BITS_MOST: Final = 4096
SECRET_BYTES_LEAST: Final = 32
"""Shortest shared secret: as long as the hash (RFC 2104 section 3)."""
_UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm)
"""What a loader raises for a text that is no key, or one of a kind (a curve, say) that its library does not know."""
_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA512()), salt_length=64)
_CURVES: Final[dict[str, tuple[SignatureAlgorithm, int, hashes.HashAlgorithm]]] = {
    "secp256r1": ("ecdsa-p256-sha256", 32, hashes.SHA256()),
    "secp384r1": ("ecdsa-p384-sha384", 48, hashes.SHA384()),
}


class KeyRefused(ValueError):
    """The text is no key, or a weak one."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key, or a shared secret, with its one algorithm."""

    algorithm: SignatureAlgorithm
    verify: Callable[[bytes, bytes], bool] = field(repr=False)
    """Whether the second argument signs the first; the comparison of MACs takes constant time."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, or a shared secret, with its one algorithm."""

    algorithm: SignatureAlgorithm
    sign: Callable[[bytes], bytes] = field(repr=False)
    """The signature over some bytes, in the form of RFC 9421 section 3.3."""


def public_key_from_pem(pem: str) -> VerifyingKey:
    """The verifying key in a PEM public key (SubjectPublicKeyInfo); its type says the algorithm.

    Errors: KeyRefused for a key that is none, weak, or of another type.
    """
    try:
        key = serialization.load_pem_public_key(pem.encode("utf-8"))
    except _UNREADABLE as error:
        raise KeyRefused(f"not a PEM public key: {type(error).__name__}") from error
    match key:
        case ed25519.Ed25519PublicKey():
            return VerifyingKey("ed25519", _attempt(key.verify))
        case rsa.RSAPublicKey():
            _require_strong(key.key_size)
            return VerifyingKey("rsa-pss-sha512", _pss_verifier(key))
        case ec.EllipticCurvePublicKey():
            return _ecdsa_verifier(key)
        case _:
            raise KeyRefused("only Ed25519, P-256, P-384 and RSA keys sign messages")


def private_key_from_pem(pem: bytes) -> SigningKey:
    """The signing key in an unencrypted PEM private key. Errors: KeyRefused."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except _UNREADABLE as error:
        raise KeyRefused(f"not an unencrypted PEM private key: {type(error).__name__}") from error
    match key:
        case ed25519.Ed25519PrivateKey():
            return SigningKey("ed25519", key.sign)
        case rsa.RSAPrivateKey():
            _require_strong(key.key_size)
            private: rsa.RSAPrivateKey = key
            return SigningKey("rsa-pss-sha512", lambda data: private.sign(data, _PSS, hashes.SHA512()))
        case ec.EllipticCurvePrivateKey():
            return _ecdsa_signer(key)
        case _:
            raise KeyRefused("only Ed25519, P-256, P-384 and RSA keys sign messages")


def shared_secret(secret: bytes) -> tuple[SigningKey, VerifyingKey]:
    """Both sides of `hmac-sha256`. Errors: KeyRefused for a secret shorter than 32 bytes."""
    if len(secret) < SECRET_BYTES_LEAST:
        raise KeyRefused(f"a shared secret has at least {SECRET_BYTES_LEAST} bytes")

    def sign(data: bytes) -> bytes:
        return hmac.new(secret, data, hashlib.sha256).digest()

    def verify(data: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(sign(data), signature)

    return SigningKey("hmac-sha256", sign), VerifyingKey("hmac-sha256", verify)


def generate_ed25519() -> tuple[bytes, str]:
    """A new key pair as PEM: the private key and the public one."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, public_pem(private)


def public_pem(private_pem: bytes) -> str:
    """The public key of an unencrypted PEM private key, as PEM. Errors: KeyRefused."""
    try:
        key = serialization.load_pem_private_key(private_pem, None)
    except _UNREADABLE as error:
        raise KeyRefused(f"not an unencrypted PEM private key: {type(error).__name__}") from error
    encoded = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded.decode("ascii")


def _attempt(verify: Callable[[bytes, bytes], None]) -> Callable[[bytes, bytes], bool]:
    def attempt(data: bytes, signature: bytes) -> bool:
        try:
            verify(signature, data)
        except InvalidSignature:
            return False
        return True

    return attempt


def _pss_verifier(key: rsa.RSAPublicKey) -> Callable[[bytes, bytes], bool]:
    return _attempt(lambda signature, data: key.verify(signature, data, _PSS, hashes.SHA512()))


def _ecdsa_verifier(key: ec.EllipticCurvePublicKey) -> VerifyingKey:
    algorithm, width, digest = _curve(key.curve)
    scheme = ec.ECDSA(digest)

    def verify(signature: bytes, data: bytes) -> None:
        if len(signature) != 2 * width:
            raise InvalidSignature
        r, s = int.from_bytes(signature[:width], "big"), int.from_bytes(signature[width:], "big")
        key.verify(encode_dss_signature(r, s), data, scheme)

    return VerifyingKey(algorithm, _attempt(verify))


def _ecdsa_signer(key: ec.EllipticCurvePrivateKey) -> SigningKey:
    algorithm, width, digest = _curve(key.curve)
    scheme = ec.ECDSA(digest)

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, scheme))
        return r.to_bytes(width, "big") + s.to_bytes(width, "big")

    return SigningKey(algorithm, sign)


def _curve(curve: ec.EllipticCurve) -> tuple[SignatureAlgorithm, int, hashes.HashAlgorithm]:
    found = _CURVES.get(curve.name)
    if found is None:
        raise KeyRefused(f"the curve {curve.name} is not used")
    return found


def _require_strong(bits: int) -> None:
    if not RSA_BITS_LEAST <= bits <= RSA_BITS_MOST:
        raise KeyRefused(f"an RSA key of {bits} bits is outside {RSA_BITS_LEAST}..{RSA_BITS_MOST}")
