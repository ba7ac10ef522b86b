"""Signature keys, each with exactly one algorithm: no "any" (Keycloak CVE-2026-11800, Authlib CVE-2024-37568)."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from joserfc.errors import JoseError as LibraryError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from doorward.jose.errors import JoseError
from doorward.jose.parsing import KEY_ID_CHARACTERS

Algorithm = Literal["ES256", "EdDSA", "PS256", "RS256"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)
"""Asymmetric only: with a shared secret every verifier could also sign. EdDSA is Ed25519 here, never Ed448."""

_NEWER_NAMES: Final[Mapping[str, Algorithm]] = {"Ed25519": "EdDSA"}
"""Other names of the same algorithms (RFC 9864 section 2.2): newer libraries write no other."""
ALGORITHM_NAMES: Final[tuple[str, ...]] = (*ALGORITHMS, *_NEWER_NAMES)
"""As they may stand in headers and keys."""

RSA_BITS_LEAST: Final = 2048
"""NIST SP 800-131A rev. 2; joserfc itself would verify with 1024 (measured)."""
RSA_BITS_MOST: Final = 8192
"""Beyond it one verification costs milliseconds: a published key would become a way to stall us."""
RSA_EXPONENT_BITS_MOST: Final = 64
"""What OpenSSL holds moduli above 3,072 bits to. Below, one verification with an exponent as long as the modulus takes
80 times as long (measured: 6.1 ms, not 0.08), and whoever signs chooses the key."""

_Material: TypeAlias = ECKey | OKPKey | RSAKey
_MATERIAL: Final[Mapping[str, type[_Material]]] = {"EC": ECKey, "OKP": OKPKey, "RSA": RSAKey}
_KEY_TYPE: Final[Mapping[str, str]] = {"ES256": "EC", "EdDSA": "OKP", "PS256": "RSA", "RS256": "RSA"}
_CURVE: Final[Mapping[str, str]] = {"ES256": "P-256", "EdDSA": "Ed25519"}
# joserfc knows Ed25519 under both names and warns of the older one (RFC 9864), which all issuers still write
_MODELS: Final = {
    algorithm: JWSRegistry(algorithms=[name]).get_alg(name)
    for algorithm in ALGORITHMS
    for name in ["Ed25519" if algorithm == "EdDSA" else algorithm]
}


class PublicKey:
    """Verifies signatures of its one algorithm."""

    __slots__ = ("_material", "algorithm", "id")

    def __init__(self, material: _Material, algorithm: Algorithm, key_id: str) -> None:
        self._material, self.algorithm, self.id = material, algorithm, key_id

    def __repr__(self) -> str:
        return f"PublicKey({self.id!r}, {self.algorithm})"

    @property
    def thumbprint(self) -> str:
        """What names the key material itself, whatever it calls itself (RFC 7638)."""
        return self._material.thumbprint()

    def verifies(self, data: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over `data`."""
        return _MODELS[self.algorithm].verify(data, signature, self._material)

    def jwk(self) -> dict[str, str]:
        """The key as a public JWK (RFC 7517) with `kid`, `alg` and `use`."""
        public = cast("dict[str, str]", self._material.as_dict(private=False))
        wanted = ("kty", "crv", "x", "y", "n", "e")
        return {name: public[name] for name in wanted if name in public} | {
            "kid": self.id,
            "alg": self.algorithm,
            "use": "sig",
        }


class PrivateKey:
    """Signs with its one algorithm. Its material never shows in a `repr`."""

    __slots__ = ("_material", "public")

    def __init__(self, material: _Material, public: PublicKey) -> None:
        self._material, self.public = material, public

    def __repr__(self) -> str:
        return f"PrivateKey({self.id!r}, {self.algorithm}, ****)"

    @property
    def id(self) -> str:
        """The `kid` it signs under."""
        return self.public.id

    @property
    def algorithm(self) -> Algorithm:
        """The one algorithm it signs with."""
        return self.public.algorithm

    def sign(self, data: bytes) -> bytes:
        """The raw JWS signature over `data`."""
        return _MODELS[self.algorithm].sign(data, self._material)

    def jwk(self) -> dict[str, str]:
        """The key as a private JWK. Write it to a file of mode 0600 and nowhere else."""
        private = cast("dict[str, str]", self._material.as_dict(private=True))
        return private | {"kid": self.id, "alg": self.algorithm, "use": "sig"}


def algorithm_named(name: object) -> Algorithm | None:
    """The algorithm of that name, or None for none of ours.

    >>> algorithm_named("Ed25519"), algorithm_named("none")
    ('EdDSA', None)
    """
    if not isinstance(name, str):
        return None
    return _NEWER_NAMES.get(name) or next((known for known in ALGORITHMS if known == name), None)


def generate_key(algorithm: Algorithm, *, rsa_bits: int = 3072) -> PrivateKey:
    """A new key whose id is its thumbprint (RFC 7638).

    Units: `rsa_bits` is the modulus length, for PS256 and RS256 only.
    """
    material: _Material
    match algorithm:
        case "ES256":
            material = ECKey.generate_key("P-256")
        case "EdDSA":
            material = OKPKey.generate_key("Ed25519")
        case _:
            material = RSAKey.generate_key(max(rsa_bits, RSA_BITS_LEAST))
    return _private(material, algorithm, material.thumbprint())


def private_key_from_jwk(jwk: Mapping[str, Any]) -> PrivateKey:
    """The private key in a JWK of our own that names its `alg`. Errors: JoseError `key`."""
    material, algorithm, key_id = _import(jwk, ALGORITHMS)
    if not material.is_private:
        raise JoseError("key", f"key {key_id!r} has no private part")
    return _private(material, algorithm, key_id)


def public_key_from_jwk(jwk: Mapping[str, Any], algorithms: Iterable[Algorithm] = ALGORITHMS) -> PublicKey:
    """The verification key in an issuer's JWK.

    A key without `alg` gets the one its type allows; an RSA key the first of `algorithms` that is RSA's, so an
    issuer that publishes bare RSA keys is pinned by the policy. A private part is dropped, never kept.
    Errors: JoseError `key` for a shared secret, a weak, foreign or mislabelled key, or one not meant for signatures.
    """
    material, algorithm, key_id = _import(jwk, algorithms)
    if material.is_private:
        public = cast("dict[str, Any]", material.as_dict(private=False))
        material, algorithm, key_id = _import(public | {"kid": key_id, "alg": algorithm}, algorithms)
    return PublicKey(material, algorithm, key_id)


def public_jwks(keys: Iterable[PublicKey | PrivateKey]) -> dict[str, list[dict[str, str]]]:
    """The public JWK set of `keys`, as published at `jwks_uri`."""
    return {"keys": [(key.public if isinstance(key, PrivateKey) else key).jwk() for key in keys]}


def _private(material: _Material, algorithm: Algorithm, key_id: str) -> PrivateKey:
    public = type(material).import_key(cast("dict[str, Any]", material.as_dict(private=False)))
    return PrivateKey(material, PublicKey(public, algorithm, key_id))


def _import(jwk: Mapping[str, Any], algorithms: Iterable[Algorithm]) -> tuple[_Material, Algorithm, str]:
    allowed = tuple(algorithms)
    kind = _MATERIAL.get(str(jwk.get("kty")))
    if kind is None:
        raise JoseError("key", f"keys of type {jwk.get('kty')!r} are not used")
    if jwk.get("use", "sig") != "sig" or not {"sign", "verify"}.intersection(jwk.get("key_ops", ["verify"])):
        raise JoseError("key", "the key is not meant for signatures")
    algorithm = _algorithm(jwk, allowed)
    members = {name: value for name, value in jwk.items() if name in _MEMBERS}
    if not all(isinstance(value, str) for value in members.values()):
        raise JoseError("key", "a member of the key is not a string")
    if kind is RSAKey:
        require_strong_rsa(members.get("n", ""), members.get("e", ""))
    try:
        material = kind.import_key(members)
        _MODELS[algorithm].check_key(material)
        key_id = jwk.get("kid") or material.thumbprint()
    except (LibraryError, ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise JoseError("key", f"not a usable {algorithm} key: {type(error).__name__}") from error
    if not isinstance(key_id, str) or len(key_id) > KEY_ID_CHARACTERS:
        raise JoseError("key", "kid is not a short string")
    return material, algorithm, key_id


_MEMBERS: Final = frozenset({"kty", "crv", "x", "y", "d", "n", "e", "p", "q", "dp", "dq", "qi"})
"""All we take from a JWK; `x5c`, `x5u` and the like are other people's claims about the key."""


def require_strong_rsa(encoded: str, encoded_exponent: str) -> None:
    """Nothing, for a modulus of a sane length that no broken generator made, and an exponent of one.

    Errors: JoseError `key`.
    """
    # before the import, for which a huge key would already be work
    try:
        modulus, exponent = (
            int.from_bytes(base64.urlsafe_b64decode(each + "==="), "big") for each in (encoded, encoded_exponent)
        )
    except ValueError as error:
        raise JoseError("key", "modulus or exponent is not base64url") from error
    if exponent.bit_length() > RSA_EXPONENT_BITS_MOST:
        raise JoseError("key", f"an RSA exponent of {exponent.bit_length()} bits")
    bits = modulus.bit_length()
    if not RSA_BITS_LEAST <= bits <= RSA_BITS_MOST:
        raise JoseError("key", f"an RSA key of {bits} bits is outside {RSA_BITS_LEAST}..{RSA_BITS_MOST}")
    if all(modulus % prime in powers for prime, powers in _ROCA_POWERS.items()):
        raise JoseError("key", "the RSA key was made by a generator that is broken (ROCA)")


def _powers_of_65537(prime: int) -> frozenset[int]:
    found = {1}
    power = 65537 % prime
    while power not in found:
        found.add(power)
        power = power * 65537 % prime
    return frozenset(found)


_ROCA_POWERS: Final = {
    prime: _powers_of_65537(prime) for prime in range(3, 168) if all(prime % divisor for divisor in range(2, prime))
}
"""Broken generators of smart cards made primes that are powers of 65537 modulo all small primes; a sound modulus is
one by chance in 2^27. Source: CVE-2017-15361; Nemec et al., The Return of Coppersmith's Attack, CCS 2017."""


def _algorithm(jwk: Mapping[str, Any], allowed: tuple[Algorithm, ...]) -> Algorithm:
    named = jwk.get("alg")
    fitting = [
        algorithm
        for algorithm in allowed
        if _KEY_TYPE[algorithm] == jwk.get("kty") and _CURVE.get(algorithm) == jwk.get("crv")
    ]
    chosen = [algorithm for algorithm in fitting if named is None or algorithm_named(named) == algorithm]
    if not chosen:
        raise JoseError("key", f"no allowed algorithm for a {jwk.get('kty')} key with alg {named!r}")
    return chosen[0]
