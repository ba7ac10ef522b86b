"""Commands about people who sign in, and the clients that send them."""

import asyncio
import json
import os
import pwd
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import typer
from sqlalchemy import update
from tests.cli.test_callers import POLICY, Place
from tests.identity.lab import owner_of_secret
from tests.identity.range_service import RangeService, send
from typer.testing import CliRunner

from doorward.cli import audit
from doorward.controls.audit import AuditPolicy
from doorward.errors import PolicyError
from doorward.gateway.identity_trail import IdentityTrail
from doorward.identity.admin.access import actor_of, begin_session
from doorward.identity.clients import add_client
from doorward.identity.credentials import Attempt, Proved, Refused, Verifier
from doorward.identity.enrolling import finish_totp, list_factors, reset_password, start_totp
from doorward.identity.events import acting, events_of
from doorward.identity.factors.totp import hotp, step_at
from doorward.identity.sealing import KEY_FILE, load_or_make_secret
from doorward.identity.standing import WINDOW_S
from doorward.identity.users import add_user, disable_user
from doorward.store import Store, open_store, users

NOW = 1_800_000_000.0
PASSWORD = "correct horse battery staple"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.write(POLICY + "issuer: {url: 'https://login.example.com/door/'}\n")
    made.run("user", "add", "alice", "--role", "reader", "--password-stdin", stdin=f"{PASSWORD}\n")
    return made


def store_of(place: Place) -> Store:
    return open_store(f"sqlite:///{place.state / 'store.db'}")


def test_a_reset_prints_a_link_below_the_policys_url_with_which_a_password_is_set_once(place: Place) -> None:
    link = place.run("user", "reset", "alice").stdout.strip()
    assert link.startswith("https://login.example.com/door/auth/reset?ticket=")
    ticket = parse_qs(urlsplit(link).query)["ticket"][0]
    store = store_of(place)
    # the commands go by the machine's clock; the link is good for a day from it
    import time

    now = time.time()
    assert reset_password(store, ticket, "alice", "seven purple kettles hum", now=now)
    assert not reset_password(store, ticket, "alice", "seven purple kettles hum", now=now)
    store.close()
    assert place.json("user", "reset", "alice")["link"].startswith("https://login.example.com/door/auth/reset?ticket=")


def test_a_weak_password_is_refused_at_the_command_line_too(place: Place) -> None:
    with pytest.raises(PolicyError, match="easy to guess"):
        place.run("user", "add", "bob", "--password-stdin", stdin="passwordpassword1\n")


def test_a_breached_password_is_refused_at_the_command_line_too(place: Place, tmp_path: Path) -> None:
    def add(name: str, password: str) -> str:
        return place.run("user", "add", name, "--password-stdin", stdin=f"{password}\n").stderr

    def unchecked(name: str) -> list[str]:
        store = store_of(place)
        found = [each.detail["outcome"] for each in events_of(store, name) if each.kind == "password.unchecked"]
        store.close()
        return found

    with RangeService(tmp_path).serving() as service:
        service.seen = {PASSWORD: 1}
        policy = (
            f"issuer: {{breached_passwords: {{url: 'https://127.0.0.1:{service.port}/range', "
            f"insecure_networks: [127.0.0.0/8], ca_file: '{service.ca_file}'"
        )
        place.write(f"{POLICY}{policy}}}}}\n")
        with pytest.raises(PolicyError, match="data breaches"):
            add("bob", PASSWORD)
        assert "added user bob" in add("bob", "a sentence that never leaked yet")
        service.hostile = lambda handler: send(handler, b"")
        assert "judged by the built-in list alone" in add("carol", PASSWORD)
        place.write(f"{POLICY}{policy}, unanswered: refuse}}}}\n")
        with pytest.raises(PolicyError, match="cannot be looked up"):
            add("dave", PASSWORD)
    assert [unchecked(name) for name in ("bob", "carol", "dave")] == [[], ["judge"], ["refuse"]]


def test_unlocking_forgets_the_failures_at_an_account(place: Place) -> None:
    store = store_of(place)
    verifier = Verifier(store, load_or_make_secret(place.state / "keys" / KEY_FILE))
    for number in range(3):
        verifier.password(Attempt(name="alice", secret=f"guess {number}", address="192.0.2.1"), now=NOW)
    right = Attempt(name="alice", secret=PASSWORD, address="192.0.2.1")
    waiting = verifier.password(right, now=NOW)
    assert isinstance(waiting, Refused)
    assert waiting.kind == "wait"
    place.run("user", "unlock", "alice")
    assert isinstance(verifier.password(right, now=NOW), Proved)
    store.close()


def test_factors_of_a_user_who_lost_them_are_taken_away(place: Place) -> None:
    store, secret = store_of(place), load_or_make_secret(place.state / "keys" / KEY_FILE)
    enrolment = start_totp(store, secret, "alice", now=NOW)
    assert finish_totp(store, secret, "alice", enrolment, hotp(enrolment.seed, step_at(NOW)), "phone", now=NOW)
    assert place.json("user", "remove-factors", "alice") == {"user": "alice", "removed": 1}
    assert list_factors(store, "alice") == []
    store.close()


@pytest.mark.parametrize("command", ["reset", "unlock", "remove-factors"])
def test_a_user_who_does_not_exist_is_the_operators_mistake(place: Place, command: str) -> None:
    with pytest.raises(PolicyError, match="nobody"):
        place.run("user", command, "nobody")


def test_a_public_client_has_no_secret_and_says_where_people_come_back(place: Place) -> None:
    added = place.json(
        "client",
        "add",
        "spa",
        "--public",
        "--redirect",
        "https://spa.example.com/cb",
        "--title",
        "A page",
        "--pushed-only",
    )
    assert (added["secret"], added["is_public"], added["pushes_only"], added["title"]) == ("", True, True, "A page")
    assert "https://spa.example.com/cb" in place.run("client", "list").stdout
    assert place.run("client", "add", "tool", "--public", "--redirect", "http://127.0.0.1/cb").stdout == ""


def test_a_public_client_for_devices_needs_no_redirect_uri(place: Place) -> None:
    added = place.json("client", "add", "tv", "--public", "--device")
    assert (added["uses_devices"], added["redirect_uris"]) == (True, [])


def test_a_client_is_told_for_whom_it_may_exchange_tokens(place: Place) -> None:
    assert place.json("client", "add", "orders", "--exchange-audience", "b", "--exchange-audience", "a")[
        "exchange_audiences"
    ] == ["a", "b"]


def test_what_a_client_may_beside_tokens_is_changed_and_emptied(place: Place) -> None:
    place.run("client", "add", "web", "--redirect", "https://app.example/cb")
    bye, ended = "https://app.example/bye", "https://app.example/ended"
    changed = place.json(
        *("client", "change", "web", "--post-logout-redirect", bye, "--backchannel-logout", ended),
        *("--exchange-audience", "orders", "--device"),
    )
    names = ("post_logout_redirect_uris", "backchannel_logout_uri", "exchange_audiences", "uses_devices")
    assert [changed[name] for name in names] == [[bye], ended, ["orders"], True]
    assert changed["redirect_uris"] == ["https://app.example/cb"]
    emptied = place.json(
        *("client", "change", "web", "--post-logout-redirect", "", "--backchannel-logout", ""),
        *("--exchange-audience", "", "--no-device"),
    )
    assert [emptied[name] for name in names] == [[], "", [], False]


def test_a_registration_token_is_shown_once_where_the_policy_lets_programs_register(place: Place) -> None:
    with pytest.raises(PolicyError, match="register itself"):
        place.run("client", "registration-token")
    place.write(POLICY + "issuer: {registration: {scopes: [read]}}\n")
    token = place.run("client", "registration-token", "--uses", "3").stdout.strip()
    assert len(token) == 43
    (kept,) = place.json("client", "registration-token", "--list")
    assert kept["uses_left"] == 3
    assert token not in str(kept)
    assert kept["id"] in place.run("client", "registration-token", "--list").stdout
    place.run("client", "registration-token", "--revoke", kept["id"])
    assert place.json("client", "registration-token", "--list") == []
    with pytest.raises(PolicyError):
        place.run("client", "registration-token", "--expires", "0d")


def test_a_client_says_where_people_go_and_it_is_told_after_signing_out(place: Place) -> None:
    places = [
        "--post-logout-redirect",
        "https://web.example.com/bye",
        "--backchannel-logout",
        "https://web.example.com/b",
    ]
    added = place.json("client", "add", "web", *places)
    assert added["post_logout_redirect_uris"] == ["https://web.example.com/bye"]
    assert added["backchannel_logout_uri"] == "https://web.example.com/b"


@pytest.mark.parametrize(
    "words",
    [
        ["--public"],
        ["--redirect", "http://app.example.com/cb"],
        ["--title", "x" * 65],
        ["--backchannel-logout", "http://a.example"],
    ],
)
def test_a_client_that_could_send_people_anywhere_is_refused(place: Place, words: list[str]) -> None:
    with pytest.raises(PolicyError):
        place.run("client", "add", "web", *words)
    assert place.json("client", "list") == []


def test_a_command_is_recorded_with_who_ran_it(place: Place) -> None:
    place.run("user", "revoke", "alice")
    store = store_of(place)
    found = {event.kind: event.actor for event in events_of(store, "alice")}
    store.close()
    assert found["user.disabled"] == found["user.added"] == f"cli:{pwd.getpwuid(os.getuid()).pw_name}"


def test_events_are_shown_by_their_beginning_and_by_name(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    with acting("cli:root"):
        add_user(store, "alice", now=NOW, roles=["reader"])
    disable_user(store, "alice", now=NOW)
    add_client(store, "batch", now=NOW)

    async def moved() -> None:
        trail = IdentityTrail(store, tmp_path, AuditPolicy(), clock=lambda: NOW)
        assert await trail.move_all()
        await trail.close()

    asyncio.run(moved())
    store.close()
    app = typer.Typer()
    app.callback()(lambda: None)
    audit.register(app)

    def shown(*words: str) -> list[str]:
        given = ["audit", "show", "--directory", str(tmp_path / "audit"), *words]
        return CliRunner().invoke(app, given).stdout.splitlines()

    assert ["user.added by cli:root alice" in line for line in shown("--event", "user.")] == [True, False]
    assert 'roles=["reader"]' in shown("--event", "user.added")[0]
    assert len(shown("--event", "client.")) == 1
    assert len(shown("--caller", "alice")) == 2
    assert json.loads(shown("--event", "user.added", "--json")[0])["details"]["password"] == "false"


def test_rights_are_changed_at_the_command_line_and_the_rest_stays(place: Place) -> None:
    place.run("user", "change", "alice", "--claim", "account_id=a-9")
    changed = place.json("user", "change", "alice", "--role", "admin")
    assert (changed["roles"], changed["claims"]) == (["admin"], {"account_id": "a-9"})
    with pytest.raises(PolicyError, match="no role 'admn'"):
        place.run("user", "change", "alice", "--role", "admn")
    secret = place.json("client", "add", "batch", "--scope", "a")["secret"]
    assert place.json("client", "change", "batch", "--scope", "b", "--title", "Batch")["scopes"] == ["b"]
    new = place.json("client", "replace-secret", "batch")["secret"]
    store = store_of(place)
    assert owner_of_secret(store, "batch", secret) is None
    assert owner_of_secret(store, "batch", new) is not None
    store.close()


def test_a_way_into_the_admin_api_is_made_only_where_there_is_one(place: Place) -> None:
    with pytest.raises(PolicyError, match="no admin API"):
        place.run("admin", "login")
    place.write(POLICY + "admin: {listen: '127.0.0.1:8445'}\n")
    made = place.json("admin", "login")
    assert made["url"] == "http://127.0.0.1:8445/admin/v1/session"
    import time

    store = store_of(place)
    token = begin_session(store, made["ticket"], now=time.time())
    assert token
    assert actor_of(store, token, now=time.time()) == f"admin:{pwd.getpwuid(os.getuid()).pw_name}"
    store.close()


@pytest.mark.parametrize("address", ["0.0.0.0:8445", "192.0.2.1:8445", "[::]:8445", "example.com:8445"])
def test_the_admin_api_is_never_reached_from_another_machine(place: Place, address: str) -> None:
    place.write(POLICY + f"admin: {{listen: '{address}'}}\n")
    with pytest.raises(PolicyError, match="loopback only"):
        place.run("admin", "login")


def test_a_disabled_user_is_enabled_once_no_token_from_before_can_live(place: Place) -> None:
    disable_user(store_of(place), "alice", now=time.time())
    with pytest.raises(PolicyError, match="disabled lately"):
        place.run("user", "enable", "alice")
    with store_of(place).begin() as connection:
        connection.execute(update(users).values(disabled_at=time.time() - WINDOW_S))
    assert "has to sign in" in place.run("user", "enable", "alice").stderr
    assert place.json("user", "enable", "alice")["disabled_at"] is None
