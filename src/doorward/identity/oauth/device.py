"""Devices without a browser: asked for on one, allowed on another (RFC 8628).

The device holds a code of 256 bits and polls with it; its user types a short one into a page. Each can be spent once.
The short code has 34 bits, is kept as a keyed hash, lives ten minutes, and may be guessed only a few times.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select, update

from doorward.identity import events
from doorward.identity.clients import Client
from doorward.identity.oauth.codes import grant_consent, has_consented, may_go_on
from doorward.identity.oauth.families import ABSOLUTE_S, Family, end_families, start_family
from doorward.identity.oauth_errors import OAuthError
from doorward.identity.sealing import ServerSecret
from doorward.identity.sessions import Session
from doorward.store import Store, device_grants, token_families
from doorward.store.single_use import LONGEST_LIFE_S, Purpose, consume, issue, peek, trace

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:device_code"
LIFETIME_S: Final = LONGEST_LIFE_S[Purpose.DEVICE_CODE]
"""Life of both codes, in seconds."""
INTERVAL_S: Final = 5
"""Least time between two polls of a device, in seconds."""
SLOWER_S: Final = 5
"""What is added to it each time a device polls too soon (section 3.5)."""
LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""Of user codes: no vowels, so no words, and nothing that looks like a digit (section 6.1)."""
CODE_LETTERS: Final = 8
"""Of 20 letters each: 34.5 bits. 1,000 guesses in ten minutes at 20 open codes find one with less than 1 in 2^20."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a device waits for."""

    id: str
    client: str
    scopes: tuple[str, ...]
    address: str
    """Where it asked from."""
    created_at: float


def ask(
    store: Store, secret: ServerSecret, client: Client, scopes: Sequence[str], *, address: str, now: float
) -> tuple[str, str]:
    """The device's code and its user's, as people read it."""
    grant_id = secrets.token_hex(16)
    user_code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LETTERS))
    with store.begin() as connection:
        row = {
            "id": grant_id,
            "client": client.name,
            "scopes": sorted(scopes),
            "address": address[:64],
            "interval_s": INTERVAL_S,
            "created_at": now,
            "expires_at": now + LIFETIME_S,
            "state": "pending",
        }
        connection.execute(insert(device_grants).values(row))
        payload = {"grant": grant_id, "client": client.name, "family": secrets.token_hex(16)}
        # two live codes that are the same have one chance in 10^10: the second asker gets an error, never the first's
        issue(
            connection,
            Purpose.USER_CODE,
            now=now,
            lifetime_s=LIFETIME_S,
            payload=payload,
            secret=_kept_as(secret, user_code),
        )
        device_code = issue(
            connection, Purpose.DEVICE_CODE, now=now, lifetime_s=LIFETIME_S, payload=payload, keep_s=ABSOLUTE_S
        )
    return device_code, f"{user_code[:4]}-{user_code[4:]}"


def normal_code(typed: str) -> str:
    """The letters of a code as somebody typed it: in any case, with or without what stands between (section 6.1).

    >>> normal_code(" wdjb-mjht ")
    'WDJBMJHT'
    """
    return "".join(letter for letter in typed[:64].upper() if letter in LETTERS)[: CODE_LETTERS + 1]


def asked_by(store: Store, secret: ServerSecret, user_code: str, *, now: float) -> Asked | None:
    """What the device with that code waits for; None when none does."""
    with store.begin() as connection:
        found = peek(connection, Purpose.USER_CODE, _kept_as(secret, user_code), now=now)
        row = None if found is None else _pending(connection, found.payload["grant"], now)
    return None if row is None else _asked(row)


def decide(
    connection: Connection, secret: ServerSecret, user_code: str, session: Session, *, allows: bool, now: float
) -> Asked | None:
    """What was decided upon, once, for good; None when there is nothing to decide any more."""
    spent = consume(connection, Purpose.USER_CODE, _kept_as(secret, user_code), now=now)
    row = None if spent is None else _pending(connection, spent.payload["grant"], now)
    if row is None:
        return None
    decision = {
        "state": "allowed" if allows else "denied",
        "user": session.user,
        "session": session.id,
        "auth_time": session.auth_time,
        "amr": list(session.amr),
    }
    connection.execute(update(device_grants).where(device_grants.c.id == row.id).values(decision))
    kind = "device.allowed" if allows else "device.denied"
    events.record(connection, kind, session.user, now=now, client=row.client, asked_from=row.address)
    if allows:
        grant_consent(connection, session.user, row.client, row.scopes, now=now)
    return _asked(row)


def poll(
    connection: Connection,
    device_code: str,
    client: Client,
    *,
    now: float,
    bound_key: str | None,
    bound_certificate: str | None,
    absolute_s: float,
) -> Family | OAuthError:
    """The family that came of an allowed request, or why there is none yet or never (section 3.5).

    Whatever it gives back, the transaction is to be committed: it counts the poll, and a second use of a code has then
    ended what came of the first.
    """
    known = trace(connection, Purpose.DEVICE_CODE, device_code, now=now)
    if known.state == "unknown" or known.payload["client"] != client.name:
        return OAuthError("invalid_grant", "the device code is void or not this client's")
    if not _in_time(connection, known.payload["grant"], now):
        return OAuthError("slow_down", f"wait {SLOWER_S} seconds longer between two polls from now on")
    if known.state == "expired":
        return OAuthError("expired_token", "nobody answered in time; ask anew")
    if known.state == "used":
        return _reused(connection, known.payload["family"], client, now)
    row = connection.execute(select(device_grants).where(device_grants.c.id == known.payload["grant"])).one()
    if row.state == "pending":
        return OAuthError("authorization_pending", "nobody has answered yet")
    spent = consume(connection, Purpose.DEVICE_CODE, device_code, now=now)
    if spent is None:
        return OAuthError("invalid_grant", "the device code is void or not this client's")
    if row.state == "denied" or not _still_stands(connection, row):
        return OAuthError("access_denied", "the user said no, or took it back")
    family = start_family(
        connection,
        spent.payload["family"],
        user=row.user,
        client=client.name,
        # its own: the device stays when its user signs out of the browser, and goes with all others
        session=secrets.token_hex(16),
        scopes=row.scopes,
        auth_time=row.auth_time,
        amr=row.amr,
        now=now,
        bound_key=bound_key,
        bound_certificate=bound_certificate,
        absolute_s=absolute_s,
    )
    events.record(connection, "token.issued", row.user, now=now, client=client.name, family=family.id)
    return family


def purge(connection: Connection, *, now: float) -> int:
    """How many requests went that can lead to nothing any more."""
    return connection.execute(delete(device_grants).where(device_grants.c.expires_at <= now - LIFETIME_S)).rowcount


def _pending(connection: Connection, grant_id: str, now: float) -> Row[Any] | None:
    mine: tuple[ColumnElement[bool], ...] = (
        device_grants.c.id == grant_id,
        device_grants.c.state == "pending",
        device_grants.c.expires_at > now,
    )
    return connection.execute(select(device_grants).where(*mine)).one_or_none()


def _asked(row: Row[Any]) -> Asked:
    return Asked(id=row.id, client=row.client, scopes=tuple(row.scopes), address=row.address, created_at=row.created_at)


def _in_time(connection: Connection, grant_id: str, now: float) -> bool:
    """Whether the device waited long enough since its last poll; else it has to wait longer from now on."""
    mine = device_grants.c.id == grant_id
    waited = or_(device_grants.c.polled_at.is_(None), device_grants.c.polled_at <= now - device_grants.c.interval_s)
    if connection.execute(update(device_grants).where(mine, waited).values(polled_at=now)).rowcount:
        return True
    slower = {"polled_at": now, "interval_s": device_grants.c.interval_s + SLOWER_S}
    # no row at all: it was removed long after its end, and nothing is left to be polled too often
    return connection.execute(update(device_grants).where(mine).values(slower)).rowcount == 0


def _still_stands(connection: Connection, row: Row[Any]) -> bool:
    """Whether nothing was taken back between the user's yes and now."""
    return may_go_on(connection, row.user, row.session) and has_consented(connection, row.user, row.client)


def _reused(connection: Connection, family: str, client: Client, now: float) -> OAuthError:
    mine = token_families.c.id == family
    user = connection.execute(select(token_families.c.user).where(mine)).scalar_one_or_none()
    if user is not None:
        events.record(connection, "code.reuse_detected", user, now=now, client=client.name)
        end_families(connection, mine, now=now)
    return OAuthError("invalid_grant", "the device code is void or not this client's")


def _kept_as(secret: ServerSecret, user_code: str) -> str:
    # so short a code could be found from a plain hash of it
    return secret.mac("device user code", normal_code(user_code).encode("ascii")).hex()
