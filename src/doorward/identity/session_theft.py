"""A session's cookie in other hands: what shows it, and what is done then.

Two things do not happen to a cookie that its owner alone has: another kind of browser shows it, or it is shown some
time after it was replaced. Whoever does so has to sign in; at the second time the session ends for everybody, with the
tokens that came of it. A new version of the browser, another network, both kinds of addresses in turn say nothing:
telephones do all of this the whole day.
Source: OWASP ASVS 5.0 V7.4; CWE-384, CWE-613.
"""

from typing import Final

from sqlalchemy import select, update

from doorward.identity import events
from doorward.identity.oauth.families import end_families
from doorward.identity.sessions import end_session, hash_of, valid
from doorward.store import Store, sessions, token_families

SIGNS_MOST: Final = 2
"""Signs of theft that end a session."""
LATE_S: Final = 30.0
"""How long after its replacement a cookie may still arrive, in seconds: other tabs, requests under way."""
_SYSTEMS: Final = ("Android", "iPhone", "iPad", "Windows", "Macintosh", "CrOS", "Linux")
_PRODUCTS: Final = ("Edg", "OPR/", "SamsungBrowser", "FxiOS", "Firefox", "CriOS", "Chrome", "Safari")


def kind_of(agent: str) -> tuple[str, str]:
    """System and product of a `User-Agent`, without versions. The first word of the lists that is in it counts."""
    system = next((name for name in _SYSTEMS if name in agent), "")
    product = next((name for name in _PRODUCTS if name in agent), "")
    return system, product or agent.partition("/")[0]


def note_other_browser(store: Store, session_id: str, *, now: float, address: str) -> None:
    """Nothing; a browser of another kind showed the cookie of this session."""
    _note(store, session_id, "browser", now=now, address=address)


def note_replaced(store: Store, cookie: str, *, now: float, address: str) -> None:
    """Nothing; should this be the cookie that a session had before its present one, somebody kept it."""
    replaced = (sessions.c.hash_before == hash_of(cookie)) & (sessions.c.renewed_at < now - LATE_S)
    with store.begin() as connection:
        found = connection.execute(select(sessions.c.id).where(replaced)).scalar()
    if found is not None:
        _note(store, found, "replaced", now=now, address=address)


def _note(store: Store, session_id: str, sign: str, *, now: float, address: str) -> None:
    with store.begin() as connection:
        row = connection.execute(
            update(sessions)
            .where(sessions.c.id == session_id, *valid(now))
            .values(signs=sessions.c.signs + 1)
            .returning(sessions.c.id, sessions.c.user, sessions.c.signs)
        ).one_or_none()
        if row is None:
            return
        events.record(connection, "session.stolen", row.user, now=now, address=address, session=row.id, sign=sign)
        if row.signs >= SIGNS_MOST:
            end_session(connection, row.user, row.id, now=now)
            end_families(connection, token_families.c.session == row.id, now=now)
