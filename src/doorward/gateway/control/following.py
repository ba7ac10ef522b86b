"""The tasks that follow what changes: each looks for one kind of change until it is cancelled, and has it published."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Final

import structlog

from doorward.freshness import Confirming
from doorward.gateway.control.in_force import InForce
from doorward.gateway.control.outliving import MISTAKES, Attempt
from doorward.gateway.control.state import State
from doorward.gateway.publisher import load_checked
from doorward.identity.issuer_key_file import keep_fresh
from doorward.identity.profiles import profile_of
from doorward.identity.tidying import tidy

WATCH_S: Final = 0.1
"""Time between two looks at the store, in seconds: with the worker's own 0.2 a revocation is everywhere in 0.4."""
KEYS_S: Final = 5.0
"""Time between two looks whether an issuer's keys are due, in seconds."""
REFRESH_S: Final = 60.0
"""Longest time between two comparisons of what is published with what should be, in seconds: things expire."""
PAUSE_S: Final = 1.0
"""Time until the store is looked at again that could not be read, or published, in seconds."""
_HOUR_S: Final = 3600.0

_log = structlog.get_logger()


class Following:
    """Follows store, keys, policy and time."""

    def __init__(self, state: State, in_force: InForce, confirming: Confirming, publish: Callable[[], None]) -> None:
        """`publish` publishes whatever changed."""
        self._state, self._in_force, self._confirming, self._publish = state, in_force, confirming, publish

    def work(self, published: str) -> list[Coroutine[None, None, None]]:
        """The tasks that follow whatever happens. `published`: the store's version that went out already."""
        return [self._store(published), self._issuers(), self._own_keys(), self._what_ended()]

    async def policy(self, file: Path, asked: asyncio.Event, taken_up: Callable[[], None]) -> None:
        """Take over the policy of that file whenever it is asked for; `taken_up` is called when one is in force."""
        while True:
            await asked.wait()
            asked.clear()
            with Attempt("policy refused, the one in force stays") as adopted:
                # Compiling takes long enough to be noticed by somebody who asks for a token meanwhile.
                self._in_force.adopt(await asyncio.to_thread(load_checked, file))
            if not adopted.succeeded:
                continue
            with Attempt("the certificate of the issuer stays as it was"):
                taken_up()
            if self._has_published():
                _log.info("policy reloaded", file=str(file))

    async def _store(self, published: str) -> None:
        """Publish within a tenth of a second of any change: a revocation that waits is a door left open."""
        published_at = time.monotonic()
        while True:
            await asyncio.sleep(WATCH_S)
            with Attempt("changes of the store cannot be published") as kept_up:
                found = await self._state.watch.version()
                if self._ring_changed():
                    published = ""
                if found != published or time.monotonic() - published_at > REFRESH_S:
                    self._publish()
                    published, published_at = found, time.monotonic()
                self._confirming.confirm()
            if not kept_up.succeeded:
                # `published` stays: the change goes out once store and disk are well again.
                await asyncio.sleep(PAUSE_S)

    def _ring_changed(self) -> bool:
        changed = False
        with Attempt("the issuer's new keys cannot be used, the ones in force stay", MISTAKES):
            changed = self._state.ring.refresh()
        if changed:
            _log.info("keys of the issuer changed", keys=[each.key.id for each in self._state.ring.ring.keys])
        return changed

    async def _issuers(self) -> None:
        while True:
            if await self._in_force.fetch_keys(time.time()):
                self._has_published()
            await asyncio.sleep(KEYS_S)

    async def _own_keys(self) -> None:
        """Make the next key where it is due, drop those that are over. `_store` takes up what changed."""
        while True:
            issuer = self._in_force.policy.issuer
            rotate_s = None if issuer.rotate_keys_days is None else issuer.rotate_keys_days * 24.0 * _HOUR_S
            ahead_s = issuer.publish_keys_hours * _HOUR_S
            with Attempt("the issuer's keys stay as they are"):
                await asyncio.to_thread(
                    keep_fresh, self._state.ring_file, now=time.time(), rotate_s=rotate_s, ahead_s=ahead_s
                )
            await asyncio.sleep(REFRESH_S)

    async def _what_ended(self) -> None:
        while True:
            unused_s = profile_of(self._in_force.policy.issuer.profiles).unused_s
            with Attempt("what has ended stays in the store for another hour"):
                await asyncio.to_thread(tidy, self._state.store, now=time.time(), unused_s=unused_s)
            await asyncio.sleep(_HOUR_S)

    def _has_published(self) -> bool:
        with Attempt("the snapshot cannot be published") as published:
            self._publish()
        return published.succeeded
