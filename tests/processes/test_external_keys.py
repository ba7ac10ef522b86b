import asyncio
import json
from collections.abc import Sequence

import pytest

from doorward.controls.authenticate import IssuerPolicy
from doorward.gateway.external_keys import FETCH_EVERY_S, KEEP_S, ExternalKeys, parse_key_set
from doorward.jose import KEY_COUNT, generate_key, public_jwks
from doorward.outbound import OutboundClient, OutboundRefused

ISSUER = IssuerPolicy(issuer="https://login.example/", audience="orders", jwks_url="https://login.example/jwks")
KEY, NEXT = generate_key("ES256"), generate_key("EdDSA")


def key_set(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


GOOD = json.dumps(public_jwks([KEY])).encode()


class Scripted(OutboundClient):
    """Answers one fetch after the other; an answer of None is a failure."""

    def __init__(self, answers: Sequence[bytes | None]) -> None:
        super().__init__()
        object.__setattr__(self, "answers", iter(answers))

    async def get(self, url: str, *, accept: str = "application/json") -> bytes:
        answer: bytes | None = next(self.answers)  # type: ignore[attr-defined]
        if answer is None:
            raise OutboundRefused(f"{url} does not answer")
        return answer


def fetched(answers: Sequence[bytes | None], times: Sequence[float]) -> ExternalKeys:
    keys = ExternalKeys(Scripted(answers))
    for now in times:
        asyncio.run(keys.refresh([ISSUER], now))
    return keys


def ids(keys: ExternalKeys, now: float) -> list[str]:
    return [str(jwk["kid"]) for jwk in keys.current([ISSUER], now)[ISSUER.issuer]]


def test_the_keys_of_an_issuer_are_fetched_and_believed() -> None:
    assert ids(fetched([GOOD], [1000.0]), 1000.0) == [KEY.id]


def test_an_issuer_is_asked_once_a_minute_at_most() -> None:
    """ID-31 of the reference."""
    after = json.dumps(public_jwks([NEXT])).encode()
    assert ids(fetched([GOOD], [1000.0, 1000.0 + FETCH_EVERY_S - 1]), 1060.0) == [KEY.id]
    assert ids(fetched([GOOD, after], [1000.0, 1000.0 + FETCH_EVERY_S]), 1060.0) == [NEXT.id]


def test_an_issuer_that_fails_is_not_asked_more_often() -> None:
    assert ids(fetched([None], [1000.0, 1001.0]), 1001.0) == []


@pytest.mark.parametrize("bad", [None, b"", b"[]", b"{}", b'{"keys":[]}', b'{"keys":[1]}', b"\xff", b"{" * 100_000])
def test_the_last_good_keys_stay_when_the_issuer_fails_or_answers_nonsense(bad: bytes | None) -> None:
    assert ids(fetched([GOOD, bad], [1000.0, 1100.0]), 1100.0) == [KEY.id]


def test_the_last_good_keys_are_believed_for_a_day_and_no_longer() -> None:
    keys = fetched([GOOD], [1000.0])
    assert ids(keys, 1000.0 + KEEP_S) == [KEY.id]
    assert ids(keys, 1001.0 + KEEP_S) == []


def test_a_private_part_never_goes_further() -> None:
    (kept,) = parse_key_set(key_set(KEY.jwk()), ISSUER)
    assert "d" not in kept


def test_a_weak_or_foreign_key_is_left_out_and_the_good_ones_stay() -> None:
    shared = {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}
    kept = parse_key_set(key_set(shared, *public_jwks([KEY])["keys"]), ISSUER)
    assert [jwk["kid"] for jwk in kept] == [KEY.id]


def test_a_set_without_one_usable_key_is_refused() -> None:
    with pytest.raises(OutboundRefused, match="no usable key"):
        parse_key_set(key_set({"kty": "oct", "k": "c2VjcmV0"}), ISSUER)


def test_a_set_with_too_many_keys_is_refused() -> None:
    one = public_jwks([KEY])["keys"][0]
    parse_key_set(key_set(*[one] * KEY_COUNT), ISSUER)
    with pytest.raises(OutboundRefused, match="more than"):
        parse_key_set(key_set(*[one] * (KEY_COUNT + 1)), ISSUER)


def test_an_algorithm_the_policy_does_not_name_is_left_out() -> None:
    narrow = ISSUER.model_copy(update={"algorithms": ("EdDSA",)})
    kept = parse_key_set(json.dumps(public_jwks([KEY, NEXT])).encode(), narrow)
    assert [jwk["kid"] for jwk in kept] == [NEXT.id]
