"""Counts kept by a real server: exact where they must be, lost and found again (fault 25)."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from tests.faults.valkey import PASSWORD, Valkey, valkey

from doorward.controls.limits import Bucket, Counters, Rate, SharedPolicy
from doorward.exchange import Pending
from doorward.gateway.limit_valkey import ANSWER_S, ValkeyLink, connect
from doorward.gateway.valkey_client import RETRY_S

KEY = "issuer|alice"
PATIENCE_S = 20.0
Test = Callable[[list[ValkeyLink]], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as made:
        yield made


def run(server: Valkey, test: Test, hosts: int = 2, *, answer_s: float = PATIENCE_S) -> None:
    """The test with the links of so many hosts, all of which reached the server.

    `answer_s`: how long they wait for it. A busy machine is no server that does not answer.
    """
    server.client.flushall()
    policy = SharedPolicy.model_validate(
        {"url": f"valkey://127.0.0.1:{server.port}/0", "password": PASSWORD, "hosts": hosts}
    )

    async def with_links() -> None:
        links = [connect(policy) for _ in range(hosts)]
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(link.run()) for link in links]
            await until(lambda: all(link.is_up for link in links))
            await test(links)
            for task in running:
                task.cancel()
        for link in links:
            await link.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("doorward.gateway.limit_valkey.ANSWER_S", answer_s)
        asyncio.run(with_links())


async def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def admitted(bucket: Bucket, key: str = KEY) -> bool:
    """Whether one more request is let through."""
    while True:
        now_ns = time.monotonic_ns()
        after = bucket.after(key, now_ns)
        left = bucket.left(after, now_ns)
        if left < 0:
            bucket.look_again(key)
            return False
        try:
            bucket.settle(key, left)
        except Pending as pending:
            known = asyncio.Event()
            pending.ask(known.set)
            await known.wait()
            continue
        bucket.charge(key, after, now_ns)
        return True


def rates(links: list[ValkeyLink], rate: str) -> list[Bucket]:
    return [Counters(len(links), link=link).rate("r", Rate.parse(rate)) for link in links]


def quotas(links: list[ValkeyLink], most: int) -> list[Bucket]:
    return [Counters(len(links), link=link).quotas["day"].at(time.time(), most) for link in links]


async def together(buckets: list[Bucket], rounds: int) -> int:
    """How many of so many requests to each host are let through, all hosts at once."""
    verdicts = await asyncio.gather(*(admitted(bucket) for _ in range(rounds) for bucket in buckets))
    return sum(verdicts)


@pytest.mark.parametrize("made", [lambda links: rates(links, "7/day"), lambda links: quotas(links, 7)])
def test_a_small_limit_is_exact_over_all_hosts(
    server: Valkey, made: Callable[[list[ValkeyLink]], list[Bucket]]
) -> None:
    async def test(links: list[ValkeyLink]) -> None:
        assert await together(made(links), 20) == 7

    run(server, test)


def test_a_large_limit_is_told_afterwards_and_paid_for(server: Valkey) -> None:
    async def test(links: list[ValkeyLink]) -> None:
        first, second = quotas(links, 200)
        for _ in range(5):
            assert await admitted(first)
        # the other host knows once it was told
        await until(lambda: bool(server.client.keys()) and int(server.client.get(server.client.keys()[0]) or 0) == 5)
        assert await together([second], 300) == 195

    run(server, test)


def test_a_rate_is_earned_back_by_the_servers_clock(server: Valkey) -> None:
    async def test(links: list[ValkeyLink]) -> None:
        first, second = rates(links, "20/second burst 2")
        assert await together([first, second], 5) == 2
        for _ in range(400):
            if await admitted(second):
                return
            await asyncio.sleep(0.005)
        pytest.fail("nothing was earned back")

    run(server, test)


def test_keys_hold_no_names_and_go_when_they_say_nothing_any_more(server: Valkey) -> None:
    async def test(links: list[ValkeyLink]) -> None:
        assert await admitted(rates(links, "5/second")[0])
        names = list(server.client.scan_iter())
        assert [bytes(name).split(b":")[0] for name in names] == [b"doorward"]
        assert b"alice" not in bytes(names[0])
        assert 0 < server.client.pttl(names[0]) <= 2_000
        assert await admitted(quotas(links, 5)[0])
        assert all(server.client.pttl(name) > 0 for name in server.client.scan_iter())

    run(server, test)


def test_a_wiped_server_gets_its_counts_back_from_those_who_know(server: Valkey) -> None:
    async def test(links: list[ValkeyLink]) -> None:
        buckets = quotas(links, 6)
        assert await together(buckets[:1], 4) == 4
        server.client.flushall()
        assert await together(buckets[:1], 10) == 2

    run(server, test)


def test_without_the_server_each_host_gives_out_its_share_of_what_was_left(server: Valkey) -> None:
    async def test(links: list[ValkeyLink]) -> None:
        buckets = quotas(links, 10)
        assert await together(buckets, 1) == 2
        server.stop()
        assert await together(buckets, 20) <= 8
        await until(lambda: not any(link.is_up for link in links))
        server.start()
        await until(lambda: all(link.is_up for link in links))
        assert await together(buckets, 20) <= 10

    run(server, test)


def test_a_server_that_sleeps_is_not_waited_for(server: Valkey) -> None:
    async def test(links: list[ValkeyLink]) -> None:
        bucket = quotas(links, 10)[0]
        assert await admitted(bucket)
        sleeping = asyncio.get_running_loop().run_in_executor(
            None, server.client.execute_command, "DEBUG", "SLEEP", str(4 * RETRY_S)
        )
        await asyncio.sleep(0.05)
        assert await together([bucket], 20) == 4  # half of the nine that were left, rounded down
        assert not sleeping.done()
        await sleeping
        await until(lambda: all(link.is_up for link in links))

    run(server, test, answer_s=ANSWER_S)


def test_a_password_is_in_no_text() -> None:
    policy = SharedPolicy.model_validate({"url": "redis://127.0.0.1:1/0", "password": PASSWORD})
    assert PASSWORD not in repr(policy)
    assert "password" not in policy.model_dump(mode="json")
    assert PASSWORD not in repr(connect(policy))


@pytest.mark.parametrize("url", ["http://127.0.0.1", "redis://user:secret@127.0.0.1", "redis://", "redis://h/x"])
def test_an_address_that_is_none_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        SharedPolicy.model_validate({"url": url})
