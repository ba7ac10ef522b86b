"""Signing keys over time: ID-32 of the reference. The ring decides, the file survives whatever happens to its writer."""

import json
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.identity.lab import CALLBACK, ISSUER, NOW, SECRET, Lab

from doorward.controls.authenticate import LOCAL_AUDIENCE
from doorward.errors import PolicyError
from doorward.identity import sessions
from doorward.identity.app import create_app
from doorward.identity.clients import add_client
from doorward.identity.issuer_key_file import (
    WatchedRing,
    change_ring,
    keep_fresh,
    load_ring,
    publish_next,
    replace_all,
    require_algorithm,
)
from doorward.identity.key_ring import AHEAD_LEAST_S, RETIRED_S, KeyRing, parse_ring
from doorward.identity.oauth import id_tokens
from doorward.identity.tokens import LIFETIME_S
from doorward.jose import (
    Expected,
    JoseError,
    generate_key,
    public_key_from_jwk,
    save_private_keys,
    split_unverified,
    verify_jwt,
)
from doorward.store import Store

DAY = 86_400.0
AHEAD, MONTH = DAY, 30 * DAY
OLD, NEXT = generate_key("ES256"), generate_key("ES256")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    found = tmp_path / "issuer.json"
    save_private_keys(found, [OLD])
    os.utime(found, (NOW, NOW))
    return found


def ids(ring: KeyRing, now: float) -> list[str]:
    return [key.id for key in ring.published(now)]


def test_the_next_key_is_published_before_it_signs_and_the_old_one_until_all_it_signed_is_over() -> None:
    """ID-32."""
    ring = KeyRing.of([OLD], signs_from=NOW).with_new("ES256", signs_from=NOW + AHEAD)
    new = ring.keys[1].key
    assert (ring.signer(NOW), ids(ring, NOW)) == (OLD, [OLD.id, new.id])
    assert ring.signer(NOW + AHEAD - 1) is OLD
    assert (ring.signer(NOW + AHEAD), ids(ring, NOW + AHEAD)) == (new, [new.id, OLD.id])
    assert ids(ring, NOW + AHEAD + RETIRED_S - 1) == [new.id, OLD.id]
    assert ids(ring, NOW + AHEAD + RETIRED_S) == [new.id]


def test_what_is_kept_is_kept_longer_than_anything_lives() -> None:
    longest_development_token_s, skew_s, cached_s = 3_600, 60, 300
    assert max(LIFETIME_S, id_tokens.LIFETIME_S, longest_development_token_s) + skew_s < RETIRED_S
    assert sessions.ABSOLUTE_S + id_tokens.LIFETIME_S < RETIRED_S
    assert cached_s < AHEAD_LEAST_S


def test_before_the_first_key_begins_it_signs_all_the_same() -> None:
    ring = KeyRing.of([OLD], signs_from=NOW)
    assert ring.signer(NOW - DAY) is OLD


def test_of_keys_without_a_date_the_first_signs(path: Path) -> None:
    save_private_keys(path, [OLD, NEXT])
    ring = load_ring(path)
    assert ids(ring, NOW) == [OLD.id, NEXT.id]
    assert ring.signer(NOW + DAY).id == OLD.id  # type: ignore[union-attr]


def test_a_key_is_replaced_at_its_age_and_not_before(path: Path) -> None:
    fresh: Callable[[float], KeyRing] = lambda now: keep_fresh(path, now=now, rotate_s=MONTH, ahead_s=AHEAD)  # noqa: E731
    assert ids(fresh(NOW + MONTH - AHEAD - 1), NOW) == [OLD.id]
    now = NOW + MONTH - AHEAD
    ring = fresh(now)
    first, new = ids(ring, now)
    assert first == OLD.id
    assert ids(fresh(now + 1), now) == ids(ring, now), "one next key is enough"
    assert fresh(now + AHEAD).signer(now + AHEAD).id == new  # type: ignore[union-attr]
    later = fresh(now + AHEAD + RETIRED_S)
    assert [each.key.id for each in later.keys] == [new], "the file forgets what nobody needs"
    assert OLD.jwk()["d"] not in path.read_text()


def test_a_key_is_not_replaced_when_the_policy_says_so(path: Path) -> None:
    assert ids(keep_fresh(path, now=NOW + 400 * DAY, rotate_s=None, ahead_s=AHEAD), NOW) == [OLD.id]


def test_after_a_long_stop_the_next_key_is_still_published_first(path: Path) -> None:
    now = NOW + 365 * DAY
    ring = keep_fresh(path, now=now, rotate_s=MONTH, ahead_s=AHEAD)
    assert ring.signer(now).id == OLD.id  # type: ignore[union-attr]
    assert ring.coming(now, "ES256") is not None


def test_by_hand_one_next_key_at_a_time(path: Path) -> None:
    ring = publish_next(path, now=NOW, ahead_s=AHEAD)
    assert len(ring.published(NOW)) == 2
    with pytest.raises(PolicyError, match="published already"):
        publish_next(path, now=NOW + 1, ahead_s=AHEAD)
    with pytest.raises(PolicyError, match="before it signs"):
        publish_next(path, now=NOW + DAY, ahead_s=AHEAD_LEAST_S - 1)


def test_compromised_keys_are_gone_at_once(path: Path) -> None:
    require_algorithm(path, "RS256", now=NOW)
    ring = replace_all(path, now=NOW)
    assert OLD.id not in ids(ring, NOW)
    assert ring.algorithms == ("ES256", "RS256")
    assert load_ring(path).signer(NOW) is not None


def test_each_algorithm_has_a_line_of_its_own(path: Path) -> None:
    require_algorithm(path, "RS256", now=NOW)
    assert len(require_algorithm(path, "RS256", now=NOW + 1).keys) == 2
    ring = publish_next(path, now=NOW, ahead_s=AHEAD)
    assert [key.algorithm for key in ring.published(NOW)] == ["ES256", "RS256", "ES256", "RS256"]
    assert [key.algorithm for key in ring.access_keys(NOW)] == ["ES256", "ES256"]


def test_of_eight_that_rotate_at_once_one_does(path: Path) -> None:
    def one(_number: int) -> bool:
        try:
            publish_next(path, now=NOW, ahead_s=AHEAD)
        except PolicyError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(one, range(8))) == [False] * 7 + [True]
    assert len(load_ring(path).keys) == 2


class PowerCut(BaseException):
    """The writer is gone from one instruction to the next."""


@pytest.mark.parametrize("step", ["open", "fsync", "replace", "fsync of the directory"])
def test_a_writer_that_dies_leaves_the_old_ring_or_the_new_one(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    count = 0

    def dying(real: Callable[..., Any], at: int) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            if count == at:
                raise PowerCut
            return real(*given, **more)

        return call

    if step == "replace":
        monkeypatch.setattr(Path, "replace", dying(Path.replace, 1))
    elif step == "open":
        monkeypatch.setattr(os, "fdopen", dying(os.fdopen, 1))
    else:
        monkeypatch.setattr(os, "fsync", dying(os.fsync, 1 if step == "fsync" else 2))
    # what a dead process does not do either: clean up behind itself
    monkeypatch.setattr(Path, "unlink", lambda _path, **_given: None)
    with pytest.raises(PowerCut):
        publish_next(path, now=NOW, ahead_s=AHEAD)
    monkeypatch.undo()
    found = load_ring(path)
    assert found.signer(NOW).id == OLD.id  # type: ignore[union-attr]
    assert len(found.keys) == (2 if step == "fsync of the directory" else 1)
    for left in path.parent.iterdir():
        assert stat.S_IMODE(left.stat().st_mode) == 0o600
    replace_all(path, now=NOW)
    assert [each.name for each in path.parent.iterdir()] == ["issuer.json"], "the next writer clears up"


def test_a_file_that_cannot_be_used_leaves_the_ring_that_was(path: Path) -> None:
    watched = WatchedRing(path)
    before = watched.ring
    assert not watched.refresh()
    path.write_text("{")
    with pytest.raises(PolicyError):
        watched.refresh()
    assert watched.ring is before
    assert not watched.refresh(), "one complaint a file"
    save_private_keys(path, [NEXT])
    assert watched.refresh()
    assert ids(watched.ring, NOW) == [NEXT.id]


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"keys": []}', '{"keys": [{"kty": "oct"}]}', json.dumps({"keys": [{**OLD.jwk(), "nbf": "1"}]})],
)
def test_what_is_no_ring_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        parse_ring(text.encode(), undated_from=NOW)


def test_keys_that_others_may_read_are_not_used(path: Path) -> None:
    path.chmod(0o644)
    with pytest.raises(PolicyError, match="read by others"):
        load_ring(path)
    with pytest.raises(PolicyError, match="no key"):
        load_ring(path.with_name("none.json"))
    with pytest.raises(PolicyError):
        change_ring(path, lambda ring: ring)


class Rotating(Lab):
    """A provider whose ring is the one in a file."""

    def __init__(self, store: Store, path: Path) -> None:
        self.path = path
        super().__init__(store)

    def made_app(self) -> Any:
        return create_app(
            self.store, lambda: load_ring(self.path), self.settings, secret=SECRET, clock=lambda: self.now
        )

    def jwks(self) -> dict[str, Any]:
        keys = self.ask("GET", "/oauth/jwks").json()["keys"]
        return {jwk["kid"]: public_key_from_jwk(jwk) for jwk in keys}

    def is_good(self, text: str, audience: str = LOCAL_AUDIENCE, typ: str = "at+jwt") -> bool:
        """Whether a party that fetches the published keys now takes the token."""
        token = split_unverified(text)
        key = self.jwks().get(token.jws.key_id)
        expected = Expected(issuer=ISSUER, audience=audience, types=frozenset({typ}), clock_skew_s=0.0)
        try:
            return key is not None and verify_jwt(token, key, expected, now=self.now) is not None
        except JoseError:
            return False


def test_over_a_rotation_no_token_is_refused_before_its_time(store: Store, path: Path) -> None:
    """ID-32, as others see it."""
    lab = Rotating(store, path)
    publish_next(path, now=lab.now, ahead_s=AHEAD)
    seen_before = lab.jwks()
    lab.now = NOW + AHEAD - 1
    old = lab.tokens()["access_token"]
    lab.now = NOW + AHEAD
    new = lab.tokens()["access_token"]
    old_id, new_id = (split_unverified(text).jws.key_id for text in (old, new))
    assert old_id != new_id
    assert new_id in seen_before, "who has kept the set since then knows the new key"
    lab.now += LIFETIME_S - 2
    assert (lab.is_good(old), lab.is_good(new)) == (True, True)
    answer = lab.ask("GET", "/oauth/userinfo", headers={"authorization": f"Bearer {old}"})
    assert answer.status_code == 200
    lab.now += RETIRED_S
    assert list(lab.jwks()) == [new_id]


def test_after_a_compromise_the_old_tokens_are_void(store: Store, path: Path) -> None:
    lab = Rotating(store, path)
    old = lab.tokens()["access_token"]
    replace_all(path, now=lab.now)
    assert not lab.is_good(old)
    assert lab.ask("GET", "/oauth/userinfo", headers={"authorization": f"Bearer {old}"}).status_code == 401
    assert lab.is_good(lab.tokens()["access_token"])


def test_a_client_registered_for_rs256_gets_its_id_tokens_so_and_nothing_else(store: Store, path: Path) -> None:
    """A2 of the reference."""
    lab = Rotating(store, path)
    assert lab.ask("GET", "/.well-known/openid-configuration").json()["id_token_signing_alg_values_supported"] == [
        "ES256"
    ]
    _, lab.secrets["old"] = add_client(
        store, "old", now=NOW, scopes=["offline_access"], redirect_uris=[CALLBACK], id_token_algorithm="RS256"
    )
    code = lab.code("old", scope="openid offline_access")
    assert lab.redeem(code, "old").json()["error"] == "server_error", "no key of that kind: no other kind instead"
    require_algorithm(path, "RS256", now=NOW)
    tokens = lab.tokens("old", scope="openid offline_access")
    again = lab.refresh(tokens["refresh_token"], "old").json()
    for body in (tokens, again):
        assert split_unverified(body["id_token"]).jws.algorithm == "RS256"
        assert lab.is_good(body["id_token"], "old", "jwt")
        assert split_unverified(body["access_token"]).jws.algorithm == "ES256"
    assert lab.ask("GET", "/.well-known/openid-configuration").json()["id_token_signing_alg_values_supported"] == [
        "ES256",
        "RS256",
    ]


def test_a_ring_survives_being_written() -> None:
    ring = KeyRing.of([OLD], signs_from=NOW).with_new("EdDSA", signs_from=NOW + 1)
    again = parse_ring(ring.text().encode(), undated_from=0.0)
    assert [(each.key.id, each.signs_from) for each in again.keys] == [
        (each.key.id, each.signs_from) for each in ring.keys
    ]
    assert replace(again.keys[0], signs_from=5.0).signs_from == 5.0
