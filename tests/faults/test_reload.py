from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.faults.conftest import Load, Running, Start

RELOADS = 20


def policy_in_force(event: dict[str, Any]) -> bool:
    return bool(event["event"] == "policy in force")


def write(policy: Path, *, reader: str) -> None:
    lines = policy.read_text().splitlines()
    policy.write_text("\n".join(f"  reader: [{reader}]" if "reader:" in line else line for line in lines) + "\n")


@pytest.mark.slow
def test_no_request_fails_while_the_policy_is_reloaded(start: Start, load: type[Load]) -> None:
    with start() as running:
        with load(running, clients=2) as kept, load(running, clients=2, keeps_connection=False) as fresh:
            for number in range(RELOADS):
                write(running.policy, reader="GET *" if number % 2 else "GET /items/*")
                before = running.position
                running.reload()
                running.wait_for(policy_in_force, after=before)
                kept.wait_for_answers(4)
                fresh.wait_for_answers(2)
        for clients in (kept, fresh):
            assert not clients.failed
            assert {status for status, _ in clients.answered} == {200}


@pytest.fixture(scope="module")
def serving(start: Start) -> Iterator[Running]:
    with start() as running:
        yield running


@pytest.mark.parametrize(
    ("broken", "place", "key"),
    [
        ("limits: {body_byte: 5}", "doorward.yaml:1", "limits.body_byte"),
        ("limits: {body_bytes: many}", "doorward.yaml:1", "limits.body_bytes"),
        ("modes: {inspect: of}", "doorward.yaml:1", "modes.inspect"),
        ("tls: {certificate: no.pem, key: no.key}", "doorward.yaml", "tls"),
        ("api: nowhere.yaml", "nowhere.yaml", "api"),
        ("api: ]", "doorward.yaml:1", ""),
        ("upstream: ${NOT_SET_ANYWHERE}", "doorward.yaml:1", "upstream"),
    ],
)
def test_a_bad_policy_is_refused_with_its_place_and_the_old_one_serves_on(
    serving: Running, broken: str, place: str, key: str
) -> None:
    good = serving.policy.read_text()
    name = broken.partition(":")[0]
    kept = [text for text in good.splitlines() if not text.startswith(f"{name}:")]
    serving.policy.write_text("\n".join([broken, *kept]) + "\n")
    before = serving.position
    serving.reload()
    position = serving.wait_for(lambda event: event["event"].startswith("policy refused"), after=before)
    serving.policy.write_text(good)
    refusal = serving.events[position - 1]
    assert refusal["place"].endswith(place), refusal
    assert refusal["key"] == key, refusal
    assert serving.ask() == (200, {"id": 1})


def test_a_change_that_needs_a_restart_is_said_and_the_rest_is_taken_up(start: Start) -> None:
    with start() as running:
        assert running.ask()[0] == 200
        text = running.policy.read_text().replace('admin: ["*"]', "admin: [PUT *]")
        running.policy.write_text(text + "workers: 2\n")
        before = running.position
        running.reload()
        running.wait_for(lambda event: event.get("key") == "workers", after=before)
        running.wait_for(policy_in_force, after=before)
        assert running.ask()[0] == 403
        assert not [event for event in running.events if event.get("child") == "worker-1"]


def test_what_a_reload_takes_away_is_refused_from_then_on(start: Start) -> None:
    with start() as running:
        assert running.ask()[0] == 200
        text = running.policy.read_text().replace('admin: ["*"]', "admin: [PUT *]")
        running.policy.write_text(text)
        before = running.position
        running.reload()
        running.wait_for(policy_in_force, after=before)
        assert running.ask()[0] == 403
