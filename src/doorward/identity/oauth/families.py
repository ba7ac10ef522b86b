"""Families: what comes of one authorization, from its first token to its end.

A refresh token is opaque, kept as a hash, and bound to its client. A public client's is spent by its use and replaced;
using a spent one again ends the family, because either the owner or a thief holds the newer one. Within ten seconds the
direct predecessor still gives the same successor, for clients whose answer got lost or whose tabs raced: the successor
is derived from it, so it is the same whoever asks, and there is one line however many ask at once.
Source: RFC 9700 section 4.14; OAuth 2.1 draft section 4.3; Keycloak CVE-2026-1035, #51312.
"""

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, String, bindparam, delete, insert, or_, select, update

from doorward.identity import events
from doorward.identity.sealing import ServerSecret
from doorward.identity.tokens import AccessToken
from doorward.jose import encode_segment
from doorward.store import issued_tokens, revocations, token_families
from doorward.store.inserting import insert_new
from doorward.store.prepared import Prepared
from doorward.store.single_use import Purpose, consume, issue, peek, trace

IDLE_S: Final = 86_400.0
"""Longest time between two refreshes, in seconds."""
ABSOLUTE_S: Final = 30 * 86_400.0
"""Longest life of a family, in seconds."""
GRACE_S: Final = 10.0
"""How long after its use a refresh token may be retried, in seconds, while its successor is unused."""

# Made once: to make one of them takes as long as to carry it out.
_USE: Final = Prepared(
    update(token_families)
    .where(
        token_families.c.id == bindparam("of_family"),
        token_families.c.client == bindparam("of_client"),
        or_(token_families.c.bound_key.is_(None), token_families.c.bound_key == bindparam("of_key", type_=String)),
        or_(
            token_families.c.bound_certificate.is_(None),
            token_families.c.bound_certificate == bindparam("of_certificate", type_=String),
        ),
        token_families.c.revoked_at.is_(None),
        token_families.c.expires_at > bindparam("at"),
        token_families.c.last_used_at > bindparam("idle"),
    )
    .values(last_used_at=bindparam("at"))
    .returning(token_families)
)
_IN_FORCE: Final = Prepared(
    select(token_families).where(
        token_families.c.id == bindparam("of_family"),
        token_families.c.revoked_at.is_(None),
        token_families.c.expires_at > bindparam("at"),
        token_families.c.last_used_at > bindparam("idle"),
    )
)
_INSERT_FAMILY: Final = insert(token_families)
_INSERT_TOKEN: Final = Prepared(insert(issued_tokens), ("id", "family", "issuer", "expires_at"))
_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """An authorization that is in force."""

    id: str
    user: str
    client: str
    session: str
    scopes: tuple[str, ...]
    auth_time: float
    amr: tuple[str, ...]
    expires_at: float
    bound_key: str | None
    """Thumbprint of the key without a proof by which nothing more comes of it (RFC 9449 section 5); None: of none."""
    bound_certificate: str | None = None
    """Thumbprint of the certificate without which nothing more comes of it (RFC 8705 section 4)."""


def start_family(
    connection: Connection,
    family_id: str,
    *,
    user: str,
    client: str,
    session: str,
    scopes: Iterable[str],
    auth_time: float,
    amr: Iterable[str],
    now: float,
    bound_key: str | None,
    bound_certificate: str | None,
    absolute_s: float,
) -> Family:
    """The family, now in force."""
    row = {
        "id": family_id,
        "user": user,
        "client": client,
        "session": session,
        "scopes": sorted(scopes),
        "auth_time": auth_time,
        "amr": list(amr),
        "bound_key": bound_key,
        "bound_certificate": bound_certificate,
        "created_at": now,
        "last_used_at": now,
        "expires_at": now + absolute_s,
    }
    connection.execute(_INSERT_FAMILY, row)
    return Family(
        id=family_id,
        user=user,
        client=client,
        session=session,
        scopes=tuple(row["scopes"]),  # type: ignore[arg-type]
        auth_time=auth_time,
        amr=tuple(amr),
        expires_at=now + absolute_s,
        bound_key=bound_key,
        bound_certificate=bound_certificate,
    )


def first_refresh_token(connection: Connection, family: Family, *, now: float) -> str:
    """The refresh token a family starts with."""
    return _issue(connection, family, f"{family.id}.{secrets.token_urlsafe(32)}", now)


def refresh(
    connection: Connection,
    secret: ServerSecret,
    token: str,
    *,
    client: str,
    rotates: bool,
    now: float,
    proved_key: str | None = None,
    shown_certificate: str | None = None,
) -> tuple[Family, str] | None:
    """The family a refresh token belongs to and the token to use from now on; None when it is void.

    `proved_key` is the key that a proof came with the request by, `shown_certificate` that of its connection; without
    those the family is bound to, the token is void for this request, and nothing of it is spent.

    Whatever it gives back, the transaction is to be committed: a reuse has then ended the family.
    """
    # first of all the family's row: it orders this against every other refresh and against revoking
    of = {
        "of_family": _family_id(token),
        "of_client": client,
        "of_key": proved_key,
        "of_certificate": shown_certificate,
        "at": now,
        "idle": now - IDLE_S,
    }
    row = _USE.one(connection, of)
    if row is None:
        return None
    family = _family(row)
    if not rotates:
        found = peek(connection, Purpose.REFRESH_TOKEN, token, now=now)
        return (family, token) if found is not None else None
    successor = f"{family.id}.{_derived(secret, token)}"
    if consume(connection, Purpose.REFRESH_TOKEN, token, now=now) is not None:
        return family, _issue(connection, family, successor, now)
    used = trace(connection, Purpose.REFRESH_TOKEN, token, now=now)
    if used.state != "used":
        return None
    next_one = trace(connection, Purpose.REFRESH_TOKEN, successor, now=now)
    if next_one.state == "unused" and used.used_at is not None and now - used.used_at <= GRACE_S:
        return family, successor
    end_families(connection, token_families.c.id == family.id, now=now)
    events.record(connection, "token.reuse_detected", family.user, now=now, client=client, family=family.id)
    return None


def note_access_token(connection: Connection, family_id: str, token: AccessToken, *, issuer: str) -> None:
    """Nothing; the token ends when the family of that id is ended."""
    row = {"id": token.id, "family": family_id, "issuer": issuer, "expires_at": float(token.expires_at)}
    _INSERT_TOKEN.run(connection, row)


def end_families(connection: Connection, chosen: ColumnElement[bool], *, now: float) -> int:
    """How many families end now, with all their refresh and access tokens."""
    ended = connection.execute(
        update(token_families)
        .where(chosen, token_families.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(token_families.c.id, token_families.c.user, token_families.c.client)
    ).all()
    for row in ended:
        _revoke_access_tokens(connection, row.id, now)
        events.record(connection, "token.revoked", row.user, now=now, client=row.client, family=row.id)
    return len(ended)


def family_of(connection: Connection, token: str, *, now: float) -> Family | None:
    """The family in force that a refresh token could still be used in."""
    if peek(connection, Purpose.REFRESH_TOKEN, token, now=now) is None:
        return None
    of = {"of_family": _family_id(token), "at": now, "idle": now - IDLE_S}
    row = _IN_FORCE.one(connection, of)
    return None if row is None else _family(row)


def end_family_of(connection: Connection, token: str, *, client: str, now: float) -> int:
    """How many families end with a refresh token of that client: one, or none for a token nobody issued.

    A spent token ends its family too: it may have been spent by a refresh that ran at the same time.
    """
    if trace(connection, Purpose.REFRESH_TOKEN, token, now=now).state == "unknown":
        return 0
    mine = (token_families.c.id == _family_id(token)) & (token_families.c.client == client)
    return end_families(connection, mine, now=now)


def families_of(connection: Connection, user: str, *, now: float) -> Sequence[Family]:
    """The families of a user that are in force."""
    rows = connection.execute(select(token_families).where(token_families.c.user == user, *in_force(now))).all()
    return [_family(row) for row in rows]


def purge(connection: Connection, *, now: float) -> int:
    """How many rows went that nothing living refers to."""
    connection.execute(delete(issued_tokens).where(issued_tokens.c.expires_at <= now))
    return connection.execute(delete(token_families).where(token_families.c.expires_at <= now)).rowcount


def _revoke_access_tokens(connection: Connection, family_id: str, now: float) -> None:
    living = select(issued_tokens).where(issued_tokens.c.family == family_id, issued_tokens.c.expires_at > now)
    rows = [
        {
            "kind": "token",
            "issuer": token.issuer,
            "name": token.id,
            "revoked_at": now,
            "expires_at": token.expires_at,
        }
        for token in connection.execute(living).all()
    ]
    if rows:
        insert_new(connection, revocations, rows)


def _family_id(token: str) -> str:
    found = token.partition(".")[0]
    return found if _ID.fullmatch(found) else ""


def in_force(now: float) -> tuple[ColumnElement[bool], ...]:
    """What must hold of a family that something may still come of."""
    return (
        token_families.c.revoked_at.is_(None),
        token_families.c.expires_at > now,
        token_families.c.last_used_at > now - IDLE_S,
    )


def _issue(connection: Connection, family: Family, token: str, now: float) -> str:
    lifetime_s = family.expires_at - now
    return issue(connection, Purpose.REFRESH_TOKEN, now=now, lifetime_s=lifetime_s, subject=family.user, secret=token)


def _derived(secret: ServerSecret, token: str) -> str:
    return encode_segment(secret.mac("refresh successor", token.encode("utf-8", "replace"))).decode("ascii")


def _family(row: Row[Any]) -> Family:
    return Family(
        id=row.id,
        user=row.user,
        client=row.client,
        session=row.session,
        scopes=tuple(row.scopes),
        auth_time=row.auth_time,
        amr=tuple(row.amr),
        expires_at=row.expires_at,
        bound_key=row.bound_key,
        bound_certificate=row.bound_certificate,
    )
