"""Keys to encrypt to and to decrypt with. Each has exactly one algorithm, and none is also for signatures."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from joserfc.errors import JoseError as LibraryError
from joserfc.jwk import ECKey, OctKey, RSAKey

from doorward.jose.errors import JoseError
from doorward.jose.keys import RSA_BITS_LEAST, require_strong_rsa
from doorward.jose.parsing import KEY_ID_CHARACTERS

EncryptionAlgorithm = Literal["ECDH-ES+A256KW", "RSA-OAEP-256", "dir"]
ENCRYPTION_ALGORITHMS: Final[tuple[EncryptionAlgorithm, ...]] = get_args(EncryptionAlgorithm)
"""How the content key is handed over: agreed on with a key of P-256; encrypted with RSA; shared before (32 bytes)."""

_SHARED_BYTES: Final = 32
_Material: TypeAlias = ECKey | RSAKey | OctKey
_KINDS: Final[Mapping[str, type[_Material]]] = {"ECDH-ES+A256KW": ECKey, "RSA-OAEP-256": RSAKey, "dir": OctKey}
_KEY_TYPES: Final = {"ECDH-ES+A256KW": "EC", "RSA-OAEP-256": "RSA", "dir": "oct"}
_MEMBERS: Final = frozenset({"kty", "crv", "x", "y", "d", "n", "e", "p", "q", "dp", "dq", "qi", "k"})
_PUBLIC: Final = ("kty", "crv", "x", "y", "n", "e")
_OPERATIONS: Final = {"encrypt", "decrypt", "wrapKey", "unwrapKey", "deriveKey", "deriveBits"}


class EncryptionKey:
    """Encrypts with its one algorithm. For `dir` it is the shared secret itself, and as secret."""

    __slots__ = ("algorithm", "id", "material")

    def __init__(self, material: _Material, algorithm: EncryptionAlgorithm, key_id: str) -> None:
        self.material, self.algorithm, self.id = material, algorithm, key_id

    def __repr__(self) -> str:
        return f"EncryptionKey({self.id!r}, {self.algorithm})"

    def jwk(self) -> dict[str, str]:
        """The key as a public JWK with `kid`, `alg` and `use`. Errors: ValueError for `dir`, which is all secret."""
        if self.algorithm == "dir":
            raise ValueError("a shared secret is not published")
        public = cast("dict[str, str]", self.material.as_dict(private=False))
        members = {name: public[name] for name in _PUBLIC if name in public}
        return members | {"kid": self.id, "alg": self.algorithm, "use": "enc"}


class DecryptionKey:
    """Decrypts with its one algorithm. Its material never shows in a `repr`."""

    __slots__ = ("algorithm", "id", "material")

    def __init__(self, material: _Material, algorithm: EncryptionAlgorithm, key_id: str) -> None:
        self.material, self.algorithm, self.id = material, algorithm, key_id

    def __repr__(self) -> str:
        return f"DecryptionKey({self.id!r}, {self.algorithm}, ****)"

    @property
    def public(self) -> EncryptionKey:
        """What others encrypt to it with."""
        if self.algorithm == "dir":
            return EncryptionKey(self.material, self.algorithm, self.id)
        public = cast("dict[str, Any]", self.material.as_dict(private=False))
        return EncryptionKey(type(self.material).import_key(public), self.algorithm, self.id)

    def jwk(self) -> dict[str, str]:
        """The key as a private JWK. Write it to a file of mode 0600 and nowhere else."""
        private = cast("dict[str, str]", self.material.as_dict(private=True))
        return private | {"kid": self.id, "alg": self.algorithm, "use": "enc"}


def generate_decryption_key(algorithm: EncryptionAlgorithm, *, rsa_bits: int = 3072) -> DecryptionKey:
    """A new key whose id is its thumbprint (RFC 7638).

    Units: `rsa_bits` is the modulus length, for RSA-OAEP-256 only.
    """
    material: _Material
    match algorithm:
        case "ECDH-ES+A256KW":
            material = ECKey.generate_key("P-256")
        case "RSA-OAEP-256":
            material = RSAKey.generate_key(max(rsa_bits, RSA_BITS_LEAST))
        case "dir":
            material = OctKey.generate_key(_SHARED_BYTES * 8)
    return DecryptionKey(material, algorithm, material.thumbprint())


def decryption_key_from_jwk(jwk: Mapping[str, Any]) -> DecryptionKey:
    """The private key in a JWK that names its `alg`. Errors: JoseError `key`."""
    material, algorithm, key_id = _import(jwk)
    if not material.is_private:
        raise JoseError("key", f"key {key_id!r} has no private part")
    return DecryptionKey(material, algorithm, key_id)


def encryption_key_from_jwk(jwk: Mapping[str, Any]) -> EncryptionKey:
    """The public key (for `dir` the secret) in a JWK that names its `alg`; a private part is dropped.

    Errors: JoseError `key`.
    """
    material, algorithm, key_id = _import(jwk)
    return DecryptionKey(material, algorithm, key_id).public


def encryption_key_from_pem(pem: bytes, key_id: str = "") -> EncryptionKey:
    """The public key in a PEM file: of P-256, or RSA. Errors: JoseError `key`, for a private key too."""
    if b"PRIVATE" in pem:
        raise JoseError("key", "a private key: whose it is should give it to nobody")
    return encryption_key_from_jwk(_jwk_of_pem(pem, key_id, is_private=False))


def decryption_key_from_pem(pem: bytes, key_id: str = "") -> DecryptionKey:
    """The private key in an unencrypted PEM file: of P-256, or RSA. Errors: JoseError `key`."""
    return decryption_key_from_jwk(_jwk_of_pem(pem, key_id, is_private=True))


def _jwk_of_pem(pem: bytes, key_id: str, *, is_private: bool) -> dict[str, Any]:
    candidates: tuple[tuple[type[ECKey | RSAKey], EncryptionAlgorithm], ...] = (
        (ECKey, "ECDH-ES+A256KW"),
        (RSAKey, "RSA-OAEP-256"),
    )
    for kind, algorithm in candidates:
        try:
            members = kind.import_key(pem).as_dict(private=is_private)
        except (LibraryError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
            continue  # not of this kind; what is of no kind is refused below
        named = {"kid": key_id} if key_id else {}
        return {**{name: members[name] for name in members if name in _MEMBERS}, **named, "alg": algorithm}
    raise JoseError("key", "no key of P-256 or RSA in PEM")


def _import(jwk: Mapping[str, Any]) -> tuple[_Material, EncryptionAlgorithm, str]:
    algorithm = next((known for known in ENCRYPTION_ALGORITHMS if known == jwk.get("alg")), None)
    if algorithm is None or jwk.get("kty") != _KEY_TYPES[algorithm]:
        raise JoseError("key", f"no algorithm of ours for a {jwk.get('kty')!r} key with alg {jwk.get('alg')!r}")
    if jwk.get("use", "enc") != "enc" or not _OPERATIONS.intersection(jwk.get("key_ops", _OPERATIONS)):
        raise JoseError("key", "the key is not meant for encryption")
    members = {name: value for name, value in jwk.items() if name in _MEMBERS}
    if not all(isinstance(value, str) for value in members.values()):
        raise JoseError("key", "a member of the key is not a string")
    if algorithm == "RSA-OAEP-256":
        require_strong_rsa(members.get("n", ""), members.get("e", ""))
    elif algorithm == "dir":
        _require_whole_secret(members.get("k", ""))
    elif members.get("crv") != "P-256":
        raise JoseError("key", f"curve {members.get('crv')!r}, only P-256 is used")
    try:
        material = _KINDS[algorithm].import_key(members)
        key_id = jwk.get("kid") or material.thumbprint()
        _ = material.is_private
    except (LibraryError, ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise JoseError("key", f"not a usable {algorithm} key: {type(error).__name__}") from error
    if not isinstance(key_id, str) or len(key_id) > KEY_ID_CHARACTERS:
        raise JoseError("key", "kid is not a short string")
    return material, algorithm, key_id


def _require_whole_secret(encoded: str) -> None:
    try:
        secret = base64.urlsafe_b64decode(encoded + "===")
    except (binascii.Error, ValueError) as error:
        raise JoseError("key", "the secret is not base64url") from error
    if len(secret) != _SHARED_BYTES:
        raise JoseError("key", f"a secret of {len(secret)} bytes, {_SHARED_BYTES} needed")
