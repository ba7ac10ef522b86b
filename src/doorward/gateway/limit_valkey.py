"""Counts that several gateways share, kept by a Valkey or Redis server (extra `valkey`)."""

import asyncio
import hashlib
import math
import time
from collections.abc import Callable
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from doorward.controls.limits import Gcra, SharedBucket, SharedPolicy, Tally
from doorward.gateway.valkey_client import RETRY_S, client_of

_log: Final = structlog.get_logger()

TELL_S: Final = 0.05
"""Longest time that what was let through here is not told, in seconds."""
ANSWER_S: Final = 0.08
"""Longest wait for the server, in seconds: less than a worker waits for us."""
BATCH_COUNT: Final = 512
_TALLY_S: Final = 40 * 86_400
"""How long a count of a quota is kept after its last use: longer than the longest window."""
_US_NS: Final = 1_000

# One key a call, so that it works on a cluster. Time is the server's: gateways need not agree on theirs. Numbers travel
# as microseconds from now, because a gateway's clock means nothing there.
_RATE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local known, spent, wish = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local stored = redis.call('GET', KEYS[1])
local tat = math.max(stored and tonumber(stored) or now + known, now)
tat = tat + spent * interval
local granted = 0
if wish > 0 and tat + wish * interval - now <= tolerance then
  tat = tat + wish * interval
  granted = 1
end
if tat > now then
  redis.call('SET', KEYS[1], string.format('%.3f', tat), 'PX', math.ceil((tat - now) / 1000) + 1000)
end
return {string.format('%.3f', tat - now), granted}
"""
_TALLY: Final = """
local most, known = tonumber(ARGV[1]), tonumber(ARGV[2])
local spent, wish, keep = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local stored = redis.call('GET', KEYS[1])
local count = (stored and tonumber(stored) or known) + spent
local granted = 0
if wish > 0 and count + wish <= most then
  count = count + wish
  granted = 1
end
redis.call('SET', KEYS[1], string.format('%d', count), 'EX', keep)
return {string.format('%d', count), granted}
"""


class _Sent:
    """One entry under way."""

    __slots__ = ("bucket", "key", "known", "number", "spent", "wish")

    def __init__(self, bucket: SharedBucket, key: str, wish: int, known: Callable[[], None] | None) -> None:
        self.bucket = bucket
        self.key = key
        self.wish = wish
        self.known = known
        self.number, self.spent = bucket.take_untold(key)


class ValkeyLink:
    """As `controls.limits.Link`. `run` does the work."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self.is_up = False
        self._client = client
        self._prefix = prefix
        self._untold: dict[tuple[SharedBucket, str], None] = {}
        self._asked: list[tuple[SharedBucket, str, int, Callable[[], None]]] = []
        self._wake = asyncio.Event()
        self._rate, self._tally = "", ""
        self._was_said = False

    # -- used by the buckets --------------------------------------------------------------------------------------

    def tell(self, bucket: SharedBucket, key: str, *, at_once: bool = False) -> None:
        """As `Link`."""
        self._untold[bucket, key] = None
        if at_once or len(self._untold) >= BATCH_COUNT:
            self._wake.set()

    def ask(self, bucket: SharedBucket, key: str, cost: int, known: Callable[[], None]) -> None:
        """As `Link`."""
        if not self.is_up:
            known()
            return
        self._asked.append((bucket, key, cost, known))
        self._wake.set()

    # -- the conversation -----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tell and ask, for ever. Cancel it to end it."""
        while True:
            if not self.is_up and not await self._reached():
                await asyncio.sleep(RETRY_S)
                continue
            try:
                async with asyncio.timeout(TELL_S):
                    await self._wake.wait()
            except TimeoutError:
                pass  # nobody is in a hurry: what is untold is told now
            self._wake.clear()
            await self._exchange(self._batch())

    async def close(self) -> None:
        """Let go of the server."""
        await self._client.aclose()

    async def _reached(self) -> bool:
        try:
            async with asyncio.timeout(RETRY_S):
                self._rate = await self._client.script_load(_RATE)
                self._tally = await self._client.script_load(_TALLY)
        except (RedisError, OSError, TimeoutError) as error:
            self._set_up(False, error)
            return False
        self._set_up(True, None)
        return True

    def _batch(self) -> list[_Sent]:
        asked, self._asked = self._asked, []
        batch: list[_Sent] = []
        for bucket, key, cost, known in asked:
            self._untold.pop((bucket, key), None)
            batch.append(_Sent(bucket, key, cost, known))
        for bucket, key in list(self._untold)[: max(0, BATCH_COUNT - len(batch))]:
            del self._untold[bucket, key]
            batch.append(_Sent(bucket, key, 0, None))
        if self._untold:
            self._wake.set()
        return batch

    async def _exchange(self, batch: list[_Sent]) -> None:
        if not batch:
            return
        try:
            async with asyncio.timeout(ANSWER_S):
                pipeline = self._client.pipeline(transaction=False)
                now_ns = time.monotonic_ns()
                for sent in batch:
                    self._add(pipeline, sent, now_ns)
                answers = await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            # A server that was started anew has forgotten the scripts: the next try loads them.
            self._set_up(False, None if isinstance(error, NoScriptError) else error)
            for sent in batch:
                sent.bucket.unconfirmed(sent.key, sent.spent)
                self._untold[sent.bucket, sent.key] = None
            self._release(batch)
            return
        now_ns = time.monotonic_ns()
        for sent, (value, granted) in zip(batch, answers, strict=True):
            number = float(value)
            is_rate = isinstance(sent.bucket.meter, Gcra)
            known_ns = now_ns + math.ceil(number * _US_NS) if is_rate else int(number)
            sent.bucket.confirmed(sent.key, sent.spent, known_ns, sent.wish if granted else 0, now_ns)
            if sent.wish and not granted:
                sent.bucket.refused(sent.key)
        self._release(batch)

    def _add(self, pipeline: Redis, sent: _Sent, now_ns: int) -> None:
        meter = sent.bucket.meter
        name = self._name(sent.bucket.name, sent.key)
        if isinstance(meter, Gcra):
            known_us = max(0, sent.number - now_ns) / _US_NS
            interval_us, tolerance_us = meter.interval_ns / _US_NS, meter.tolerance_ns / _US_NS
            pipeline.evalsha(self._rate, 1, name, interval_us, tolerance_us, known_us, sent.spent, sent.wish)
        elif isinstance(meter, Tally):
            pipeline.evalsha(self._tally, 1, name, meter.most, sent.number, sent.spent, sent.wish, _TALLY_S)

    def _name(self, table: str, key: str) -> str:
        """Keys hold people's names and addresses: the server sees a digest of them, and an even load."""
        text = f"{len(table)}:{table}{key}".encode("utf-8", "surrogatepass")
        return f"{self._prefix}:{hashlib.blake2b(text, digest_size=16).hexdigest()}"

    def _release(self, batch: list[_Sent]) -> None:
        for sent in batch:
            if sent.known is not None:
                sent.known()

    def _set_up(self, is_up: bool, error: Exception | None) -> None:
        if is_up == self.is_up and self._was_said:
            return
        self.is_up, self._was_said = is_up, True
        if is_up:
            _log.info("limits are counted together with the other gateways")
        else:
            _log.warning(
                "limits: the counts of all gateways are out of reach, this one gives out its share",
                reason=f"{type(error).__name__}: {error}" if error else "",
            )
            asked, self._asked = self._asked, []
            for _, _, _, known in asked:
                known()


def connect(policy: SharedPolicy) -> ValkeyLink:
    """The link to the server a policy names; nothing is sent yet."""
    return ValkeyLink(client_of(policy), policy.prefix)
