"""API keys replaced without an outage: the new one is good at once, the old one for as long as its holder was given."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select, update

from doorward.errors import Missing, PolicyError
from doorward.identity import events
from doorward.identity.api_keys import (
    DAY_S,
    LIFETIME_MOST_S,
    ApiKey,
    api_key_of,
    get_api_key,
    insert_new_key,
    key_row,
)
from doorward.store import Store, api_keys

OVERLAP_MOST_S: Final = 30 * DAY_S
"""Longest time that old and new are both good, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A key that took the place of others."""

    new: ApiKey
    key: str
    """The new key itself, which can be had only now."""
    old: tuple[ApiKey, ...]
    """Those it replaces, with the time at which they now end."""

    def __repr__(self) -> str:
        return f"Rotation(new={self.new.id!r}, key=****, old={[each.id for each in self.old]!r})"


def rotate_api_key(
    store: Store, name_or_id: str, *, now: float, overlap_s: float, lifetime_s: float | None = None
) -> Rotation:
    """A new key that gives what the newest old one gives, lives as long, and may be used from the same networks.

    The old ones (all good keys of a name, or the one of that id) end when `overlap_s` seconds are over, or earlier, as
    they would have anyway. Errors: PolicyError when there is no good key of that name or id, or for an overlap of over
    30 days.
    """
    if not 0 <= overlap_s <= OVERLAP_MOST_S:
        raise PolicyError("old and new overlap for up to 30 days", key="overlap", hint="24h")
    with store.begin() as connection:
        old = _shortened(connection, name_or_id, now, now + overlap_s)
        if not old:
            raise Missing(f"there is no good key {name_or_id!r}", key="key", hint="doorward key list")
        newest = max(old, key=lambda row: row["created_at"])
        granted = key_row(
            newest["name"],
            now=now,
            roles=newest["roles"],
            scopes=newest["scopes"],
            claims=newest["claims"],
            networks=newest["networks"],
            lifetime_s=_lifetime_s(newest) if lifetime_s is None else lifetime_s,
        )
        new_id, key = insert_new_key(connection, granted)
        ended = {row["id"]: min(row["expires_at"], now + overlap_s) for row in old}
        events.record(connection, "key.rotated", newest["name"], now=now, key=new_id, old=ended)
    replaced = tuple(get_api_key(store, row["id"]) for row in old)
    return Rotation(new=get_api_key(store, new_id), key=key, old=replaced)


def _shortened(connection: Connection, name_or_id: str, now: float, until: float) -> list[dict[str, Any]]:
    """The good keys as they were, which from now on end at `until`."""
    chosen = (api_keys.c.id == name_or_id) | (api_keys.c.name == name_or_id)
    # Written before it is read: of two rotations at once the second one replaces what the first one made.
    connection.execute(update(api_keys).where(chosen).values(name=api_keys.c.name))
    query = select(api_keys).where(chosen).order_by(api_keys.c.id)
    good = [row for row in connection.execute(query) if api_key_of(row).is_good(now)]
    for row in good:
        ends_at = min(row.expires_at, until)
        connection.execute(update(api_keys).where(api_keys.c.id == row.id).values(expires_at=ends_at))
    return [dict(row._mapping) for row in good]  # noqa: SLF001 - the public name of a row's mapping


def _lifetime_s(row: dict[str, Any]) -> float:
    return min(float(row["expires_at"]) - float(row["created_at"]), LIFETIME_MOST_S)
