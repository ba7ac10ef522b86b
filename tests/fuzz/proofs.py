"""Targets: what a caller shows as proof, and the keys it is checked with."""

import json
from typing import Final

from tests.fuzz.target import Target, exchange, expect_code
from tests.fuzz.values import JSON_WORDS

from doorward.controls.authenticate import AuthenticatePolicy, Credentials, compile_check
from doorward.controls.authenticate.key_format import api_key_id, make_api_key
from doorward.denial import Denied
from doorward.jose import JoseError, encode_segment, generate_key, public_key_from_jwk
from doorward.jose.tokens import Expected, split_jws, split_unverified, verify_jwt
from doorward.operation import Operation

_KEY: Final = generate_key("ES256")
_EXPECTED: Final = Expected(issuer="https://a", audience="b", types=frozenset({"", "jwt"}))


def jws(data: bytes) -> None:
    """A signed message that is taken apart is the one spelling of its parts, and never proved without its key."""
    try:
        found = split_jws(data)
    except JoseError:
        return
    assert found.signed + b"." + encode_segment(found.signature) == data
    assert data.split(b".")[1] == encode_segment(found.payload)
    try:
        token = split_unverified(data)
        verify_jwt(token, _KEY.public, _EXPECTED, now=0.0)
    except JoseError:
        return
    raise AssertionError("a token that nobody signed was proved")


def claims(data: bytes) -> None:
    """Claims that are taken are one JSON object with each member once, whose text can be written again."""
    head = encode_segment(b'{"alg":"ES256"}')
    try:
        token = split_unverified(head + b"." + encode_segment(data) + b".AAAA", max_bytes=1 << 20)
    except JoseError:
        return
    read = json.loads(data.decode("utf-8"))
    assert isinstance(read, dict)
    assert token.issuer == (read["iss"] if isinstance(read.get("iss"), str) else "")
    json.dumps(token._claims, ensure_ascii=False).encode()


def api_key(data: bytes) -> None:
    """A key with the right checksum names its id; anything else names nothing."""
    found = api_key_id(data)
    if found is None:
        return
    assert data.startswith(b"dw_" + found.encode() + b"_")
    assert len(data) == len(make_api_key(bytes(8), bytes(32))[1])


def authorization(data: bytes) -> None:
    """Whatever stands in the fields that carry credentials, nobody is believed who proved nothing."""
    field, _, key = data.partition(b"\n")
    made = exchange("GET", b"/", [(b"authorization", field), (b"x-api-key", key)])
    try:
        _AUTHENTICATE(made)
    except Denied as denied:
        expect_code(denied, "authenticate.")
        return
    raise AssertionError(f"{made.caller} was believed")


_AUTHENTICATE: Final = compile_check(
    Operation(id="get", method="GET", path="/", template="/"), AuthenticatePolicy(), Credentials()
)


def jwk(data: bytes) -> None:
    """A key that is taken has one algorithm, a short id, and no private part."""
    try:
        members = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(members, dict):
        return
    try:
        key = public_key_from_jwk(members)
    except JoseError:
        return
    shown = key.jwk()
    assert shown["alg"] == key.algorithm
    assert "d" not in shown
    assert public_key_from_jwk(shown).jwk() == shown


_TOKEN_WORDS: Final = (
    *(
        b".",
        b"eyJhbGciOiJFUzI1NiJ9",
        b"eyJhbGciOiJub25lIn0",
        b"e30",
        b"AAAA",
        b"=",
        b"-",
        b"_",
        b"+",
        b"/",
        b"A",
        b"eyJ9",
    ),
    *(
        b"Bearer ",
        b"bearer ",
        b"Basic ",
        b"\n",
        b"dw_aaaaaaaaaaaaa_",
        b"_93ad3e29",
        b"a" * 52,
        b" ",
        b"\xff",
        b"eyJpc3MiOiJhIn0",
    ),
)
_JWK_WORDS: Final = (
    *(
        b'{"kty":"EC"',
        b',"crv":"P-256"',
        b',"x":"',
        b',"y":"',
        b'"}',
        b'{"kty":"OKP","crv":"Ed25519","x":"',
        b'{"kty":"RSA"',
    ),
    *(
        b',"n":"',
        b',"e":"AQAB"',
        b'{"kty":"oct","k":"AA"}',
        b',"alg":"ES256"',
        b',"use":"sig"',
        b',"key_ops":["verify"]',
        b"A" * 43,
    ),
    *(b',"kid":1', b',"d":"AA"', b"null", b"[]"),
)

TARGETS: Final[dict[str, Target]] = {
    "jws": Target(jws, _TOKEN_WORDS, max_bytes=10_000),
    "claims": Target(claims, (*JSON_WORDS, b'"iss":"a"', b'"exp":1e300')),
    "api_key": Target(api_key, _TOKEN_WORDS),
    "authorization": Target(authorization, _TOKEN_WORDS),
    "jwk": Target(jwk, JSON_WORDS + _JWK_WORDS),
}
