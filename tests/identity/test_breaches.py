"""New passwords looked up among breached ones: five digits leave, and whatever comes back keeps nobody waiting."""

import asyncio
import http.server
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from tests.identity.lab import NOW, PASSWORD, Lab, Visitor
from tests.identity.range_service import RangeService, send, sha1

from doorward.identity import breaches, events
from doorward.identity.enrolling import make_reset
from doorward.identity.users import add_user
from doorward.policy.breaches import BreachedPasswordsPolicy
from doorward.policy.loading import load_policy
from doorward.policy.review import relaxations
from doorward.store import Store

LEAKED = "a sentence that leaked elsewhere"
FINE = "a sentence that never leaked yet"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RangeService]:
    with RangeService(tmp_path).serving() as running:
        running.seen = {LEAKED: 3}
        yield running


def made_lab(store: Store, service: RangeService, **more: Any) -> Lab:
    lab, policy = Lab(store), service.policy(**more)
    lab.settings = replace(lab.settings, breached_passwords=lambda: policy)
    lab.app = lab.made_app()
    return lab


def change(visitor: Visitor, password: str) -> httpx.Response:
    visitor.get("/account")
    return visitor.send("/account/password", current=PASSWORD, password=password)


def reset(lab: Lab, password: str) -> httpx.Response:
    visitor = lab.visitor()
    visitor.get("/auth/reset", ticket=make_reset(lab.store, "alice", now=lab.now))
    return visitor.send("/auth/reset", password=password)


def noted(lab: Lab) -> list[dict[str, Any]]:
    return [event.detail for event in events.events_of(lab.store, "alice") if event.kind == "password.unchecked"]


@pytest.mark.parametrize("way", ["change", "reset"])
def test_a_password_of_a_breach_is_refused_and_its_twin_is_not(store: Store, service: RangeService, way: str) -> None:
    lab = made_lab(store, service)
    visitor = lab.visitor().signed_in()

    def set_to(password: str) -> httpx.Response:
        return change(visitor, password) if way == "change" else reset(lab, password)

    answer = set_to(LEAKED)
    assert answer.status_code == 400
    assert "known from data breaches" in answer.text
    assert set_to(FINE).status_code == 200
    assert lab.visitor().sign_in(FINE).status_code == 303
    assert noted(lab) == []


def test_five_digits_of_the_hash_leave_and_nothing_else(store: Store, service: RangeService) -> None:
    lab = made_lab(store, service)
    change(lab.visitor().signed_in(), FINE)
    (asked,) = service.requests
    path, fields = asked
    assert path == f"/range/{sha1(FINE)[:5]}"
    assert fields.pop("host") == f"127.0.0.1:{service.port}"
    assert fields.pop("connection") == "keep-alive"
    assert fields == {
        "accept": "text/plain",
        "accept-encoding": "identity",
        "add-padding": "true",
        "user-agent": "doorward",
    }


@pytest.mark.parametrize(("count_least", "status"), [(3, 400), (4, 200)])
def test_how_often_it_was_seen_counts(store: Store, service: RangeService, count_least: int, status: int) -> None:
    lab = made_lab(store, service, count_least=count_least)
    assert change(lab.visitor().signed_in(), LEAKED).status_code == status


def test_padding_is_no_breach(store: Store, service: RangeService) -> None:
    service.seen = {FINE: 0}
    assert change(made_lab(store, service).visitor().signed_in(), FINE).status_code == 200


def test_nobody_is_asked_at_a_login_or_by_strangers_or_for_what_is_refused_anyway(
    store: Store, service: RangeService
) -> None:
    lab = made_lab(store, service)
    visitor = lab.visitor().signed_in()
    assert change(visitor, "too short").status_code == 400
    assert change(visitor, "passwordpassword1").status_code == 400
    hidden = visitor.hidden("/account/password")
    stranger = lab.visitor()
    stranger.get("/auth/login")
    token = stranger.hidden("/auth/login")["csrf"]
    assert stranger.post("/account/password", csrf=token, password=FINE).headers["location"] == "/auth/login"
    assert stranger.post("/auth/reset", csrf=token, ticket="none", password=FINE).status_code == 400
    lab.now += 601
    assert visitor.post("/account/password", **hidden, password=FINE).headers["location"] == "/auth/login"
    assert service.requests == []


def _endless(service: RangeService) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/plain")
        handler.end_headers()
        line = f"{sha1('padding')[5:]}:0\r\n".encode()
        try:
            while not service.ended.is_set():
                handler.wfile.write(line * 1_000)
        except OSError:
            return

    return answer


def _dripping(service: RangeService) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/plain")
        handler.end_headers()
        try:
            while not service.ended.wait(0.01):
                handler.wfile.write(b"0")
        except OSError:
            return

    return answer


def _silent(service: RangeService) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(_handler: http.server.BaseHTTPRequestHandler) -> None:
        service.ended.wait(30)

    return answer


def _saying(body: bytes, **more: Any) -> Callable[[RangeService], Callable[[http.server.BaseHTTPRequestHandler], None]]:
    return lambda _service: lambda handler: send(handler, body, **more)


def _elsewhere(service: RangeService) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("location", f"https://127.0.0.1:{service.port}/elsewhere")
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


SUFFIX = sha1(FINE)[5:].encode()
HOSTILE = {
    "endless": (_endless, 10.0),
    "dripping": (_dripping, 2.0),  # long enough to be asked at all on a busy machine
    "silent": (_silent, 2.0),
    "redirect": (_elsewhere, 10.0),
    "error": (_saying(SUFFIX + b":5", status=503), 10.0),
    "html": (_saying(SUFFIX + b":5", kind="text/html"), 10.0),
    "empty": (_saying(b""), 10.0),
    "huge count": (_saying(SUFFIX + b":" + b"9" * 100_000), 10.0),
    "negative count": (_saying(SUFFIX + b":-5"), 10.0),
    "short suffix": (_saying(SUFFIX[:-1] + b":5"), 10.0),
    "one bad line": (_saying(SUFFIX + b":5\r\n<html>"), 10.0),
    "only line ends": (_saying(b"\n" * 200_000), 10.0),
    "too long": (_saying((SUFFIX + b":5\r\n") * 8_000), 10.0),
}


@pytest.mark.parametrize("unanswered", ["judge", "refuse"])
@pytest.mark.parametrize("answer", HOSTILE)
def test_an_answer_that_is_none_is_an_event_and_what_the_policy_says(
    store: Store, service: RangeService, answer: str, unanswered: str, caplog: pytest.LogCaptureFixture
) -> None:
    made, timeout_s = HOSTILE[answer]
    service.hostile = made(service)
    lab = made_lab(store, service, timeout_s=timeout_s, unanswered=unanswered)
    visitor = lab.visitor().signed_in()
    with caplog.at_level(logging.WARNING):
        page = change(visitor, FINE)
    assert page.status_code == (200 if unanswered == "judge" else 400)
    assert ("cannot be looked up now" in page.text) == (unanswered == "refuse")
    (detail,) = noted(lab)
    assert detail["outcome"] == unanswered
    assert len(service.requests) == 1
    told = json.dumps(detail) + caplog.text + page.text
    assert sha1(FINE)[:5] not in told.upper()
    assert change(visitor, "too short").status_code == 400


def test_a_service_that_is_away_or_not_public_or_not_itself_is_none(store: Store, service: RangeService) -> None:
    ways: tuple[dict[str, Any], ...] = (
        {"url": "https://127.0.0.1:1/range"},
        {"insecure_networks": ()},
        {"ca_file": None},
        {"ca_file": service.ca_file.parent / "none.pem"},
    )
    for more in ways:
        with pytest.raises(breaches.NotLookedUp):
            asyncio.run(breaches.require_unbreached(service.policy(**more), FINE))
    assert service.requests == []


def test_who_makes_it_fail_again_and_again_fills_no_record(store: Store, service: RangeService) -> None:
    service.hostile = _saying(b"")(service)
    lab = made_lab(store, service, unanswered="refuse")
    visitor = lab.visitor().signed_in()
    for _ in range(8):
        assert change(visitor, FINE).status_code == 400
    assert len(noted(lab)) == 3


def test_while_it_is_silent_others_sign_in_and_one_user_waits_for_one_answer(
    store: Store, service: RangeService
) -> None:
    """Both threads that may hash, and the event loop, stay free."""
    asked, go_on = threading.Semaphore(0), threading.Event()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.release()
        go_on.wait(30)
        send(handler, service.range_of(handler.path.rpartition("/")[2]))

    service.hostile = answer
    lab = made_lab(store, service)
    names = ["alice", *(f"user{number}" for number in range(4))]
    for name in names[1:]:
        add_user(store, name, now=NOW, password=PASSWORD)
    visitors = {name: lab.visitor().signed_in(name=name) for name in names}
    other = lab.visitor()
    other.get("/auth/login")
    login = {**other.hidden("/auth/login"), "name": "alice", "password": PASSWORD}

    async def post(visitor: Visitor, path: str, **fields: str) -> httpx.Response:
        transport = httpx.ASGITransport(lab.app, client=("192.0.2.1", 40_000))
        own = {"origin": lab.issuer, "sec-fetch-site": "same-origin"}
        async with httpx.AsyncClient(transport=transport, base_url=lab.issuer, cookies=visitor.cookies) as http_client:
            return await http_client.post(path, data=fields, headers=own)

    async def run() -> None:
        forms = {
            name: {**visitor.hidden("/account/password"), "current": PASSWORD, "password": FINE}
            for name, visitor in visitors.items()
        }
        changes = [
            asyncio.create_task(post(visitor, "/account/password", **forms[name])) for name, visitor in visitors.items()
        ]
        for _ in changes:
            await asyncio.to_thread(asked.acquire)
        again = await post(visitors["alice"], "/account/password", **forms["alice"])
        assert again.status_code == 503
        assert (await post(other, "/auth/login", **login)).status_code == 303
        assert not any(task.done() for task in changes)
        go_on.set()
        assert [answer.status_code for answer in await asyncio.gather(*changes)] == [200] * len(changes)

    asyncio.run(run())
    assert len(service.requests) == len(names)


def test_how_it_was_typed_makes_no_difference(store: Store, service: RangeService) -> None:
    """What is kept is the normal form: whoever tries the breached one gets in with it."""
    wide = LEAKED.translate({ord("a"): "\uff41"})
    assert wide != LEAKED
    assert change(made_lab(store, service).visitor().signed_in(), wide).status_code == 400


@pytest.mark.parametrize(
    "url",
    [
        "http://range.example/range",
        "https://",
        "https://user@range.example/range",
        "https://range.example/range?x=1",
        "https://range.example/a b",
        "https://[::1/range",
        "range.example",
    ],
)
def test_an_address_that_is_none_does_not_load(url: str) -> None:
    with pytest.raises(ValidationError):
        BreachedPasswordsPolicy(url=url)


def test_a_range_counts_the_same_however_it_is_written() -> None:
    suffix = SUFFIX
    for text in (suffix + b":7", suffix.lower() + b":7\n", b"0" * 35 + b":9\r\n" + suffix + b":7\r\n"):
        assert breaches.count_in(text, suffix) == 7
    assert breaches.count_in(b"0" * 35 + b":9", suffix) == 0


def test_check_tells_of_a_service_that_is_not_public(tmp_path: Path) -> None:
    service = "{url: 'https://range.example/range', insecure_networks: [10.0.0.0/8]}"
    policy = tmp_path / "doorward.yaml"
    policy.write_text(
        "api: openapi.yaml\nupstream: http://127.0.0.1:8000\ninsecure_plain_http: true\n"
        f"issuer: {{breached_passwords: {service}}}\n"
    )
    told = [finding.key for finding in relaxations(load_policy(policy))]
    assert "issuer.breached_passwords.insecure_networks" in told
