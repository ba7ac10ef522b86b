import zlib
from typing import Any

import pytest

from doorward.controls.authenticate.key_format import api_key_id, make_api_key


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
        assert door.code(header(door.API_KEY), address=address) == "authenticate.api_key"


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
