"""Who may use the admin API: a ticket of the command line, good once, becomes a short session."""

from collections import OrderedDict
from typing import Final

from doorward.identity import events
from doorward.store import Store
from doorward.store.single_use import LONGEST_LIFE_S, Purpose, consume, issue, peek

TICKET_S: Final = LONGEST_LIFE_S[Purpose.ADMIN_LOGIN]
SESSION_S: Final = LONGEST_LIFE_S[Purpose.ADMIN_SESSION]
RATE: Final = 20.0
"""Requests a second that one session, or everybody without one together, may make for long."""
BURST: Final = 60.0
_TRACKED: Final = 1_000


def make_ticket(store: Store, operator: str, *, now: float) -> str:
    """The ticket with which `operator` begins a session within five minutes. Only who may open the store makes one."""
    with store.begin() as connection:
        events.record(connection, "admin.login_made", "", now=now, operator=operator)
        return issue(
            connection, Purpose.ADMIN_LOGIN, now=now, lifetime_s=TICKET_S, payload={"actor": f"admin:{operator}"}
        )


def begin_session(store: Store, ticket: str, *, now: float) -> str | None:
    """The token of a new session; None for a ticket that was used, is too old or is none."""
    with store.begin() as connection:
        spent = consume(connection, Purpose.ADMIN_LOGIN, ticket, now=now)
        if spent is None:
            return None
        with events.acting(spent.payload["actor"]):
            events.record(connection, "admin.session_started", "", now=now)
        payload = {"actor": spent.payload["actor"]}
        return issue(connection, Purpose.ADMIN_SESSION, now=now, lifetime_s=SESSION_S, payload=payload)


def actor_of(store: Store, token: str, *, now: float) -> str | None:
    """Whose session that is (`admin:alice`); None when it is none, or over."""
    with store.begin() as connection:
        found = peek(connection, Purpose.ADMIN_SESSION, token, now=now)
    return None if found is None else str(found.payload["actor"])


def end_session(store: Store, token: str, *, now: float) -> None:
    """Nothing; the session is over."""
    with store.begin() as connection:
        if consume(connection, Purpose.ADMIN_SESSION, token, now=now) is not None:
            events.record(connection, "admin.session_ended", "", now=now)


class Allowance:
    """Requests by who makes them: a bucket of `BURST` that fills by `RATE` a second. For one event loop."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, who: str, now: float) -> float:
        """0 when one more request is allowed, which is then counted; else the seconds until one will be."""
        left, at = self._buckets.pop(who, (BURST, now))
        left = min(BURST, left + max(0.0, now - at) * RATE)
        wait_s = 0.0 if left >= 1 else (1 - left) / RATE
        self._buckets[who] = (left - 1 if not wait_s else left, now)
        while len(self._buckets) > _TRACKED:
            self._buckets.popitem(last=False)
        return wait_s
