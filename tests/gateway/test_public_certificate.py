"""The task that sees to a public certificate: when it asks, what it shows, what it does when the server will not."""

import asyncio
import datetime as dt
import os
import ssl
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
import yaml
from pydantic import ValidationError
from tests.acme.server import DIRECTORY, FakeServer, Refused
from tests.gateway.certificates import Authority

from doorward.acme import due_at
from doorward.gateway.public_certificate import (
    FILE,
    LOOK_S,
    RETRY_MOST_S,
    RETRY_S,
    SUGGESTIONS_S,
    PublicCertificate,
    ShownCertificate,
    _read,
)
from doorward.gateway.server_tls import ServerTls, names_in
from doorward.identity.sealing import ServerSecret
from doorward.policy.document import Policy
from doorward.policy.tls import AcmeSettings, TlsSettings

NOW = dt.datetime(2027, 1, 15, 8, tzinfo=dt.UTC)
NAME = "api.example.test"


class Case:
    def __init__(self, state: Path) -> None:
        (state / "keys").mkdir()
        self.state, self.now, self.renewals = state, NOW, 0
        self.settings: AcmeSettings | None = AcmeSettings(directory=DIRECTORY, names=(NAME,), agree_to_terms=True)
        self.server = FakeServer(self.web, lambda: self.now)
        self.task = PublicCertificate(
            state,
            ServerSecret(bytes(32)),
            lambda: self.settings,
            self.renewed,
            clock=lambda: self.now,
            pause=self.pause,
            ask=lambda _settings: self.server,
        )

    def web(self, _name: str, path: str) -> str:
        assert self.settings is not None
        return f"{path.rpartition('/')[2]}.{self.task.account(self.settings).thumbprint}"

    def renewed(self) -> None:
        self.renewals += 1

    async def pause(self, _seconds: float) -> None:
        """No time passes here."""

    def look(self) -> float:
        return asyncio.run(self.task.look())

    def failed(self) -> float:
        """How long it then waits, once that time is over."""
        wait_s = self.look()
        self.now += dt.timedelta(seconds=wait_s)
        return wait_s

    @property
    def certificate(self) -> Any:
        found = _read(self.state / FILE)
        assert found is not None
        return found


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_a_certificate_is_asked_for_once_and_kept_privately(case: Case) -> None:
    assert case.look() == LOOK_S
    assert case.look() == LOOK_S
    assert (len(case.server.orders), case.renewals) == (1, 1)
    assert (case.state / FILE).stat().st_mode & 0o777 == 0o600
    assert not [path for path in (case.state / "tls").iterdir() if path.name != FILE.name]


def test_it_is_renewed_after_two_thirds_of_its_life(case: Case) -> None:
    case.look()
    first = case.certificate
    case.now = due_at(first) - dt.timedelta(seconds=1)
    case.look()
    assert len(case.server.orders) == 1
    case.now = due_at(first)
    case.look()
    assert len(case.server.orders) == 2
    assert case.certificate.serial_number != first.serial_number
    assert case.server.orders[1]["replaces"] is None


def test_a_server_that_wants_it_renewed_earlier_is_heard(case: Case) -> None:
    case.server.window = {"start": "2027-02-01T00:00:00Z", "end": "2027-02-02T00:00:00Z"}
    case.look()
    case.look()
    assert len(case.server.orders) == 1
    case.server.window = {"start": "2027-01-15T00:00:00Z", "end": "2027-01-15T00:00:01Z"}
    case.now += dt.timedelta(seconds=SUGGESTIONS_S - 1)
    case.look()
    assert len(case.server.orders) == 1
    case.now += dt.timedelta(seconds=1)
    case.look()
    assert len(case.server.orders) == 2
    assert case.server.orders[1]["replaces"]


@pytest.mark.parametrize("place", ["https://[acme.test", "https://other.test/renewalInfo", 7], ids=str)
def test_a_server_that_leads_nowhere_for_its_suggestion_cannot_keep_the_renewal_from_happening(
    case: Case, place: object
) -> None:
    case.look()
    case.server.changes = {"/directory": {"renewalInfo": place}}
    case.task = PublicCertificate(
        case.state,
        ServerSecret(bytes(32)),
        lambda: case.settings,
        case.renewed,
        clock=lambda: case.now,
        pause=case.pause,
        ask=lambda _settings: case.server,
    )
    case.now = due_at(case.certificate)
    assert case.look() == LOOK_S
    assert len(case.server.orders) == 2


def test_a_server_cannot_put_the_renewal_off(case: Case) -> None:
    case.server.window = {"start": "2027-04-10T00:00:00Z", "end": "2027-04-11T00:00:00Z"}
    case.look()
    case.now = due_at(case.certificate)
    case.look()
    assert len(case.server.orders) == 2


def test_a_server_that_cannot_replace_still_gives_a_new_one(case: Case) -> None:
    case.server.window = {"start": "2027-02-01T00:00:00Z", "end": "2027-02-02T00:00:00Z"}
    case.look()
    case.now = due_at(case.certificate)
    ordered = case.server.answer

    def refuses(method: str, path: str, url: str, content: bytes | None) -> Any:
        found = ordered(method, path, url, content)
        if path == "/newOrder" and case.server.orders[-1]["replaces"]:
            case.server.orders.pop()
            raise Refused("alreadyReplaced", 409)
        return found

    case.server.answer = refuses  # type: ignore[method-assign]
    case.look()
    assert len(case.server.orders) == 2


def test_a_try_that_fails_leaves_the_certificate_and_the_next_one_comes_later_and_later(case: Case) -> None:
    case.look()
    before = (case.state / FILE).read_bytes()
    case.now = due_at(case.certificate)
    case.server.is_away = True
    with structlog.testing.capture_logs() as lines:
        waits = [case.failed() for _ in range(12)]
    assert waits[:3] == [RETRY_S, 2 * RETRY_S, 4 * RETRY_S]
    assert waits[-1] == RETRY_MOST_S
    assert (case.state / FILE).read_bytes() == before
    told = [line for line in lines if line["event"] == "no new certificate, the one in force stays"]
    assert len(told) == 12
    assert "did not answer" in told[0]["reason"]
    assert told[0]["until"].startswith("2027-04-15")
    case.server.is_away = False
    assert case.look() == LOOK_S
    case.now = due_at(case.certificate)
    case.server.is_away = True
    assert case.look() == RETRY_S


def test_a_server_that_is_busy_is_left_alone_as_long_as_it_wants(case: Case) -> None:
    case.server.refuse_order = Refused("rateLimited", 429, retry_after="3000")
    assert case.look() == 3_000


def test_a_server_that_wants_each_new_one_renewed_at_once_gets_its_way_every_six_hours_only(case: Case) -> None:
    case.server.window = {"start": "2027-01-01T00:00:00Z", "end": "2027-01-01T00:00:01Z"}
    for _ in range(20):
        case.look()
        case.now += dt.timedelta(seconds=LOOK_S)
    assert len(case.server.orders) == 1
    case.now += dt.timedelta(seconds=SUGGESTIONS_S)
    case.look()
    assert len(case.server.orders) == 2


def test_a_reloaded_policy_does_not_shorten_the_wait_after_a_failure(case: Case) -> None:
    case.server.refuse_order = Refused("rateLimited", 429, retry_after="3000")
    assert case.look() == 3_000
    asked = len(case.server.asked)
    case.task.wake()
    case.now += dt.timedelta(seconds=10)
    assert case.look() == 2_990
    assert len(case.server.asked) == asked
    case.server.refuse_order = None
    case.settings = AcmeSettings(directory=DIRECTORY, names=(NAME,), agree_to_terms=True, contact="a@b.test")
    assert case.look() == LOOK_S
    assert len(case.server.orders) == 1


def test_a_server_that_moved_and_forgot_the_account_is_found_again(case: Case) -> None:
    case.look()
    case.now = due_at(case.certificate)
    case.server.accounts.clear()
    case.server.refuse_order = Refused("accountDoesNotExist", 400)
    assert case.look() == RETRY_S
    case.server.refuse_order = None
    case.now += dt.timedelta(seconds=RETRY_S)
    assert case.look() == LOOK_S
    assert case.server.asked.count("/directory") == case.server.asked.count("/newAccount") == 2


def test_a_certificate_of_another_server_is_replaced_by_one_of_the_server_asked_now(case: Case) -> None:
    case.look()
    staging = case.certificate
    case.settings = AcmeSettings(directory=f"{DIRECTORY}/", names=(NAME,), agree_to_terms=True)
    case.server.changes = {}
    case.look()
    assert case.certificate.serial_number != staging.serial_number
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(case.state / FILE)
    case.look()
    assert len(case.server.orders) == 2


def test_whatever_a_server_answers_the_process_goes_on(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(case.server, "answer", breaks)
    assert case.look() == RETRY_S


def test_an_account_that_cannot_be_opened_holds_nothing_up(case: Case) -> None:
    settings = case.settings
    assert settings is not None
    (case.state / "keys").chmod(0o700)
    case.task.account(settings)
    (sealed,) = (case.state / "keys").iterdir()
    sealed.write_bytes(b"another installation's")
    with structlog.testing.capture_logs() as lines:
        assert [case.task.thumbprint(settings) for _ in range(3)] == ["", "", ""]
    assert [line["event"] for line in lines] == ["no account at the ACME server"]
    assert case.look() == RETRY_S
    sealed.unlink()
    other = PublicCertificate(case.state, ServerSecret(bytes(32)), lambda: settings, case.renewed)
    assert other.thumbprint(settings) == other.account(settings).thumbprint


def test_other_names_are_another_certificate(case: Case) -> None:
    case.look()
    case.settings = AcmeSettings(directory=DIRECTORY, names=(NAME, "shop.example.test"), agree_to_terms=True)
    case.look()
    assert set(names_in(case.state / FILE)) == {NAME, "shop.example.test"}
    case.settings = None
    assert case.look() == LOOK_S


def test_there_is_always_a_certificate_to_show(case: Case, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.issue("localhost", file="own.pem").file
    settings = TlsSettings(certificate=own, key=own, acme=case.settings)
    shown = ShownCertificate(case.state)
    assert shown.settings(settings).certificate == own
    case.look()
    found = shown.settings(settings)
    assert found.certificate == found.key == case.state / FILE
    ServerTls(found)
    assert shown.settings(settings.model_copy(update={"acme": None})).certificate == own
    whole = (case.state / FILE).read_bytes()
    for broken in (b"", whole[: len(whole) // 2], b"no certificate"):
        (case.state / FILE).write_bytes(broken)
        os.utime(case.state / FILE)
        assert shown.settings(settings).certificate == own
    (case.state / FILE).unlink()
    assert shown.settings(settings).certificate == own


@pytest.mark.parametrize(
    "change",
    [
        {"directory": "http://acme.test/directory"},
        {"agree_to_terms": False},
        {"names": ()},
        {"names": ("*.example.test",)},
        {"names": ("a b",)},
        {"contact": "a@b.test,mailto:c@d.test"},
        {"insecure_networks": ("10.0.0.1/8",)},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any]) -> None:
    written = {"directory": DIRECTORY, "names": (NAME,), "agree_to_terms": True}
    with pytest.raises(ValidationError):
        AcmeSettings.model_validate(written | change)


def test_without_the_plain_port_nothing_can_be_proved() -> None:
    tls = {
        "certificate": "a.pem",
        "key": "a.pem",
        "acme": {"directory": DIRECTORY, "names": [NAME], "agree_to_terms": True},
    }
    written = {"api": "a.yaml", "upstream": "http://127.0.0.1:1", "tls": tls}
    with pytest.raises(ValidationError, match="plain_redirect"):
        Policy.model_validate(written, strict=False)
    Policy.model_validate(written | {"plain_redirect": ":80"}, strict=False)


def test_the_example_on_the_page_loads() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tls.md").read_text(encoding="utf-8")
    example = next(text for text in page.split("```yaml\n")[1:] if "acme:" in text).split("```")[0]
    written = {"api": "a.yaml", "upstream": "http://127.0.0.1:1", **yaml.safe_load(example)}
    policy = Policy.model_validate_json(orjson.dumps(written))
    assert policy.tls is not None
    assert policy.tls.acme is not None
    assert policy.tls.acme.names == ("api.example.com",)
