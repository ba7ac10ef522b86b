"""Targets: encrypted messages, and the keys they are encrypted with."""

import json
from typing import Any, Final

from tests.fuzz.target import Target
from tests.fuzz.values import JSON_WORDS

from doorward.jose import (
    ENCRYPTION_ALGORITHMS,
    JoseError,
    decrypt,
    encode_segment,
    encrypt,
    encryption_key_from_jwk,
    encryption_key_from_pem,
    generate_decryption_key,
    split_jwe,
)

_KEYS: Final = {name: generate_decryption_key(name, rsa_bits=2048) for name in ENCRYPTION_ALGORITHMS}
_PARTS: Final = {name: encrypt(b"content", key.public, typ="x").encode().split(b".")[1:] for name, key in _KEYS.items()}


def jwe(data: bytes) -> None:
    """Whatever comes for a message is refused in one way, and never opened when nobody encrypted it."""
    try:
        message = split_jwe(data)
        decrypt(message, _KEYS["ECDH-ES+A256KW"])
    except JoseError:
        return
    raise AssertionError("a message that nobody encrypted was opened")


def jwe_header(data: bytes) -> None:
    """Whatever stands in a header, each kind of key refuses what was not encrypted under it."""
    for name, key in _KEYS.items():
        try:
            message = split_jwe(b".".join((encode_segment(data), *_PARTS[name])))
        except JoseError:
            continue
        header: dict[str, Any] = json.loads(data)
        assert message.key_id == header.get("kid", "")
        assert header["alg"] == message.algorithm
        try:
            decrypt(message, key)
        except JoseError:
            continue
        raise AssertionError("a message was opened under another header")


def encryption_jwk(data: bytes) -> None:
    """A key that is taken has one algorithm and shows no private part, and a message to it can be made."""
    try:
        members = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(members, dict):
        return
    try:
        key = encryption_key_from_jwk(members)
    except JoseError:
        return
    if key.algorithm == "dir":
        return
    assert "d" not in key.jwk()
    try:
        split_jwe(encrypt(b"x", key, typ="x"))
    except ValueError:
        # a point that is on no curve, or a kid that makes the header too long: said, not raised through
        return


def encryption_pem(data: bytes) -> None:
    """A file that is no key of ours is refused in one way."""
    try:
        encryption_key_from_pem(data)
    except JoseError:
        return


_HEADER_WORDS: Final = (
    *(b'{"alg":"ECDH-ES+A256KW"', b'{"alg":"RSA-OAEP-256"', b'{"alg":"dir"', b',"enc":"A256GCM"', b"}", b',"kid":"k"'),
    *(b',"epk":{"kty":"EC","crv":"P-256","x":"', b'","y":"', b'"}', b"A" * 43, b',"apu":"AA"', b',"apv":1'),
    *(b',"zip":"DEF"', b',"p2c":2147483647', b',"crit":[]', b',"typ":"x"', b',"epk":null', b',"epk":{}', b" "),
)
_MESSAGE_WORDS: Final = (
    *(
        b".",
        b"eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0",
        b"AAAAAAAAAAAAAAAA",
        b"AAAAAAAAAAAAAAAAAAAAAA",
        b"A",
        b"-",
        b"_",
    ),
    *(
        _PARTS["ECDH-ES+A256KW"][0],
        encrypt(b"", _KEYS["dir"].public, typ="x").partition(".")[0].encode(),
        b"=",
        b"\xff",
    ),
)
_JWK_WORDS: Final = (
    *(b'{"kty":"EC"', b',"crv":"P-256"', b',"x":"', b',"y":"', b'"', b"}", b'{"kty":"RSA"', b',"n":"', b',"e":"AQAB"'),
    *(
        b',"alg":"ECDH-ES+A256KW"',
        b',"alg":"RSA-OAEP-256"',
        b',"alg":"dir"',
        b'{"kty":"oct","k":"',
        b"A" * 43,
        b"A" * 342,
    ),
    *(b',"use":"enc"', b',"d":"AA"', b',"kid":1', b"null", b"[]"),
)
_PEM_WORDS: Final = (
    *(b"-----BEGIN PUBLIC KEY-----\n", b"-----END PUBLIC KEY-----\n", b"-----BEGIN CERTIFICATE-----\n", b"MFkw", b"\n"),
    *(b"EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE", b"AAAA", b"=", b"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"),
)
TARGETS: Final = {
    "jwe": Target(jwe, _MESSAGE_WORDS),
    "jwe_header": Target(jwe_header, (*_HEADER_WORDS, *JSON_WORDS)),
    "encryption_jwk": Target(encryption_jwk, (*_JWK_WORDS, *JSON_WORDS)),
    "encryption_pem": Target(encryption_pem, _PEM_WORDS),
}
