import hashlib
import zlib
from typing import Any

import pytest

from doorward.controls.authenticate.key_format import api_key_id, make_api_key
from doorward.operation import SecurityScheme


def header(key: str) -> tuple[str, str]:
    return ("X-Api-Key", key)


def test_a_known_key_proves_its_caller(door: Any) -> None:
    caller = door.ask(header(door.API_KEY)).caller
    assert (caller.subject, caller.kind, caller.credential_id) == ("partner", "api_key", door.KEY_ID)
    assert (caller.roles, caller.scopes) == ({"reader"}, {"orders:read"})
    assert caller.claims == {"account_id": "a-1"}


def test_the_secret_is_in_no_representation(door: Any) -> None:
    secret = door.API_KEY.split("_")[2]
    assert secret not in repr(door.ask(header(door.API_KEY)).caller)
    assert secret not in str(door.denied(header(door.API_KEY), now=door.NOW + 600))


def test_a_key_works_until_it_expires(door: Any) -> None:
    assert door.ask(header(door.API_KEY), now=door.NOW + 599.9)
    assert door.code(header(door.API_KEY), now=door.NOW + 600) == "authenticate.api_key"


def test_a_revoked_key_is_refused_from_the_next_snapshot_on(door: Any) -> None:
    door.ask(header(door.API_KEY))
    door.credentials.apply(door.data(api_keys=[door.key_record(revoked=True)]))
    assert door.code(header(door.API_KEY)) == "authenticate.api_key"


def test_a_removed_key_is_refused(door: Any) -> None:
    door.credentials.apply(door.data(api_keys=[]))
    assert door.code(header(door.API_KEY)) == "authenticate.api_key"


def test_another_secret_under_a_known_id_is_refused(door: Any) -> None:
    assert door.code(header(make_api_key(b"12345678", b"t" * 32)[1])) == "authenticate.api_key"


@pytest.mark.parametrize(
    "change", [str.upper, lambda key: key[:-1], lambda key: key + "0", lambda key: "", lambda key: key[3:]]
)
def test_a_mistyped_key_is_refused(door: Any, change: Any) -> None:
    assert door.code(header(change(door.API_KEY))) == "authenticate.api_key"


def test_two_keys_are_ambiguous(door: Any) -> None:
    assert door.code(header(door.API_KEY), header(door.API_KEY)) == "authenticate.api_key"


@pytest.mark.parametrize(
    ("address", "passes"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("10.2.0.1", False), ("2001:db8::1", True), ("", False)],
)
def test_a_key_bound_to_networks_works_from_there_only(door: Any, address: str, passes: bool) -> None:
    door.credentials.apply(door.data(api_keys=[door.key_record(networks=["10.1.0.0/16", "2001:db8::/32"])]))
    if passes:
        assert door.ask(header(door.API_KEY), address=address)
    else:
        assert door.code(header(door.API_KEY), address=address) == "authenticate.key_address"


def test_where_a_key_may_be_used_only_its_holder_learns(door: Any) -> None:
    door.credentials.apply(door.data(api_keys=[door.key_record(networks=["10.1.0.0/16"])]))
    wrong = make_api_key(b"12345678", b"t" * 32)[1]
    assert door.code(header(wrong)) == "authenticate.api_key"
    door.credentials.apply(door.data(api_keys=[door.key_record(networks=["10.1.0.0/16"], revoked=True)]))
    assert door.code(header(door.API_KEY)) == "authenticate.api_key"


def test_a_use_is_noted_and_a_refusal_is_none(door: Any) -> None:
    for change in ({"revoked": True}, {"networks": ["10.0.0.0/8"]}, {"expires_at": 1.0}):
        door.credentials.apply(door.data(api_keys=[door.key_record(**change)]))
        door.denied(header(door.API_KEY))
    assert door.credentials.used_keys == {}
    door.credentials.apply(door.data())
    door.ask(header(door.API_KEY), now=door.NOW + 5)
    door.ask(header(door.API_KEY), now=door.NOW + 9)
    assert door.credentials.used_keys == {door.KEY_ID: door.NOW + 9}


def test_a_key_comes_in_any_header_the_policy_lists_and_in_one_only(door: Any) -> None:
    door.policy = door.policy.model_copy(update={"more_api_key_headers": ("apikey", "x-auth-token")})
    for name in ("X-Api-Key", "ApiKey", "X-Auth-Token"):
        assert door.ask((name, door.API_KEY)).caller.subject == "partner"
    assert door.code(("Token", door.API_KEY)) == "authenticate.missing"
    assert door.code(header(door.API_KEY), ("ApiKey", door.API_KEY)) == "authenticate.api_key"
    assert door.code(header(door.API_KEY), ("ApiKey", "another")) == "authenticate.api_key"


def test_a_scheme_of_the_description_takes_the_listed_headers_too(door: Any) -> None:
    scheme = SecurityScheme(name="k", kind="apiKey", location="header", parameter="Partner-Key")
    door.security = ({scheme: ()},)
    door.policy = door.policy.model_copy(update={"more_api_key_headers": ("apikey",)})
    for name in ("Partner-Key", "apikey"):
        assert door.ask((name, door.API_KEY)).caller.subject == "partner"
    assert door.code(header(door.API_KEY)) == "authenticate.missing"


def foreign(door: Any, key: str, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = door.key_record(
        id="foreign", hash=hashlib.sha256(key.encode()).hexdigest(), form="sha256", prefix="", subject="shop", **changes
    )
    return made


def test_a_foreign_key_expires_and_is_bound_to_networks_like_ours(door: Any) -> None:
    key = "a" * 40
    for change, code in (
        ({"revoked": True}, "authenticate.api_key"),
        ({"expires_at": 1.0}, "authenticate.api_key"),
        ({"networks": ["10.0.0.0/8"]}, "authenticate.key_address"),
    ):
        door.credentials.apply(door.data(api_keys=[foreign(door, key, **change)]))
        assert door.code(header(key)) == code
    door.credentials.apply(door.data(api_keys=[foreign(door, key)]))
    assert door.ask(header(key)).caller.subject == "shop"
    assert "foreign" in door.credentials.used_keys


def test_a_foreign_key_that_looks_like_ours_is_looked_up_as_ours_only(door: Any) -> None:
    door.credentials.apply(door.data(api_keys=[foreign(door, door.API_KEY)]))
    assert door.code(header(door.API_KEY)) == "authenticate.api_key"


def test_a_foreign_key_is_hashed_up_to_512_bytes(door: Any) -> None:
    records = [foreign(door, "k" * length) for length in (512, 513)]
    door.credentials.apply(door.data(api_keys=[{**each, "id": str(n)} for n, each in enumerate(records)]))
    assert door.ask(header("k" * 512)).caller.subject == "shop"
    assert door.code(header("k" * 513)) == "authenticate.api_key"


def test_every_slip_of_one_character_is_caught_by_the_checksum(door: Any) -> None:
    key = door.API_KEY
    body = range(3, len(key) - 9)
    slips = [key[:place] + ("b" if key[place] != "b" else "c") + key[place + 1 :] for place in body]
    assert {api_key_id(slip.encode()) for slip in slips} == {None}


def test_a_checksum_alone_opens_nothing(door: Any) -> None:
    body = door.API_KEY.rpartition("_")[0].replace("dw_", "xx_")
    assert api_key_id(f"{body}_{zlib.crc32(body.encode()):08x}".encode()) is None


@pytest.mark.parametrize(("id_bytes", "secret_bytes"), [(b"", b"s" * 32), (b"12345678", b"s" * 31)])
def test_a_key_of_less_randomness_cannot_be_made(id_bytes: bytes, secret_bytes: bytes) -> None:
    with pytest.raises(ValueError, match="random bytes"):
        make_api_key(id_bytes, secret_bytes)


def test_a_key_that_was_made_elsewhere_is_refused_in_the_clear(door: Any) -> None:
    key = "a" * 40
    door.credentials.apply(door.data(api_keys=[foreign(door, key), door.key_record()]))
    assert door.code(header(key), scheme="http") == "authenticate.api_key"
    assert door.ask(header(key)).caller.subject == "shop"
    assert door.ask(header(door.API_KEY), scheme="http").caller.subject == "partner"
