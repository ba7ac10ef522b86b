"""When API keys were last used, written for many at once; and which of them end soon."""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import BindParameter, Float, bindparam, or_, update

from doorward.identity.api_keys import DAY_S, ApiKey
from doorward.store import Store, api_keys

WARN_S: Final = 14 * DAY_S
"""How long before its end a key is warned of, in seconds."""


def note_uses(store: Store, uses: Mapping[str, float]) -> None:
    """Nothing; each key of these ids was used at that time (Unix seconds), unless a later use is known.

    Ids of keys that are gone change nothing.
    """
    if not uses:
        return
    at: BindParameter[float] = bindparam("used_at", type_=Float)
    statement = (
        update(api_keys)
        .where(api_keys.c.id == bindparam("key_id"))
        .where(or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < at))
        .values(last_used_at=at)
    )
    with store.begin() as connection:
        connection.execute(statement, [{"key_id": name, "used_at": used_at} for name, used_at in sorted(uses.items())])


def ending_soon(keys: Iterable[ApiKey], *, now: float, within_s: float = WARN_S) -> list[ApiKey]:
    """The good keys that end within that time and that no later one of their name replaces, soonest first."""
    good = [key for key in keys if key.is_good(now)]
    last: dict[str, float] = {}
    for key in good:
        last[key.name] = max(last.get(key.name, 0.0), key.expires_at)
    ending = [key for key in good if key.expires_at <= now + within_s and key.expires_at == last[key.name]]
    return sorted(ending, key=lambda key: (key.expires_at, key.id))
