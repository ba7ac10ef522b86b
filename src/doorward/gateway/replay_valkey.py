"""Proofs used once at any of several hosts, kept by a Valkey or Redis server (extra `valkey`).

What the server cannot vouch for is refused: while it cannot be reached, and everything that could have been used before
it began. Its memory begins anew whenever it was emptied, and with every start of its process, since what it last wrote
may be lost; a server that was put in another's place is another process, too.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from doorward.controls.limits import SharedPolicy
from doorward.gateway.replay_messages import Proof, Word
from doorward.gateway.valkey_client import RETRY_S, client_of

_log: Final = structlog.get_logger()

ANSWER_S: Final = 0.25
"""Longest wait for the server, in seconds: less than a worker waits for us."""
CLOCKS_S: Final = 5.0
"""How far the clocks of the hosts and of the server may be apart, in seconds. Beyond it nothing is accepted."""
AGE_MOST_S: Final = 300.0
"""As old a proof may be under any policy, in seconds. Each is kept that long: the policy in force tomorrow may be more
patient than the one under which it was used."""
BATCH_COUNT: Final = 512
_EVICTS: Final = ("allkeys", "volatile")

# Both keys are in one slot, as a cluster wants it. The time is told, so that clocks can be compared.
_CLAIM: Final = """
local clock = redis.call('TIME')
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {-1, tonumber(clock[1])} end
if redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[2]) then return {1, tonumber(clock[1])} end
return {0, tonumber(clock[1])}
"""
_BEGIN: Final = """
local found = redis.call('GET', KEYS[1])
if found and string.sub(found, 1, #ARGV[1]) == ARGV[1] then return found end
local made = ARGV[1] .. redis.call('TIME')[1]
redis.call('SET', KEYS[1], made)
return made
"""
_WORDS: Final[dict[int, Word]] = {1: "first", 0: "seen"}


class ForgetfulServerError(Exception):
    """The server would let go of proofs that are still good, or tells another time than we do."""


class ValkeyReplays:
    """Asked by the control process for its workers. `run` does the work; answers come in the order of the questions."""

    def __init__(self, client: Redis, prefix: str, clock: Callable[[], float] = time.time) -> None:
        self.is_up = False
        self._client, self._clock = client, clock
        self._prefix = f"{prefix}:{{replays}}"
        self._memory, self._process = b"", ""
        """The memory that we know, and the process that has it."""
        self._complete_since = 0.0
        self._claim = ""
        self._asked: list[tuple[Sequence[Proof], Callable[[list[Word]], None]]] = []
        self._wake = asyncio.Event()
        self._was_said = False

    def claim(self, proofs: Sequence[Proof], known: Callable[[list[Word]], None]) -> None:
        """Nothing; `known` is called with a word for each proof, at once when nobody can be asked."""
        if not self.is_up:
            known(["unknown"] * len(proofs))
            return
        self._asked.append((proofs, known))
        self._wake.set()

    async def run(self) -> None:
        """Ask, for ever. Cancel it to end it."""
        while True:
            if not self.is_up and not await self._reached():
                await asyncio.sleep(RETRY_S)
                continue
            await self._wake.wait()
            self._wake.clear()
            while self._asked and self.is_up:
                await self._ask()

    async def close(self) -> None:
        """Let go of the server."""
        await self._client.aclose()

    # -- the conversation -----------------------------------------------------------------------------------------

    async def _reached(self) -> bool:
        try:
            async with asyncio.timeout(RETRY_S):
                info = await self._client.info()
                _require_memory(info)
                self._process = str(info["run_id"])
                self._claim = await self._client.script_load(_CLAIM)
                self._memory = await self._client.eval(_BEGIN, 1, f"{self._prefix}:born", f"{self._process} ")
                seconds, _ = await self._client.time()
                self._require_time(seconds)
        except (RedisError, OSError, TimeoutError, ForgetfulServerError, KeyError) as error:
            self._set_up(False, error)
            return False
        # The second it began in is over, by everybody's clock.
        self._complete_since = int(self._memory.rpartition(b" ")[2]) + 1 + CLOCKS_S
        self._set_up(True, None)
        return True

    async def _ask(self) -> None:
        """Ask for what is waiting, at most so many at a time."""
        batch = self._asked[: max(1, BATCH_COUNT)]
        del self._asked[: len(batch)]
        now = self._clock()
        proofs = [proof for asked, _ in batch for proof in asked]
        asked_for = [proof.usable_from > self._complete_since for proof in proofs]
        problem: Exception | None = None
        words: list[Word] = ["unknown"] * len(proofs)
        try:
            async with asyncio.timeout(ANSWER_S):
                answers = await self._answers(
                    [proof for proof, asks in zip(proofs, asked_for, strict=True) if asks], now
                )
            words = [next(answers) if asks else "unknown" for asks in asked_for]
        except (RedisError, OSError, TimeoutError, ForgetfulServerError, KeyError) as error:
            problem = error
        self._tell(batch, words)
        if problem is not None:
            self._set_up(False, problem)

    async def _answers(self, proofs: Sequence[Proof], now: float) -> Any:
        """An iterator over the words for these proofs. Errors: as `redis` has them; ForgetfulServerError."""
        pipeline = self._client.pipeline(transaction=False)
        # First of all, over the same connection: whose answers these are. A lost connection is replaced silently.
        pipeline.info("server")
        for proof in proofs:
            keep_ms = int((max(proof.until - now, AGE_MOST_S) + 2 * CLOCKS_S) * 1000)
            key = f"{self._prefix}:{proof.proof.hex()}"
            pipeline.evalsha(self._claim, 2, key, f"{self._prefix}:born", self._memory, keep_ms)
        info, *answers = await pipeline.execute()
        if info["run_id"] != self._process or any(verdict < 0 for verdict, _ in answers):
            raise ForgetfulServerError("its memory began anew")
        for _, seconds in answers:
            self._require_time(seconds)
        return iter([_WORDS[verdict] for verdict, _ in answers])

    def _tell(
        self, batch: Sequence[tuple[Sequence[Proof], Callable[[list[Word]], None]]], words: Sequence[Word]
    ) -> None:
        start = 0
        for asked, known in batch:
            known(list(words[start : start + len(asked)]))
            start += len(asked)

    def _require_time(self, seconds: int) -> None:
        apart = self._clock() - seconds
        if not -CLOCKS_S <= apart <= CLOCKS_S + 1:
            raise ForgetfulServerError(f"its clock and ours are {apart:.0f} s apart")

    def _set_up(self, is_up: bool, error: Exception | None) -> None:
        waiting, self._asked = ([], self._asked) if is_up else (self._asked, [])
        was_up, self.is_up = self.is_up, is_up
        for proofs, known in waiting:
            known(["unknown"] * len(proofs))
        if is_up == was_up and self._was_said:
            return
        self._was_said = True
        if is_up:
            _log.info("proofs used once are remembered together with the other gateways")
        else:
            _log.error(
                "proofs used once: the memory of all gateways is out of reach, what would need it is refused",
                reason=f"{type(error).__name__}: {error}",
            )


def connect(policy: SharedPolicy) -> ValkeyReplays:
    """The memory on the server a policy names; nothing is sent yet."""
    return ValkeyReplays(client_of(policy), policy.prefix)


def _require_memory(info: dict[str, Any]) -> None:
    """Nothing, when the server forgets no key before its time. Errors: ForgetfulServerError."""
    policy = str(info.get("maxmemory_policy", ""))
    if int(info.get("maxmemory", 0)) and policy.startswith(_EVICTS):
        raise ForgetfulServerError(f"maxmemory-policy is {policy}: it must be noeviction")
