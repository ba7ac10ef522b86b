"""Signed tokens and their keys (JWS, JWT, JWK): the only package that imports joserfc.

A leaf: it imports nothing of Doorward. What goes in is untrusted; what comes out of `verify_jwt` is proved, and
nothing else leaves the package but an `UnverifiedToken`, of which only the routing facts can be read.
"""

from doorward.jose.errors import JoseError, Reason
from doorward.jose.keys import (
    ALGORITHMS,
    Algorithm,
    PrivateKey,
    PublicKey,
    generate_key,
    private_key_from_jwk,
    public_jwks,
    public_key_from_jwk,
)
from doorward.jose.keystore import load_private_keys, save_private_keys
from doorward.jose.tokens import (
    TOKEN_BYTES,
    Expected,
    UnverifiedJws,
    UnverifiedToken,
    encode_segment,
    sign_jwt,
    split_jws,
    split_unverified,
    verify_jws,
    verify_jwt,
    verify_signature,
)

__all__ = [
    "ALGORITHMS",
    "TOKEN_BYTES",
    "Algorithm",
    "Expected",
    "JoseError",
    "PrivateKey",
    "PublicKey",
    "Reason",
    "UnverifiedJws",
    "UnverifiedToken",
    "encode_segment",
    "generate_key",
    "load_private_keys",
    "private_key_from_jwk",
    "public_jwks",
    "public_key_from_jwk",
    "save_private_keys",
    "sign_jwt",
    "split_jws",
    "split_unverified",
    "verify_jws",
    "verify_jwt",
    "verify_signature",
]
