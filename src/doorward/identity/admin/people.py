"""Users, their sessions, consents and factors. A reset is begun here; a password is never set, and never seen."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import select

from doorward.identity import events
from doorward.identity.addresses import ask_recovery
from doorward.identity.admin.endpoint import Body, Call, Endpoint, Page, listing
from doorward.identity.admin.problems import Refused
from doorward.identity.changing import UserChange, change_user
from doorward.identity.enrolling import Factor, list_factors, remove_all_factors
from doorward.identity.mail.bounds import Asker
from doorward.identity.oauth.codes import list_consents, withdraw_consent
from doorward.identity.oauth.families import end_families
from doorward.identity.sessions import Session, end_session, end_sessions, list_sessions
from doorward.identity.users import User, add_user, disable_user, enable_user, get_user, user_of
from doorward.store import token_families, users


class NewUser(Body, frozen=True, forbid_unknown_fields=True):
    """A person who may call. They set their password themselves, with a link of `doorward user reset`."""

    name: str
    roles: tuple[str, ...] = ()
    claims: dict[str, Any] = msgspec.field(default_factory=dict)


class ChangedUser(Body, frozen=True, forbid_unknown_fields=True):
    """What becomes of them; what is left out stays."""

    roles: list[str] | None = None
    claims: dict[str, Any] | None = None


class Consent(msgspec.Struct, frozen=True):
    """What a user allowed a client."""

    client: str
    scopes: Sequence[str]
    granted_at: float


class Ended(msgspec.Struct, frozen=True):
    """How many ended."""

    count: int


def _add(call: Call) -> User:
    body: NewUser = call.body
    roles = call.known_roles(body.roles)
    return add_user(call.store, body.name, now=call.now, roles=roles, claims=body.claims)


def _change(call: Call) -> User:
    body: ChangedUser = call.body
    roles = None if body.roles is None else call.known_roles(body.roles)
    change = UserChange(roles=roles, claims=body.claims)
    return change_user(call.store, call.name, change, now=call.now, expected=call.expected)


def _unlock(call: Call) -> None:
    get_user(call.store, call.name)
    call.desk.verifier.forget_failures(call.name, now=call.now)


def _reset(call: Call) -> None:
    get_user(call.store, call.name)
    proved = (users.c.name == call.name) & users.c.email_verified_at.is_not(None) & users.c.disabled_at.is_(None)
    with call.store.begin() as connection:
        can_be_reached = connection.execute(select(users.c.name).where(proved)).one_or_none() is not None
    if not (call.desk.sends_mail() and can_be_reached):
        raise Refused("unreachable", "no mail is sent, or they have no address they proved: doorward user reset")
    # the link goes to the user alone: who asks for it never learns it, nor the password (OWASP ASVS 5.0 6.4.6)
    ask_recovery(call.store, call.desk.secret, call.name, now=call.now, asker=Asker(is_operator=True))
    with call.store.begin() as connection:
        events.record(connection, "password.reset_asked", call.name, now=call.now)


def _factors(call: Call) -> list[Factor]:
    get_user(call.store, call.name)
    return list(list_factors(call.store, call.name))


def _remove_factors(call: Call) -> Ended:
    get_user(call.store, call.name)
    return Ended(remove_all_factors(call.store, call.name, now=call.now))


def _sessions(call: Call) -> list[Session]:
    get_user(call.store, call.name)
    return list(list_sessions(call.store, call.name, now=call.now))


def _end_sessions(call: Call) -> Ended:
    get_user(call.store, call.name)
    with call.store.begin() as connection:
        count = end_sessions(connection, call.name, now=call.now)
        end_families(connection, token_families.c.user == call.name, now=call.now)
    return Ended(count)


def _end_session(call: Call) -> None:
    session = call.params["session"]
    with call.store.begin() as connection:
        ended = end_session(connection, call.name, session, now=call.now)
        if ended:
            mine = (token_families.c.user == call.name) & (token_families.c.session == session)
            end_families(connection, mine, now=call.now)
    if not ended:
        raise Refused("missing", "there is no such session")


def _consents(call: Call) -> list[Consent]:
    get_user(call.store, call.name)
    return [Consent(*found) for found in list_consents(call.store, call.name)]


def _withdraw(call: Call) -> None:
    with call.store.begin() as connection:
        gone = withdraw_consent(connection, call.name, call.params["client"], now=call.now)
    if not gone:
        raise Refused("missing", "there is no such consent")


ENDPOINTS = (
    listing("/users", "listUsers", "users, by name", Page[User], users, users.c.name, user_of),
    Endpoint(
        method="POST",
        path="/users",
        id="addUser",
        summary="a new user",
        answer=_add,
        gives=User,
        takes=NewUser,
        status=201,
        has_version=True,
    ),
    Endpoint(
        method="GET",
        path="/users/{name}",
        id="getUser",
        summary="one user",
        answer=lambda call: get_user(call.store, call.name),
        gives=User,
        has_version=True,
    ),
    Endpoint(
        method="PATCH",
        path="/users/{name}",
        id="changeUser",
        summary="other roles or claims",
        answer=_change,
        gives=User,
        takes=ChangedUser,
        has_version=True,
        needs_version=True,
    ),
    Endpoint(
        method="POST",
        path="/users/{name}/disable",
        id="disableUser",
        summary="the user may no longer call; sessions and tokens end",
        answer=lambda call: disable_user(call.store, call.name, now=call.now),
        gives=User,
        has_version=True,
    ),
    Endpoint(
        method="POST",
        path="/users/{name}/enable",
        id="enableUser",
        summary="the user may call again, and has to sign in",
        answer=lambda call: enable_user(call.store, call.name, now=call.now),
        gives=User,
        has_version=True,
    ),
    Endpoint(
        method="POST",
        path="/users/{name}/unlock",
        id="unlockUser",
        summary="failed attempts are forgotten",
        answer=_unlock,
        status=204,
    ),
    Endpoint(
        method="POST",
        path="/users/{name}/reset",
        id="resetPassword",
        summary="a link with which they set a new password is mailed to the user; nobody else learns it",
        answer=_reset,
        status=204,
    ),
    Endpoint(
        method="GET",
        path="/users/{name}/factors",
        id="listFactors",
        summary="second factors",
        answer=_factors,
        gives=list[Factor],
    ),
    Endpoint(
        method="DELETE",
        path="/users/{name}/factors",
        id="removeFactors",
        summary="second factors of a user who lost them are taken away",
        answer=_remove_factors,
        gives=Ended,
    ),
    Endpoint(
        method="GET",
        path="/users/{name}/sessions",
        id="listSessions",
        summary="login sessions in force",
        answer=_sessions,
        gives=list[Session],
    ),
    Endpoint(
        method="DELETE",
        path="/users/{name}/sessions",
        id="endSessions",
        summary="all login sessions end, and what came of them",
        answer=_end_sessions,
        gives=Ended,
    ),
    Endpoint(
        method="DELETE",
        path="/users/{name}/sessions/{session}",
        id="endSession",
        summary="one login session ends",
        answer=_end_session,
        status=204,
    ),
    Endpoint(
        method="GET",
        path="/users/{name}/consents",
        id="listConsents",
        summary="what the user allowed clients",
        answer=_consents,
        gives=list[Consent],
    ),
    Endpoint(
        method="DELETE",
        path="/users/{name}/consents/{client}",
        id="withdrawConsent",
        summary="a consent is withdrawn, and what came of it ends",
        answer=_withdraw,
        status=204,
    ),
)
