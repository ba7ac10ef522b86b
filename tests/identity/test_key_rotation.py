from concurrent.futures import ThreadPoolExecutor

import pytest

from doorward.errors import PolicyError
from doorward.identity.api_keys import DAY_S, LIFETIME_MOST_S, add_api_key, list_api_keys, revoke_api_key
from doorward.identity.key_rotation import OVERLAP_MOST_S, rotate_api_key
from doorward.identity.key_uses import ending_soon, note_uses
from doorward.store import Store

NOW = 1_800_000_000.0
HOUR_S = 3600.0


def test_a_new_key_gives_what_the_old_one_gave_and_both_are_good_for_the_overlap(store: Store) -> None:
    old, old_key = add_api_key(
        store,
        "partner",
        now=NOW,
        roles=["reader"],
        scopes=["orders:read"],
        claims={"account_id": "a-1"},
        networks=["10.0.0.0/8"],
        lifetime_s=30 * DAY_S,
    )
    done = rotate_api_key(store, "partner", now=NOW + DAY_S, overlap_s=24 * HOUR_S)
    new = done.new
    assert (new.name, new.roles, new.scopes, new.claims, new.networks) == (
        old.name,
        old.roles,
        old.scopes,
        old.claims,
        old.networks,
    )
    assert (new.created_at, new.expires_at) == (NOW + DAY_S, NOW + 31 * DAY_S)
    assert [(each.id, each.expires_at) for each in done.old] == [(old.id, NOW + 2 * DAY_S)]
    assert done.key != old_key
    assert done.key not in repr(done)


def test_an_overlap_never_lets_a_key_live_longer(store: Store) -> None:
    old, _ = add_api_key(store, "partner", now=NOW, lifetime_s=HOUR_S)
    assert rotate_api_key(store, old.id, now=NOW, overlap_s=24 * HOUR_S).old[0].expires_at == NOW + HOUR_S


def test_by_name_all_good_keys_are_replaced_by_one_and_by_id_only_that_one(store: Store) -> None:
    first, _ = add_api_key(store, "partner", now=NOW)
    second, _ = add_api_key(store, "partner", now=NOW + 1, roles=["newest"])
    assert [each.id for each in rotate_api_key(store, first.id, now=NOW + 2, overlap_s=HOUR_S).old] == [first.id]
    done = rotate_api_key(store, "partner", now=NOW + 3, overlap_s=0)
    assert second.id in {each.id for each in done.old}
    good = [key.id for key in list_api_keys(store) if key.is_good(NOW + 3)]
    assert good == [done.new.id], "without an overlap the old ones end at once"


def test_what_is_revoked_expired_or_unknown_is_not_replaced(store: Store) -> None:
    revoked, _ = add_api_key(store, "revoked", now=NOW)
    revoke_api_key(store, revoked.id, now=NOW)
    expired, _ = add_api_key(store, "expired", now=NOW - 2 * HOUR_S, lifetime_s=HOUR_S)
    for name in (revoked.id, "revoked", expired.id, "nobody"):
        with pytest.raises(PolicyError, match="no good key"):
            rotate_api_key(store, name, now=NOW, overlap_s=HOUR_S)
    assert len(list_api_keys(store)) == 2


def test_of_many_rotations_at_once_each_replaces_what_the_one_before_it_made(store: Store) -> None:
    add_api_key(store, "partner", now=NOW)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: rotate_api_key(store, "partner", now=NOW + 1, overlap_s=0), range(8)))
    good = [key.id for key in list_api_keys(store) if key.is_good(NOW + 1)]
    assert len(good) == 1
    assert good[0] in {each.new.id for each in made}


@pytest.mark.parametrize("overlap_s", [-1, OVERLAP_MOST_S + 1])
def test_an_overlap_has_bounds(store: Store, overlap_s: float) -> None:
    add_api_key(store, "partner", now=NOW)
    with pytest.raises(PolicyError, match="30 days"):
        rotate_api_key(store, "partner", now=NOW, overlap_s=overlap_s)


def test_a_lifetime_of_the_new_key_may_be_said_and_is_bounded(store: Store) -> None:
    add_api_key(store, "partner", now=NOW)
    done = rotate_api_key(store, "partner", now=NOW, overlap_s=HOUR_S, lifetime_s=HOUR_S)
    assert done.new.expires_at == NOW + HOUR_S
    with pytest.raises(PolicyError, match="366"):
        rotate_api_key(store, done.new.id, now=NOW, overlap_s=HOUR_S, lifetime_s=LIFETIME_MOST_S + 1)
    assert [key.expires_at for key in list_api_keys(store) if key.id == done.new.id] == [NOW + HOUR_S]


def test_the_latest_use_is_kept_whatever_the_order(store: Store) -> None:
    key, _ = add_api_key(store, "partner", now=NOW)
    other, _ = add_api_key(store, "other", now=NOW)
    note_uses(store, {key.id: NOW + 5, "gone": NOW})
    note_uses(store, {key.id: NOW + 3})
    note_uses(store, {})
    assert {each.id: each.last_used_at for each in list_api_keys(store)} == {key.id: NOW + 5, other.id: None}


def test_a_key_is_warned_of_unless_another_one_of_its_name_outlives_it(store: Store) -> None:
    ending, _ = add_api_key(store, "ending", now=NOW, lifetime_s=3 * DAY_S)
    add_api_key(store, "replaced", now=NOW, lifetime_s=3 * DAY_S)
    add_api_key(store, "replaced", now=NOW)
    revoked, _ = add_api_key(store, "revoked", now=NOW, lifetime_s=3 * DAY_S)
    revoke_api_key(store, revoked.id, now=NOW)
    assert [key.id for key in ending_soon(list_api_keys(store), now=NOW)] == [ending.id]
    assert ending_soon(list_api_keys(store), now=NOW, within_s=2 * DAY_S) == []
    assert ending_soon(list_api_keys(store), now=NOW + 3 * DAY_S) == []
