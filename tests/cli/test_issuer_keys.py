"""`doorward key rotate-issuer`, `doorward key list-issuer`, `doorward client add --id-token-alg`."""

from pathlib import Path

import pytest
from tests.cli.test_callers import DEVELOPMENT, Place

from doorward.errors import PolicyError
from doorward.jose import split_unverified


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_next_key_is_told_with_its_times(place: Place) -> None:
    (before,) = place.json("key", "list-issuer")
    assert (before["id"], before["signs_now"], before["signs_until"]) == (place.signing_key.id, True, None)
    old, new = place.json("key", "rotate-issuer", "--ahead", "2h")
    assert (old["id"], old["signs_now"], new["signs_now"]) == (place.signing_key.id, True, False)
    assert old["signs_until"] == new["signs_from"]
    assert new["id"] in place.run("key", "list-issuer").stdout
    with pytest.raises(PolicyError, match="published already"):
        place.run("key", "rotate-issuer")


def test_compromised_keys_sign_no_more(place: Place) -> None:
    place.write(DEVELOPMENT)
    place.run("user", "add", "alice", stdin="correct horse battery staple\n" * 2)
    (new,) = place.json("key", "rotate-issuer", "--compromised")
    assert new["id"] != place.signing_key.id
    token = place.run("token", "--user", "alice").stdout.strip()
    assert split_unverified(token).jws.key_id == new["id"]


@pytest.mark.parametrize("words", [("--ahead", "30m"), ("--ahead", "2h", "--compromised"), ("--ahead", "soon")])
def test_what_cannot_be_is_said(place: Place, words: tuple[str, ...]) -> None:
    with pytest.raises(PolicyError):
        place.run("key", "rotate-issuer", *words)
    assert len(place.json("key", "list-issuer")) == 1


def test_a_client_that_needs_another_algorithm_brings_its_key(place: Place) -> None:
    client = place.json("client", "add", "old", "--id-token-alg", "RS256")
    assert client["id_token_algorithm"] == "RS256"
    assert [each["algorithm"] for each in place.json("key", "list-issuer")] == ["ES256", "RS256"]
    with pytest.raises(PolicyError, match="not an algorithm"):
        place.run("client", "add", "worse", "--id-token-alg", "HS256")
