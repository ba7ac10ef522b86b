"""Who here is who there: one row for each (issuer, subject), never by a name or an e-mail address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from doorward.errors import PolicyError
from doorward.identity import events
from doorward.identity.federation.policy import FederationPolicy
from doorward.identity.names import is_name, register_principal, require_claims, require_words
from doorward.store import issuer_links, users
from doorward.store.inserting import insert_new

LINKS_MOST = 20
"""Accounts elsewhere that one user may link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An account elsewhere."""

    issuer: str
    subject: str
    created_at: float


def linked_user(connection: Connection, issuer: str, subject: str, *, now: float) -> str | None:
    """The user whose account that is, if they may still call; the link counts as used now."""
    mine = (issuer_links.c.issuer == issuer) & (issuer_links.c.subject == subject)
    name = connection.execute(
        select(issuer_links.c.user)
        .join(users, users.c.name == issuer_links.c.user)
        .where(mine, users.c.disabled_at.is_(None))
    ).scalar_one_or_none()
    if name is not None:
        connection.execute(update(issuer_links).where(mine).values(last_used_at=now))
    return name


def is_linked(connection: Connection, issuer: str, subject: str) -> bool:
    """Whether that account is anybody's, disabled or not."""
    found = connection.execute(
        select(issuer_links.c.user).where(issuer_links.c.issuer == issuer, issuer_links.c.subject == subject)
    )
    return found.one_or_none() is not None


def add_link(
    connection: Connection, issuer: str, subject: str, user: str, *, now: float, made_account: bool = False
) -> bool:
    """Whether the account elsewhere is linked now; not when it is anybody's already, or the user has too many."""
    if len(links_of(connection, user)) >= LINKS_MOST:
        return False
    row = {
        "issuer": issuer,
        "subject": subject,
        "user": user,
        "made_account": made_account,
        "created_at": now,
        "last_used_at": now,
    }
    # one statement: of two who link at once, the first has it
    if insert_new(connection, issuer_links, [row]) != 1:
        return False
    events.record(connection, "link.added", user, now=now, issuer=issuer, external=subject)
    return True


def links_of(connection: Connection, user: str) -> Sequence[Link]:
    """The user's accounts elsewhere, oldest first."""
    rows = connection.execute(
        select(issuer_links).where(issuer_links.c.user == user).order_by(issuer_links.c.created_at)
    ).all()
    return [Link(issuer=row.issuer, subject=row.subject, created_at=row.created_at) for row in rows]


def remove_link(connection: Connection, user: str, issuer: str, subject: str, *, now: float) -> bool:
    """Whether that account was linked with the user's and is no longer."""
    gone = connection.execute(
        delete(issuer_links).where(
            issuer_links.c.user == user, issuer_links.c.issuer == issuer, issuer_links.c.subject == subject
        )
    ).rowcount
    if gone:
        events.record(connection, "link.removed", user, now=now, issuer=issuer, external=subject)
    return bool(gone)


def remove_links(connection: Connection, user: str, *, now: float) -> None:
    """Nothing; no account elsewhere leads in any more, but for the one that the user's account was made by."""
    added = (issuer_links.c.user == user) & issuer_links.c.made_account.is_(False)
    gone = connection.execute(delete(issuer_links).where(added).returning(issuer_links)).all()
    for row in gone:
        events.record(connection, "link.removed", user, now=now, issuer=row.issuer, external=row.subject)


def make_account(connection: Connection, policy: FederationPolicy, claims: Mapping[str, Any], *, now: float) -> str:
    """The name of the new user, linked. Errors: PolicyError for a name that is none, or that anybody here has."""
    name = claims.get(policy.name_claim)
    if not isinstance(name, str) or not is_name(name):
        raise PolicyError(f"{policy.name_claim} is no name for a user", key="name_claim")
    roles, taken_over = _given(policy, claims)
    register_principal(connection, name, "user")
    row = {"name": name, "password_hash": None, "roles": roles, "claims": taken_over, "created_at": now}
    connection.execute(insert(users).values(row))
    events.record(connection, "user.added", name, now=now, roles=roles, claims=taken_over, password=False)
    if not add_link(connection, policy.issuer, claims["sub"], name, now=now, made_account=True):
        raise PolicyError("another login made the account at the same time", key="accounts")
    return name


def take_over(
    connection: Connection, policy: FederationPolicy, claims: Mapping[str, Any], user: str, now: float
) -> None:
    """Nothing; an account that was made by a login there has the roles and claims that it has there now."""
    made = connection.execute(
        select(issuer_links.c.made_account).where(
            issuer_links.c.issuer == policy.issuer, issuer_links.c.subject == claims["sub"]
        )
    ).scalar_one_or_none()
    if not made:
        return
    row = connection.execute(select(users).where(users.c.name == user)).one()
    roles, taken_over = _given(policy, claims)
    kept = {name: value for name, value in row.claims.items() if name not in policy.claims}
    before, after = (
        {"roles": list(row.roles), "claims": row.claims},
        {"roles": roles, "claims": kept | taken_over},
    )
    if before != after:
        connection.execute(update(users).where(users.c.name == user).values(**after))
        events.record(connection, "user.changed", user, now=now, **events.difference(before, after))


def _given(policy: FederationPolicy, claims: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    there = claims.get(policy.roles_claim)
    named = [there] if isinstance(there, str) else there if isinstance(there, list) else []
    roles = {policy.roles[role] for role in named if isinstance(role, str) and role in policy.roles}
    found = {ours: claims[theirs] for ours, theirs in policy.claims.items() if _is_plain(claims.get(theirs))}
    return require_words(roles | set(policy.default_roles), "role"), require_claims(found)


def _is_plain(value: object) -> bool:
    texts = value if isinstance(value, list) else [value]
    return len(texts) <= 64 and all(isinstance(text, str) and len(text) <= 256 for text in texts)
