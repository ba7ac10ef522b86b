"""Beginnings of telephone numbers that get no more codes, and letting them again."""

from collections.abc import Sequence

from doorward.identity.admin.endpoint import Call, Endpoint
from doorward.identity.sms.prefixes import StoppedPrefix, release, stopped_prefixes


def _stopped(call: Call) -> Sequence[StoppedPrefix]:
    with call.store.begin() as connection:
        return stopped_prefixes(connection, now=call.now)


def _release(call: Call) -> StoppedPrefix:
    with call.store.begin() as connection:
        return release(connection, call.name, now=call.now)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/sms-prefixes",
        id="listStoppedPrefixes",
        summary="beginnings of numbers that get no more codes because too few came back",
        answer=_stopped,
        gives=list[StoppedPrefix],
    ),
    Endpoint(
        method="POST",
        path="/sms-prefixes/{name}/release",
        id="releasePrefix",
        summary="it gets codes again; what was sent so far counts no longer against it",
        answer=_release,
        gives=StoppedPrefix,
    ),
)
