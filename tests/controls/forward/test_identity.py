from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.controls.forward import ForwardPolicy, IdentitySigner
from doorward.exchange import Caller, Exchange, Header
from doorward.jose import Expected, PrivateKey, split_unverified, verify_jwt

NOW = 1_700_000_000.0
ALICE = Caller(
    subject="alice",
    kind="user",
    issuer="local",
    roles=frozenset({"reader", "clerk"}),
    scopes=frozenset({"orders:read"}),
    claims={"account_id": "a-1", "iss": "forged", "secret": "not for you"},
)


def read(token: bytes, key: PrivateKey, now: float = NOW, audience: str = "upstream") -> dict[str, object]:
    expected = Expected(
        issuer="doorward", audience=audience, types=frozenset({"doorward-caller+jwt"}), clock_skew_s=0.0
    )
    return dict(verify_jwt(split_unverified(token), key.public, expected, now=now))


def test_the_token_says_who_calls_and_for_how_long(key: PrivateKey) -> None:
    assert read(IdentitySigner(key).token(ALICE, NOW), key) == {
        "iss": "doorward",
        "aud": "upstream",
        "sub": "alice",
        "sub_iss": "local",
        "kind": "user",
        "roles": ["clerk", "reader"],
        "scope": "orders:read",
        "iat": 1_700_000_000,
        "exp": 1_700_000_030,
    }


def test_a_claim_goes_on_only_when_the_policy_names_it_and_never_replaces_ours(key: PrivateKey) -> None:
    policy = ForwardPolicy(identity_claims=["account_id", "iss", "absent"], identity_audience="orders")
    claims = read(IdentitySigner(key, policy).token(ALICE, NOW), key, audience="orders")
    assert (claims["account_id"], claims["iss"]) == ("a-1", "doorward")
    assert "secret" not in claims
    assert "absent" not in claims


def test_a_token_serves_for_half_its_life(key: PrivateKey) -> None:
    signer = IdentitySigner(key)
    first = signer.token(ALICE, NOW)
    assert signer.token(ALICE, NOW + 14.9) is first
    later = signer.token(ALICE, NOW + 15.0)
    assert read(later, key, NOW + 44.0)["exp"] == 1_700_000_045


def test_no_token_outlives_the_proof_it_stands_on(key: PrivateKey) -> None:
    signer = IdentitySigner(key)
    brief = Caller(subject="alice", kind="user", issuer="local", expires_at=NOW + 5)
    assert read(signer.token(brief, NOW), key)["exp"] == NOW + 5


@pytest.mark.parametrize(
    "changed",
    [{"roles": frozenset()}, {"scopes": frozenset()}, {"subject": "bob"}, {"issuer": "other"}, {"kind": "client"}],
)
def test_a_caller_that_changed_gets_a_token_of_its_own(key: PrivateKey, changed: dict[str, object]) -> None:
    signer = IdentitySigner(key)
    facts = {"subject": "alice", "kind": "user", "issuer": "local", "roles": ALICE.roles, "scopes": ALICE.scopes}
    other = Caller(**(facts | changed))  # type: ignore[arg-type]
    assert signer.token(ALICE, NOW) != signer.token(other, NOW)


@given(one=st.text(max_size=5), other=st.text(max_size=5))
def test_two_claims_never_share_a_token(key: PrivateKey, one: str, other: str) -> None:
    signer = IdentitySigner(key, ForwardPolicy(identity_claims=["a"]))
    callers = [Caller(subject="s", kind="user", issuer="i", claims={"a": value}) for value in (one, other)]
    tokens = [signer.token(caller, NOW) for caller in callers]
    assert (tokens[0] == tokens[1]) == (one == other)


def test_nothing_is_said_about_an_anonymous_request(
    make_exchange: Callable[..., Exchange], sent: Callable[..., tuple[bytes, list[Header]]]
) -> None:
    assert "doorward-caller" not in [name.decode() for name, _ in sent(make_exchange())[1]]


def test_the_policy_names_the_field(
    make_exchange: Callable[..., Exchange], sent: Callable[..., tuple[bytes, list[Header]]], key: PrivateKey
) -> None:
    exchange = make_exchange((b"x-gateway-user", b"forged"), caller=ALICE)
    fields = sent(exchange, identity_header="x-gateway-user")[1]
    tokens = [value for name, value in fields if name == b"x-gateway-user"]
    assert [read(token, key)["sub"] for token in tokens] == ["alice"]
