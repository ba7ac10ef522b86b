"""From a frozen request to a code, and from a code to a family of tokens; each step spends what it came from."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from doorward.identity import events
from doorward.identity.clients import Client
from doorward.identity.oauth.families import ABSOLUTE_S, Family, end_families, start_family
from doorward.identity.oauth.requests import AuthorizationRequest
from doorward.identity.sessions import Session
from doorward.jose import encode_segment
from doorward.store import Store, consents, sessions, token_families, users
from doorward.store.single_use import LONGEST_LIFE_S, Purpose, consume, issue, peek, trace

PUSHED_S: Final = 60.0
"""Life of a pushed request, in seconds: the time until a browser brings it (RFC 9126 section 2.2)."""
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A request for authorization as it waits for its user."""

    request: AuthorizationRequest
    arrived_at: float
    visit: str
    """Hash of the one browser that may go on with it."""
    pushed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeemed:
    """What a code was good for."""

    family: Family
    nonce: str | None


def push(store: Store, request: AuthorizationRequest, *, now: float) -> str:
    """The name under which a pushed request can be brought within a minute."""
    with store.begin() as connection:
        return issue(
            connection,
            Purpose.PUSHED_REQUEST,
            now=now,
            lifetime_s=PUSHED_S,
            subject=request.client,
            payload=request.data(),
        )


def pushed(store: Store, name: str, client: str, *, now: float) -> AuthorizationRequest | None:
    """The pushed request of that name, if that client pushed it. It is spent only when authorization completes."""
    with store.begin() as connection:
        found = peek(connection, Purpose.PUSHED_REQUEST, name, now=now)
    return AuthorizationRequest.from_data(found.payload) if found is not None and found.subject == client else None


def freeze(store: Store, request: AuthorizationRequest, *, visit: str, pushed_as: str | None, now: float) -> str:
    """The ticket under which the request waits for its user, up to half an hour, in this browser alone."""
    payload = {"request": request.data(), "arrived_at": now, "visit": visit, "pushed": pushed_as}
    with store.begin() as connection:
        return issue(
            connection,
            Purpose.AUTHORIZATION_REQUEST,
            now=now,
            lifetime_s=LONGEST_LIFE_S[Purpose.AUTHORIZATION_REQUEST],
            subject=request.client,
            payload=payload,
        )


def frozen(store: Store, ticket: str, *, visit: str, now: float) -> Frozen | None:
    """The request of that ticket, if it waits in this browser."""
    with store.begin() as connection:
        found = peek(connection, Purpose.AUTHORIZATION_REQUEST, ticket, now=now)
    if found is None or not hmac.compare_digest(str(found.payload["visit"]), visit):
        return None
    return Frozen(
        request=AuthorizationRequest.from_data(found.payload["request"]),
        arrived_at=found.payload["arrived_at"],
        visit=visit,
        pushed=found.payload["pushed"],
    )


def spend_request(connection: Connection, ticket: str, waiting: Frozen, *, now: float) -> bool:
    """Whether the request was still unanswered; it is answered now. A pushed one is spent with it."""
    if consume(connection, Purpose.AUTHORIZATION_REQUEST, ticket, now=now) is None:
        return False
    if waiting.pushed is None:
        return True
    # as of the time it was brought: a user may take longer than its minute to sign in
    return consume(connection, Purpose.PUSHED_REQUEST, waiting.pushed, now=waiting.arrived_at) is not None


def issue_code(connection: Connection, waiting: Frozen, session: Session, *, now: float, lifetime_s: float) -> str:
    """A code for the request, for the user of the session."""
    request = waiting.request
    payload = {
        "client": request.client,
        "redirect_uri": request.redirect_uri,
        "challenge": request.challenge,
        "bound_key": request.bound_key,
        "scopes": list(request.scopes),
        "nonce": request.nonce,
        "session": session.id,
        "auth_time": session.auth_time,
        "amr": list(session.amr),
        "family": secrets.token_hex(16),
    }
    return issue(
        connection,
        Purpose.AUTHORIZATION_CODE,
        now=now,
        lifetime_s=lifetime_s,
        subject=session.user,
        payload=payload,
        keep_s=ABSOLUTE_S,
    )


def redeem(
    connection: Connection,
    code: str,
    client: Client,
    *,
    verifier: str | None,
    redirect_uri: str | None,
    now: float,
    bound_key: str | None,
    bound_certificate: str | None,
    absolute_s: float,
) -> Redeemed | None:
    """What the code was good for; None when it is void, or not this client's. It is spent in any case.

    Whatever it gives back, the transaction is to be committed: a second use has then ended what came of the first.
    """
    spent = consume(connection, Purpose.AUTHORIZATION_CODE, code, now=now)
    if spent is None:
        _end_what_came_of(connection, code, client, now)
        return None
    bound = spent.payload
    same_client = bound["client"] == client.name
    same_place = redirect_uri is None or redirect_uri == bound["redirect_uri"]
    if not (same_client and same_place and is_verifier(verifier, bound["challenge"])) or spent.subject is None:
        return None
    if bound.get("bound_key") not in (None, bound_key):
        return None
    if not may_go_on(connection, spent.subject, bound["session"]):
        return None
    family = start_family(
        connection,
        bound["family"],
        user=spent.subject,
        client=client.name,
        session=bound["session"],
        scopes=bound["scopes"],
        auth_time=bound["auth_time"],
        amr=bound["amr"],
        now=now,
        bound_key=bound_key,
        bound_certificate=bound_certificate,
        absolute_s=absolute_s,
    )
    events.record(connection, "token.issued", spent.subject, now=now, client=client.name, family=family.id)
    return Redeemed(family=family, nonce=bound["nonce"])


def is_verifier(verifier: str | None, challenge: str) -> bool:
    """Whether the verifier is the one the challenge was made of (RFC 7636 section 4.6)."""
    if verifier is None or _VERIFIER.fullmatch(verifier) is None:
        return False
    made = encode_segment(hashlib.sha256(verifier.encode("ascii")).digest())
    return hmac.compare_digest(made, challenge.encode("ascii"))


def consented(store: Store, user: str, client: str) -> Sequence[str] | None:
    """The scopes the user allowed the client before; None when they did not allow it anything, not even none."""
    with store.begin() as connection:
        row = connection.execute(
            select(consents.c.scopes).where(consents.c.user == user, consents.c.client == client)
        ).one_or_none()
    return None if row is None else tuple(row.scopes)


def list_consents(store: Store, user: str) -> Sequence[tuple[str, tuple[str, ...], float]]:
    """Client, scopes and time of everything the user allowed."""
    with store.begin() as connection:
        rows = connection.execute(select(consents).where(consents.c.user == user).order_by(consents.c.client)).all()
    return [(row.client, tuple(row.scopes), row.granted_at) for row in rows]


def has_consented(connection: Connection, user: str, client: str) -> bool:
    """Whether the user's consent stands, seen in this transaction."""
    mine = (consents.c.user == user) & (consents.c.client == client)
    return connection.execute(select(consents.c.client).where(mine)).one_or_none() is not None


def grant_consent(connection: Connection, user: str, client: str, scopes: Iterable[str], *, now: float) -> None:
    """Nothing; the client need not ask for these scopes again."""
    granted = list(scopes)
    # written before anything is read: of two windows at once the second adds to what the first one made
    connection.execute(update(users).where(users.c.name == user).values(name=user))
    mine = (consents.c.user == user) & (consents.c.client == client)
    before = connection.execute(select(consents.c.scopes).where(mine)).scalar_one_or_none() or []
    connection.execute(delete(consents).where(mine))
    row: dict[str, Any] = {"user": user, "client": client, "scopes": sorted({*before, *granted}), "granted_at": now}
    connection.execute(insert(consents).values(row))
    events.record(connection, "consent.granted", user, now=now, client=client, scopes=granted)


def withdraw_consent(connection: Connection, user: str, client: str, *, now: float) -> bool:
    """Whether there was a consent; it is gone, and everything that came of it ends."""
    gone = connection.execute(delete(consents).where(consents.c.user == user, consents.c.client == client)).rowcount
    if gone:
        events.record(connection, "consent.revoked", user, now=now, client=client)
        end_families(connection, (token_families.c.user == user) & (token_families.c.client == client), now=now)
    return bool(gone)


def _end_what_came_of(connection: Connection, code: str, client: Client, now: float) -> None:
    used = trace(connection, Purpose.AUTHORIZATION_CODE, code, now=now)
    if used.state == "used" and used.payload["client"] == client.name and used.subject is not None:
        events.record(connection, "code.reuse_detected", used.subject, now=now, client=client.name)
        end_families(connection, token_families.c.id == used.payload["family"], now=now)


def may_go_on(connection: Connection, user: str, session: str) -> bool:
    """Whether the user may still call and did not end that session."""
    active = connection.execute(select(users.c.name).where(users.c.name == user, users.c.disabled_at.is_(None)))
    going = select(sessions.c.id).where(sessions.c.id == session, sessions.c.revoked_at.is_(None))
    # locked: either the session's end sees what comes of this, or this sees the end
    ended = connection.execute(going.with_for_update(read=True))
    return active.one_or_none() is not None and ended.one_or_none() is not None
