"""How attacks are sent: in which order, with whose credential, as often as asked, and with patience."""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest

from doorward.attack import runner as runner_module
from doorward.attack.case import Ask, Attack
from doorward.attack.judge import Outcome
from doorward.attack.runner import Runner, in_order
from doorward.attack.samples import DescribedSamples
from doorward.attack.wire import Answer, Target

TARGET = Target(host="127.0.0.1", port=1)


def attack(earns: str, send: Ask | None, twin: Ask | None = None) -> Attack:
    return Attack(
        id=f"{earns}.x",
        name="x",
        earns=earns,
        threat="API8:2023",
        source="none",
        send=lambda _samples: send,
        twin=lambda _samples: twin or Ask(target="/twin"),
    )


def denied(code: str, status: int, *headers: tuple[str, str]) -> Answer:
    body = orjson.dumps({"type": f"urn:doorward:denial:{code}"})
    return Answer(status=status, headers=(("content-type", "application/problem+json"), *headers), body=body)


class FakeConnection:
    """Stands for the network: keeps what was sent, answers by a rule."""

    sent: list[bytes]
    rule: Callable[[bytes], Answer]

    def __init__(self, target: Target, **_: Any) -> None:
        self.is_open = True

    def send(self, data: bytes, *, pause_s: float = 0.0) -> None:
        type(self).sent.append(data)

    def receive(self, **_: Any) -> Answer:
        return type(self).rule(type(self).sent[-1])

    def close(self) -> None:
        self.is_open = False


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> type[FakeConnection]:
    class Network(FakeConnection):
        sent: list[bytes] = []  # noqa: RUF012 - made anew for each test
        rule = staticmethod(lambda data: Answer(status=200))

    monkeypatch.setattr(runner_module, "Connection", Network)
    return Network


def test_the_twin_goes_first(network: type[FakeConnection], bank_samples: DescribedSamples) -> None:
    Runner(TARGET, bank_samples).try_one(attack("authorize.role", Ask(target="/attack")))
    assert [data.split(b" ")[1] for data in network.sent] == [b"/twin", b"/attack"]


def test_what_the_api_has_no_operation_for_is_not_applicable(bank_samples: DescribedSamples) -> None:
    outcome = Runner(TARGET, bank_samples).try_one(attack("authorize.role", None))
    assert outcome.verdict == "not_applicable"
    assert not outcome.is_failure


def test_an_api_that_does_not_give_back_what_it_is_sent_teaches_nothing(
    network: type[FakeConnection], bank_samples: DescribedSamples
) -> None:
    made = replace(
        attack("minimise.masked", Ask(target="/attack"), Ask(target="/twin", echoes="a word")),
        is_harmless=lambda answer: b"secret" not in answer.body,
    )
    outcome = Runner(TARGET, bank_samples).try_one(made)
    assert (outcome.verdict, len(network.sent)) == ("not_applicable", 1)
    network.rule = staticmethod(lambda _data: Answer(status=200, body=b"a word"))
    assert Runner(TARGET, bank_samples).try_one(made).verdict == "held"
    network.rule = staticmethod(lambda _data: Answer(status=200, body=b"a word, a secret"))
    assert Runner(TARGET, bank_samples).try_one(made).verdict == "got_through"
    network.rule = staticmethod(lambda _data: denied("validate.schema", 400))
    refused = replace(made, is_harmless=None, earns="validate.schema")
    assert Runner(TARGET, bank_samples).try_one(refused).verdict == "twin_refused"


def test_the_credential_of_who_is_added_unless_the_ask_brings_one(
    network: type[FakeConnection], bank_samples: DescribedSamples
) -> None:
    own = Ask(target="/a", who="reader").with_header("Authorization", "Bearer own")
    Runner(TARGET, bank_samples).try_one(attack("authorize.role", own, Ask(target="/b", who="reader")))
    assert network.sent[0].count(b"Authorization: Bearer ey") == 1
    assert network.sent[1].count(b"Authorization") == 1
    assert b"Bearer own" in network.sent[1]


def test_raw_bytes_are_filled_in_and_otherwise_left_alone(
    network: type[FakeConnection], bank_samples: DescribedSamples
) -> None:
    raw = Ask(target="/p", raw=b"GET {path} HTTP/1.1\nHost: {host}\r\n{authorization}\r\n")
    Runner(TARGET, bank_samples).try_one(attack("transport.bare_lf", raw))
    assert b"GET /p HTTP/1.1\nHost: 127.0.0.1:1\r\n\r\n" in network.sent


def test_a_flood_ends_as_soon_as_it_is_stopped(network: type[FakeConnection], bank_samples: DescribedSamples) -> None:
    def rule(data: bytes) -> Answer:
        floods = sum(b"/flood" in each for each in network.sent)
        return denied("limits.rate", 429) if floods > 3 else Answer(status=200)

    network.rule = staticmethod(rule)
    outcome = Runner(TARGET, bank_samples).try_one(attack("limits.rate", Ask(target="/flood", times=50)))
    assert outcome.verdict == "held"
    assert len(network.sent) == 5


def test_a_rate_limit_that_is_not_the_matter_is_waited_for(
    network: type[FakeConnection], bank_samples: DescribedSamples, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("doorward.attack.runner.time.sleep", waits.append)

    def rule(data: bytes) -> Answer:
        if not waits:
            return denied("limits.rate", 429, ("retry-after", "7"))
        return Answer(status=200) if b"/twin" in data else denied("authorize.role", 403)

    network.rule = staticmethod(rule)
    outcome = Runner(TARGET, bank_samples).try_one(attack("authorize.role", Ask(target="/attack")))
    assert outcome.verdict == "held"
    assert waits == [7.0]


def test_a_hidden_second_request_is_watched_for(network: type[FakeConnection], bank_samples: DescribedSamples) -> None:
    answers = iter([Answer(status=200), Answer(status=200), denied("transport.cl_te", 400)])
    network.rule = staticmethod(lambda data: next(answers))
    outcome = Runner(TARGET, bank_samples).try_one(attack("transport.cl_te", Ask(raw=b"GET / HTTP/1.1\r\n\r\nGET")))
    assert outcome.verdict == "held"


def test_a_stage_of_the_laboratory_holds_while_the_ask_is_sent(
    network: type[FakeConnection], bank_samples: DescribedSamples
) -> None:
    events: list[str] = []

    @contextmanager
    def stages(name: str) -> Any:
        events.append(f"{name} up after {len(network.sent)}")
        yield TARGET
        events.append(f"{name} down after {len(network.sent)}")

    Runner(TARGET, bank_samples, stages=stages).try_one(attack("forward.upstream_busy", Ask(lab="busy")))
    assert events == ["busy up after 1", "busy down after 2"]


def test_limits_come_last_and_floods_at_the_very_end() -> None:
    codes = ["limits.rate", "limits.quota", "transport.cl_te", "audit.unavailable"]
    ordered = in_order([attack(code, None) for code in codes])
    assert [each.earns for each in ordered] == ["transport.cl_te", "audit.unavailable", "limits.quota", "limits.rate"]


def test_every_outcome_is_handed_on(network: type[FakeConnection], bank_samples: DescribedSamples) -> None:
    outcomes: list[Outcome] = list(
        Runner(TARGET, bank_samples).run([attack("authorize.role", None), attack("limits.rate", None)])
    )
    assert [outcome.attack.earns for outcome in outcomes] == ["authorize.role", "limits.rate"]
