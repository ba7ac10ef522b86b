"""What a stranger can put into one request to the provider: twice as much costs at most twice, or is refused by counting.

Counted are lines of Python run, of libraries too: no load on the machine disturbs them. Work that C does for a line is
bounded by the size of what comes: heads of 16 KiB, forms of 8 KiB, documents of 16 KiB, tokens of 8 KiB.
"""

import base64
import contextlib
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request

from doorward.controls.limits import LimitsPolicy
from doorward.controls.transport import TransportPolicy
from doorward.denial import Denied
from doorward.exchange import Headers
from doorward.gateway.request_head import HeadReader
from doorward.identity.client_auth import client_credentials
from doorward.identity.forms import FORM_BYTES, FORM_FIELDS, parse_fields, unique
from doorward.identity.oauth_errors import OAuthError
from doorward.jose import JoseError, encode_segment, public_key_from_jwk, split_unverified
from doorward.jose.keys import RSA_EXPONENT_BITS_MOST
from doorward.jose.proofs import split_proof

SMALL = 200
FIXED = 60
"""Lines that a longer input may cost more, whatever its length: a refusal that is built, a cache that is filled."""


def lines(run: Callable[[], object]) -> int:
    count = 0

    def trace(_frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.suppress(Denied, OAuthError, JoseError):
            run()
    finally:
        sys.settrace(previous)
    return count


def headers(*fields: tuple[str, str]) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in fields]
    return Request({"type": "http", "headers": raw, "query_string": b"", "path": "/", "method": "GET"})


def read_head(fields: bytes) -> object:
    return HeadReader().read(b"GET /a HTTP/1.1\r\nhost: a\r\n" + fields + b"\r\n")


def forwarded(hops: int) -> object:
    proxies = TransportPolicy(trusted_proxies=("10.0.0.0/8",)).proxies()
    assert proxies is not None
    value = b", ".join(b"10.0.%d.%d" % (n // 250, n % 250) for n in range(hops))
    return proxies.client_address("10.9.9.9", Headers([(b"x-forwarded-for", value)]))


WAYS: dict[str, Callable[[int], object]] = {
    "fields of a form": lambda n: unique(parse_fields("&".join(f"f{i}=1" for i in range(n)).encode())),
    "one field again and again": lambda n: unique(parse_fields(b"a=1&" * n)),
    "percents": lambda n: parse_fields(b"a=" + b"%41" * n),
    "broken percents": lambda n: parse_fields(b"a=" + b"%zz" * n),
    "words of a scope": lambda n: sorted(set(parse_fields(b"scope=" + b"+a" * n)[0][1].split(" "))),
    "cookies": lambda n: headers(("cookie", "; ".join(f"c{i}=1" for i in range(n)))).cookies,
    "cookies without values": lambda n: headers(("cookie", ";" * n)).cookies,
    "quoted cookies": lambda n: headers(("cookie", 'a="' + "\\" * n)).cookies,
    "fields of a head": lambda n: read_head(b"".join(b"x-%d: y\r\n" % i for i in range(n))),
    "entity tags": lambda n: read_head(b"if-match: " + b'"a", ' * n + b"\r\n"),
    "proxies": forwarded,
    "Basic": lambda n: client_credentials(["Basic " + base64.b64encode(b"a:" + b"%" * n).decode()], {}),
    "Authorization again and again": lambda n: client_credentials(["Basic YTpi"] * n, {}),
    "header of an assertion": lambda n: split_unverified(
        encode_segment(b'{"a":"' + b"x" * n + b'"}').decode() + ".e30.AA"
    ),
    "depth of an assertion": lambda n: split_unverified(encode_segment(b"[" * n).decode() + ".e30.AA"),
    "dots of an assertion": lambda n: split_unverified("." * n),
    "header of a proof": lambda n: split_proof(
        encode_segment(b'{"typ":"dpop+jwt","a":"' + b"x" * n + b'"}') + b".e30.AA"
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_twice_as_much_costs_at_most_twice(way: str) -> None:
    attack = WAYS[way]
    lines(lambda: attack(SMALL))  # what is built once is not counted
    once, twice = (lines(partial(attack, size)) for size in (4 * SMALL, 8 * SMALL))
    assert twice <= 2 * once + FIXED


def test_beyond_its_bounds_a_form_is_refused_by_counting() -> None:
    cost = [lines(partial(parse_fields, b"a=1&" * n)) for n in (FORM_FIELDS + 1, FORM_BYTES // 4, 10 * FORM_BYTES)]
    assert max(cost[1:]) <= cost[0] + FIXED


def test_a_head_has_no_more_fields_than_the_gateway_s() -> None:
    assert LimitsPolicy().header_count <= 100
    assert LimitsPolicy().head_bytes <= 16 * 1024


def jwk(exponent: int, bits: int = 3072) -> dict[str, str]:
    modulus = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n
    modulus |= 1 << (bits - 1)

    def encoded(number: int) -> str:
        return encode_segment(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()

    return {"kty": "RSA", "alg": "PS256", "n": encoded(modulus), "e": encoded(exponent)}


@pytest.mark.parametrize("bits", [RSA_EXPONENT_BITS_MOST + 1, 2048, 3000])
def test_a_key_that_takes_long_to_verify_with_is_none(bits: int) -> None:
    """With an exponent as long as the modulus each signature costs 80 times as much; a proof brings a key of its own."""
    with pytest.raises(JoseError, match="exponent"):
        public_key_from_jwk(jwk((1 << (bits - 1)) | 1), ["PS256"])


@pytest.mark.parametrize("exponent", [3, 65_537, (1 << (RSA_EXPONENT_BITS_MOST - 1)) | 1])
def test_keys_as_they_are_made_are_taken(exponent: int) -> None:
    assert public_key_from_jwk(jwk(exponent), ["PS256"]).algorithm == "PS256"


@pytest.mark.parametrize("bits", [1024, 8193, 16_384, 65_536])
def test_a_key_of_an_extreme_size_is_none(bits: int) -> None:
    with pytest.raises(JoseError, match="bits is outside"):
        public_key_from_jwk(
            {**jwk(65_537), "n": encode_segment((1 << (bits - 1) | 1).to_bytes(bits // 8 + 1, "big")).decode()},
            ["PS256"],
        )
