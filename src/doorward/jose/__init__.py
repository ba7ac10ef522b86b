"""Signed and encrypted tokens and their keys (JWS, JWT, JWE, JWK): the only package that imports joserfc.

A leaf: it imports nothing of Doorward. What goes in is untrusted; what comes out of `verify_jwt`, `verify_proof` and
`decrypt` is proved, and nothing else leaves the package but the unverified kinds, of which only the facts that lead to
the key can be read.
"""

from doorward.jose.encryption import (
    CONTENT_ENCRYPTION,
    OVERHEAD_BYTES,
    Decrypted,
    UnverifiedJwe,
    decrypt,
    encrypt,
    split_jwe,
)
from doorward.jose.encryption_keys import (
    ENCRYPTION_ALGORITHMS,
    DecryptionKey,
    EncryptionAlgorithm,
    EncryptionKey,
    decryption_key_from_jwk,
    decryption_key_from_pem,
    encryption_key_from_jwk,
    encryption_key_from_pem,
    generate_decryption_key,
)
from doorward.jose.errors import JoseError, Reason
from doorward.jose.flattened import sign_flattened
from doorward.jose.key_sets import KEY_COUNT, KeySet, parse_key_set, usable_keys
from doorward.jose.keys import (
    ALGORITHM_NAMES,
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
from doorward.jose.parsing import encode_segment, parse_object
from doorward.jose.proofs import PROOF_TYPE, UnverifiedProof, sign_proof, split_proof, verify_proof
from doorward.jose.tokens import (
    TOKEN_BYTES,
    Expected,
    UnverifiedJws,
    UnverifiedToken,
    date_of,
    sign_jwt,
    split_jws,
    split_unverified,
    verify_jws,
    verify_jwt,
    verify_signature,
)

__all__ = [
    "ALGORITHMS",
    "ALGORITHM_NAMES",
    "CONTENT_ENCRYPTION",
    "ENCRYPTION_ALGORITHMS",
    "KEY_COUNT",
    "OVERHEAD_BYTES",
    "PROOF_TYPE",
    "TOKEN_BYTES",
    "Algorithm",
    "Decrypted",
    "DecryptionKey",
    "EncryptionAlgorithm",
    "EncryptionKey",
    "Expected",
    "JoseError",
    "KeySet",
    "PrivateKey",
    "PublicKey",
    "Reason",
    "UnverifiedJwe",
    "UnverifiedJws",
    "UnverifiedProof",
    "UnverifiedToken",
    "date_of",
    "decrypt",
    "decryption_key_from_jwk",
    "decryption_key_from_pem",
    "encode_segment",
    "encrypt",
    "encryption_key_from_jwk",
    "encryption_key_from_pem",
    "generate_decryption_key",
    "generate_key",
    "load_private_keys",
    "parse_key_set",
    "parse_object",
    "private_key_from_jwk",
    "public_jwks",
    "public_key_from_jwk",
    "save_private_keys",
    "sign_flattened",
    "sign_jwt",
    "sign_proof",
    "split_jwe",
    "split_jws",
    "split_proof",
    "split_unverified",
    "usable_keys",
    "verify_jws",
    "verify_jwt",
    "verify_proof",
    "verify_signature",
]
