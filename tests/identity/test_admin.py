"""The admin API: described truly, closed to strangers, and never a way around the rules of the command line."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from openapi_spec_validator import validate
from sqlalchemy import insert, select, update
from tests.identity.lab import ISSUER, NOW, PASSWORD, SECRET, Lab, owner_of_secret

from doorward.identity.admin.access import BURST, RATE, SESSION_S, TICKET_S, make_ticket
from doorward.identity.admin.app import BODY_BYTES, ENDPOINTS, create_admin_app
from doorward.identity.admin.document import BASE, openapi
from doorward.identity.admin.endpoint import Desk
from doorward.identity.admin.problems import PROBLEMS
from doorward.identity.ca import list_url
from doorward.identity.credentials import Attempt, Proved, Refused, Verifier
from doorward.identity.sms.prefixes import JUDGED_LEAST, UNDER_WAY_S
from doorward.identity.standing import WINDOW_S
from doorward.identity.users import get_user
from doorward.sealing import sealer_for
from doorward.store import Store, mails, revocations, sms_sends, users
from doorward.store import events as events_table

HOST = "127.0.0.1:8445"
ADDED = {"name": "bob", "roles": ["reader"], "claims": {"account_id": "a-2"}}


class Admin:
    """The API over a store, and one operator who uses it."""

    def __init__(self, store: Store, keys: Path) -> None:
        self.store, self.now, self.token, self.sends_mail = store, NOW, "", True
        self.verifier = Verifier(store, SECRET)
        desk = Desk(
            store=store,
            verifier=self.verifier,
            secret=SECRET,
            sealer=lambda: sealer_for(keys),
            roles=lambda: ["reader", "admin"],
            clock=lambda: self.now,
            sends_mail=lambda: self.sends_mail,
            list_url=lambda: list_url(ISSUER),
        )
        self.app = create_admin_app(desk, [HOST, "localhost:8445"])

    def ask(self, method: str, path: str, body: Any = None, headers: Any = None, **more: Any) -> httpx.Response:
        own = {"host": HOST, **({"authorization": f"Bearer {self.token}"} if self.token else {}), **(headers or {})}
        given = {"json": body, **more} if body is not None else more

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=("127.0.0.1", 40_000))
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as http:
                return await http.request(method, BASE + path, headers=own, **given)

        answer = asyncio.run(once())
        judge(method, path, answer)
        return answer

    def entered(self, operator: str = "root") -> "Admin":
        ticket = make_ticket(self.store, operator, now=self.now)
        self.token = self.ask("POST", "/session", {"ticket": ticket}).json()["access_token"]
        return self

    def events(self, beginning: str) -> list[Any]:
        with self.store.begin() as connection:
            rows = connection.execute(select(events_table).order_by(events_table.c.id)).all()
        return [row for row in rows if row.kind.startswith(beginning)]


DOCUMENT = json.loads(json.dumps(openapi(ENDPOINTS)))


def judge(method: str, path: str, answer: httpx.Response) -> None:
    """Each answer of each test is what the document says."""
    if answer.status_code >= 400:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["status"] == answer.status_code == PROBLEMS[problem["type"].rpartition(":")[2]][0]
        return
    if path == "/openapi.json":
        return
    found = [one for one in ENDPOINTS if one.method == method and _fits(one.path, path.partition("?")[0])]
    described = DOCUMENT["paths"][BASE + found[0].path][method.lower()]["responses"][str(answer.status_code)]
    assert ("etag" in answer.headers) == ("headers" in described)
    if answer.status_code == 204:
        assert not answer.content
        return
    schema = {**described["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
    jsonschema_rs.validator_for(schema).validate(answer.json())


def _fits(template: str, path: str) -> bool:
    theirs, ours = template.split("/"), path.split("/")
    return len(theirs) == len(ours) and all(a == b or a[:1] == "{" for a, b in zip(theirs, ours, strict=True))


@pytest.fixture
def admin(store: Store, tmp_path: Path) -> Admin:
    (tmp_path / "keys").mkdir(mode=0o700)
    return Admin(store, tmp_path / "keys")


def test_its_document_is_valid_and_describes_every_endpoint_once(admin: Admin) -> None:
    document = admin.ask("GET", "/openapi.json").json()
    validate(document)
    assert document == DOCUMENT
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations) == len(ENDPOINTS)
    assert [one["operationId"] for one in operations if one.get("security") == []] == ["beginSession"]


def test_a_ticket_of_the_command_line_begins_one_session(admin: Admin) -> None:
    ticket = make_ticket(admin.store, "root", now=NOW)
    assert admin.ask("POST", "/session", {"ticket": ticket}).status_code == 201
    assert admin.ask("POST", "/session", {"ticket": ticket}).status_code == 401
    assert admin.ask("POST", "/session", {"ticket": "none"}).status_code == 401
    assert [row.kind for row in admin.events("admin.")].count("admin.session_started") == 1
    assert [row.actor for row in admin.events("admin.session_started")] == ["admin:root"]


def test_of_many_who_use_one_ticket_at_once_one_gets_in(admin: Admin) -> None:
    ticket = make_ticket(admin.store, "root", now=NOW)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: admin.ask("POST", "/session", {"ticket": ticket}).status_code, range(8)))
    assert sorted(statuses) == [201, *[401] * 7]


def test_ticket_and_session_end_by_themselves_and_a_session_when_it_is_told_to(admin: Admin) -> None:
    ticket = make_ticket(admin.store, "root", now=NOW)
    admin.now = NOW + TICKET_S
    assert admin.ask("POST", "/session", {"ticket": ticket}).status_code == 401
    admin.entered()
    assert admin.ask("GET", "/users").status_code == 200
    admin.now += SESSION_S
    assert admin.ask("GET", "/users").status_code == 401
    admin.entered()
    assert admin.ask("DELETE", "/session").status_code == 204
    assert admin.ask("GET", "/users").status_code == 401


@pytest.mark.parametrize("endpoint", [one for one in ENDPOINTS if not one.is_open], ids=lambda one: str(one.id))
def test_nothing_is_told_or_done_without_a_session(admin: Admin, endpoint: Any) -> None:
    path = endpoint.path.replace("{name}", "alice").replace("{session}", "s").replace("{client}", "c")
    body: Any = {} if endpoint.takes else None
    for headers in ({}, {"authorization": "Bearer none"}, {"authorization": "Basic cm9vdDpyb290"}):
        answer = admin.ask(endpoint.method, path, body, headers={"if-match": "*", **headers})
        assert answer.status_code == 401


def test_a_ticket_is_no_session_and_a_session_no_ticket(admin: Admin) -> None:
    admin.token = make_ticket(admin.store, "root", now=NOW)
    assert admin.ask("GET", "/users").status_code == 401
    admin.entered()
    assert admin.ask("POST", "/session", {"ticket": admin.token}).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example:8445"}, 421),
        ({"host": "127.0.0.1"}, 421),
        ({"host": f"{HOST}.evil.example"}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:8080"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"host": "localhost:8445", "origin": "http://localhost:8445", "sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_a_page_of_another_site_reaches_nothing(admin: Admin, headers: dict[str, str], status: int) -> None:
    admin.entered()
    assert admin.ask("GET", "/users", headers=headers).status_code == status
    assert admin.ask("GET", "/openapi.json", headers=headers).status_code == status


def test_it_sets_no_cookie_and_nothing_may_be_kept(admin: Admin) -> None:
    admin.entered()
    answer = admin.ask("POST", "/users", ADDED)
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers


def test_a_form_another_site_could_send_is_no_body(admin: Admin) -> None:
    admin.entered()
    sent = json.dumps(ADDED).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = admin.ask("POST", "/users", headers={"content-type": kind}, content=sent)
        assert answer.status_code == 415
    assert admin.events("user.") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"name": 1}',
        b'{"name": "bob", "password": "correct horse battery staple"}',
        b'{"name": "bob", "name": "mallory"}',
        b'{"name": "bob", "roles": "reader"}',
        b'{"name": "bob", "claims": {"a": NaN}}',
    ],
)
def test_a_body_that_is_not_as_described_does_nothing(admin: Admin, body: bytes) -> None:
    admin.entered()
    answer = admin.ask("POST", "/users", headers={"content-type": "application/json"}, content=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:doorward:admin:malformed")
    assert admin.events("user.") == []


def test_a_body_is_read_up_to_a_bound(admin: Admin) -> None:
    admin.entered()
    answer = admin.ask("POST", "/users", {"name": "bob", "claims": {"a": "x" * BODY_BYTES}})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({**ADDED, "roles": ["raeder"]}, 400),
        ({**ADDED, "claims": {"sub": "alice"}}, 400),
        ({**ADDED, "name": "a b"}, 400),
        ({**ADDED, "name": "alice"}, 409),
        (ADDED, 201),
    ],
)
def test_the_rules_of_the_command_line_hold(admin: Admin, body: Any, status: int) -> None:
    Lab(admin.store)
    admin.entered()
    assert admin.ask("POST", "/users", body).status_code == status


def test_every_change_is_recorded_with_who_made_it_and_what_changed(admin: Admin) -> None:
    admin.entered("alice")
    tag = admin.ask("POST", "/users", ADDED).headers["etag"]
    changed = admin.ask("PATCH", "/users/bob", {"roles": ["admin"]}, headers={"if-match": tag})
    assert changed.json()["roles"] == ["admin"]
    admin.ask("POST", "/users/bob/disable")
    rows = admin.events("user.")
    assert [row.kind for row in rows] == ["user.added", "user.changed", "user.disabled"]
    assert {row.actor for row in rows} == {"admin:alice"}
    assert rows[1].detail == {"roles": [["reader"], ["admin"]]}


def test_a_change_of_what_was_changed_meanwhile_is_refused(admin: Admin) -> None:
    admin.entered()
    first = admin.ask("POST", "/users", ADDED).headers["etag"]
    assert admin.ask("PATCH", "/users/bob", {"roles": []}).status_code == 428
    second = admin.ask("PATCH", "/users/bob", {"roles": []}, headers={"if-match": first}).headers["etag"]
    assert second != first
    for tag in (first, f"W/{second}", f"{first}, {second}", "", '"'):
        answer = admin.ask("PATCH", "/users/bob", {"roles": ["admin"]}, headers={"if-match": tag})
        assert answer.status_code == 412
    assert get_user(admin.store, "bob").roles == ()
    assert admin.ask("GET", "/users/bob").headers["etag"] == second


def test_of_many_changes_of_one_state_one_is_made(admin: Admin) -> None:
    admin.entered()
    tag = admin.ask("POST", "/users", ADDED).headers["etag"]

    def change(number: int) -> int:
        body = {"claims": {"number": number}}
        return admin.ask("PATCH", "/users/bob", body, headers={"if-match": tag}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(change, range(8))) == [200, *[412] * 7]
    assert len(admin.events("user.changed")) == 1


def test_a_list_is_read_page_by_page_and_each_user_once(admin: Admin) -> None:
    admin.entered()
    names = [f"user-{number:02}" for number in range(7)]
    for name in names:
        admin.ask("POST", "/users", {"name": name})
    seen: list[str] = []
    after = ""
    while after is not None:
        page = admin.ask("GET", f"/users?limit=3&after={after}").json()
        seen += [user["name"] for user in page["items"]]
        after = page["next"]
    assert seen == names
    for query in ("limit=0", "limit=201", "limit=x", "limit=1&limit=2", "offset=1"):
        assert admin.ask("GET", f"/users?{query}").status_code == 400


def test_no_answer_and_no_body_has_a_password_in_it(admin: Admin) -> None:
    lab = Lab(admin.store)
    lab.visitor().signed_in()
    admin.entered()
    shown = "".join(
        admin.ask("GET", path).text
        for path in ("/users", "/users/alice", "/users/alice/factors", "/users/alice/sessions", "/clients")
    )
    assert [secret for secret in (PASSWORD, "argon2", *filter(None, lab.secrets.values())) if secret in shown] == []
    schemas = DOCUMENT["components"]["schemas"]
    taken = [name for name, one in schemas.items() if "password" in one.get("properties", {})]
    assert taken == []


def test_disabling_ends_everything_of_a_user(admin: Admin) -> None:
    lab = Lab(admin.store)
    visitor = lab.visitor().signed_in()
    tokens = lab.tokens("spa")
    admin.entered()
    assert len(admin.ask("GET", "/users/alice/sessions").json()) == 2
    admin.ask("POST", "/users/alice/disable")
    assert admin.ask("GET", "/users/alice/sessions").json() == []
    assert lab.refresh(tokens["refresh_token"], "spa").status_code == 400
    assert visitor.get("/account").status_code == 303


def test_a_disabled_user_is_enabled_by_the_same_rule_as_on_the_command_line(admin: Admin) -> None:
    Lab(admin.store)
    admin.entered()
    admin.ask("POST", "/users/alice/disable")
    answer = admin.ask("POST", "/users/alice/enable")
    assert (answer.status_code, "disabled lately" in answer.text) == (400, True)
    with admin.store.begin() as connection:
        connection.execute(update(users).values(disabled_at=admin.now - WINDOW_S))
    assert admin.ask("POST", "/users/alice/enable").json()["disabled_at"] is None


def test_sessions_and_consents_end_one_by_one(admin: Admin) -> None:
    lab = Lab(admin.store)
    first, second = lab.visitor().signed_in(), lab.visitor(address="198.51.100.7").signed_in()
    second.authorized()
    admin.entered()
    listed = admin.ask("GET", "/users/alice/sessions").json()
    session = next(one["id"] for one in listed if one["address"] == "192.0.2.1")
    assert admin.ask("DELETE", f"/users/alice/sessions/{session}").status_code == 204
    assert admin.ask("DELETE", f"/users/alice/sessions/{session}").status_code == 404
    assert (first.get("/account").status_code, second.get("/account").status_code) == (303, 200)
    assert [one["client"] for one in admin.ask("GET", "/users/alice/consents").json()] == ["web"]
    assert admin.ask("DELETE", "/users/alice/consents/web").status_code == 204
    assert admin.ask("DELETE", "/users/alice/consents/web").status_code == 404
    assert admin.ask("DELETE", "/users/alice/sessions").json() == {"count": 1}


def test_failures_are_forgotten_and_factors_taken_away(admin: Admin) -> None:
    lab = Lab(admin.store)
    lab.visitor().signed_in().add_totp()
    for number in range(3):
        admin.verifier.password(Attempt(name="alice", secret=f"guess {number}", address="192.0.2.9"), now=NOW)
    right = Attempt(name="alice", secret=PASSWORD, address="192.0.2.9")
    assert isinstance(admin.verifier.password(right, now=NOW), Refused)
    admin.entered()
    assert admin.ask("POST", "/users/alice/unlock").status_code == 204
    assert isinstance(admin.verifier.password(right, now=NOW), Proved)
    assert [one["label"] for one in admin.ask("GET", "/users/alice/factors").json()] == ["phone"]
    assert admin.ask("DELETE", "/users/alice/factors").json() == {"count": 1}


def test_a_clients_secret_is_shown_once_and_replaced(admin: Admin) -> None:
    admin.entered()
    made = admin.ask("POST", "/clients", {"name": "batch", "roles": ["reader"], "scopes": ["a"]}).json()
    assert owner_of_secret(admin.store, "batch", made["secret"]) is not None
    shown = admin.ask("GET", "/clients/batch")
    assert made["secret"] not in shown.text
    new = admin.ask("POST", "/clients/batch/secret", headers={"if-match": shown.headers["etag"]}).json()["secret"]
    assert owner_of_secret(admin.store, "batch", made["secret"]) is None
    assert owner_of_secret(admin.store, "batch", new) is not None
    assert new not in repr(admin.events("client."))
    changed = admin.ask("PATCH", "/clients/batch", {"scopes": ["b"]}, headers={"if-match": "*"})
    assert (changed.json()["scopes"], changed.json()["roles"]) == (["b"], ["reader"])
    admin.ask("POST", "/clients/batch/disable")
    assert admin.ask("POST", "/clients/batch/secret", headers={"if-match": "*"}).status_code == 400


def test_keys_are_made_rotated_and_revoked(admin: Admin) -> None:
    admin.entered()
    made = admin.ask("POST", "/api-keys", {"name": "partner", "networks": ["10.0.0.0/8"]}).json()
    key_id = made["record"]["id"]
    assert made["key"].startswith("dw_")
    rotated = admin.ask("POST", f"/api-keys/{key_id}/rotate", {"overlap_s": 60}).json()
    assert rotated["record"]["networks"] == ["10.0.0.0/8"]
    assert admin.ask("GET", f"/api-keys/{key_id}").json()["expires_at"] == NOW + 60
    assert admin.ask("POST", f"/api-keys/{key_id}/revoke").json()["revoked_at"] == NOW
    assert len(admin.ask("GET", "/api-keys").json()["items"]) == 2
    signing = admin.ask("POST", "/signature-keys", {"name": "partner", "purpose": "hmac", "id": "k-1"}).json()
    assert signing["secret"]
    assert signing["secret"] not in admin.ask("GET", "/signature-keys").text
    assert [one["id"] for one in admin.ask("POST", "/signature-keys/k-1/revoke").json()] == ["k-1"]
    assert admin.ask("POST", "/signature-keys/none/revoke").status_code == 404
    revoked = {"kind": "token", "issuer": "https://issuer.example", "name": "jti-1"}
    assert admin.ask("POST", "/revocations", revoked).status_code == 204
    assert [one["name"] for one in admin.ask("GET", "/revocations").json()["items"]] == ["jti-1"]


@pytest.mark.parametrize(
    "path", ["/users/nobody", "/clients/nobody", "/api-keys/none", "/nothing", "/users/nobody/sessions"]
)
def test_what_is_not_there_is_said_so(admin: Admin, path: str) -> None:
    admin.entered()
    assert admin.ask("GET", path).status_code == 404


def test_requests_beyond_the_rate_wait(admin: Admin) -> None:
    admin.entered()
    asked: Callable[[], httpx.Response] = lambda: admin.ask("GET", "/users")  # noqa: E731
    assert {asked().status_code for _ in range(int(BURST))} == {200}
    answer = asked()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    admin.now += 2 / RATE
    assert asked().status_code == 200


def test_a_reset_is_begun_and_its_link_goes_to_the_user_alone(admin: Admin) -> None:
    Lab(admin.store)
    admin.entered()
    assert admin.ask("POST", "/users/alice/reset").status_code == 409
    with admin.store.begin() as connection:
        proved = {"email": "alice@example.com", "email_verified_at": NOW}
        connection.execute(update(users).where(users.c.name == "alice").values(proved))
    answer = admin.ask("POST", "/users/alice/reset")
    assert (answer.status_code, answer.content) == (204, b"")
    with admin.store.begin() as connection:
        asked = connection.execute(select(mails).where(mails.c.kind == "recover")).all()
    assert [(row.user, row.address) for row in asked] == [("alice", "alice@example.com")]
    assert [row.actor for row in admin.events("password.reset_asked")] == ["admin:root"]
    admin.sends_mail = False
    assert admin.ask("POST", "/users/alice/reset").status_code == 409
    assert admin.ask("POST", "/users/nobody/reset").status_code == 404


def test_every_revocation_can_be_read_a_page_at_a_time(admin: Admin) -> None:
    admin.entered()
    with admin.store.begin() as connection:
        rows = [
            {"kind": "token", "issuer": "local", "name": f"jti-{number}", "revoked_at": NOW, "expires_at": None}
            for number in range(5)
        ]
        connection.execute(revocations.insert(), rows)
    found, after = [], ""
    while after is not None:
        answer = admin.ask("GET", f"/revocations?limit=2&after={after}").json()
        found += [one["name"] for one in answer["items"]]
        after = answer["next"]
    assert found == [f"jti-{number}" for number in range(5)]
    for wrong in ("x", "-1", "9" * 10, "%C2%B2"):
        assert admin.ask("GET", f"/revocations?after={wrong}").status_code == 400


@pytest.mark.parametrize("claim", ["acr", "amr", "auth_time", "sid"])
def test_how_somebody_signed_in_is_not_the_administrators_word(admin: Admin, claim: str) -> None:
    admin.entered()
    for path, name in (("/users", "bob"), ("/clients", "batch2"), ("/api-keys", "partner2")):
        answer = admin.ask("POST", path, {"name": name, "claims": {claim: "urn:doorward:acr:2"}})
        assert (answer.status_code, "may be set" in answer.json()["detail"]) == (400, True)


def test_a_stopped_prefix_of_numbers_is_listed_and_let_again(admin: Admin) -> None:
    rows = [{"id": f"{each:032}", "prefix": "+49151", "sent_at": NOW - UNDER_WAY_S} for each in range(JUDGED_LEAST)]
    with admin.store.begin() as connection:
        connection.execute(insert(sms_sends).values(rows))
    admin.entered("alice")
    assert [each["prefix"] for each in admin.ask("GET", "/sms-prefixes").json()] == ["+49151"]
    assert admin.ask("POST", "/sms-prefixes/+4915/release").status_code == 404
    assert admin.ask("POST", "/sms-prefixes/+49151/release").json()["judged"] == JUDGED_LEAST
    assert admin.ask("GET", "/sms-prefixes").json() == []
    assert admin.ask("POST", "/sms-prefixes/+49151/release").status_code == 404
    (event,) = admin.events("sms.")
    assert (event.kind, event.actor) == ("sms.released", "admin:alice")
