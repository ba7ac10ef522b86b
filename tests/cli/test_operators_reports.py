"""`doorward observe-report`, `drift` and `learn` over a trail written by the real writer."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.test_audit import _write
from typer.testing import CliRunner, Result

from doorward.cli import app
from doorward.cli.drift import templated
from doorward.controls.audit import AuditPolicy, Record, Recorder
from doorward.controls.validate.learning import notes_of
from doorward.denial import Denied
from doorward.exchange import Caller, Exchange, Headers, Request, Response, Source
from doorward.modes import observed
from doorward.operation import Operation
from doorward.policy.openapi import description_from_document, undescribed

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "orders", "version": "1"},
    "paths": {
        "/orders": {
            "get": {"operationId": "list", "responses": {"200": {"description": "ok"}}},
            "post": {"operationId": "place", "responses": {"200": {"description": "ok"}}},
        },
        "/old": {"get": {"operationId": "old", "responses": {"200": {"description": "ok"}}}},
    },
}
PLACE = next(one for one in description_from_document(DOCUMENT).operations if one.id == "place")
POLICY = "api: openapi.yaml\nupstream: http://127.0.0.1:9\ninsecure_plain_http: true\nroles: {clerk: ['*']}\n"


def exchange(number: int, method: str, path: bytes, operation: Operation | None = None, who: str = "") -> Exchange:
    request = Request(method, path, path, b"", Headers([]))
    caller = Caller(subject=who, kind="user", issuer="local") if who else None
    return Exchange(
        id=f"{number:032x}",
        now=1_700_000_000.0 + number,
        ticks=0.0,
        source=Source(address="192.0.2.7"),
        request=request,
        response=Response(200, []),
        operation=operation,
        caller=caller,
    )


def would_refuse(made: Exchange, code: str, detail: str) -> Exchange:
    def check(_: Exchange) -> None:
        raise Denied(code, detail)

    observed(check)(made)
    return made


def refused(made: Exchange, code: str) -> Exchange:
    made.denied = Denied(code, "no")
    return made


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "openapi.yaml").write_text(yaml.safe_dump(DOCUMENT), encoding="utf-8")
    (tmp_path / "doorward.yaml").write_text(POLICY, encoding="utf-8")
    recorder = Recorder(AuditPolicy(), b"k" * 32)
    exchanges = [
        *(
            would_refuse(
                exchange(number, "POST", b"/orders", PLACE, f"user{number % 2}"),
                "inspect.sql",
                "/note: a reason (95 %)",
            )
            for number in range(3)
        ),
        would_refuse(exchange(3, "POST", b"/orders", PLACE), "validate.schema", "#/amount: must be at least 0"),
        would_refuse(exchange(4, "POST", b"/orders", PLACE), "limits.rate", "too many"),
        refused(exchange(5, "GET", b"/users/17", who="user1"), "validate.path_unknown"),
        refused(exchange(6, "GET", b"/users/18", who="user2"), "validate.path_unknown"),
        refused(exchange(7, "DELETE", b"/orders"), "validate.method"),
        refused(exchange(8, "PUT", b"/files/6f1c1f6e-3a57-4d6b-9d2e-2a4a1f0c9b11"), "validate.path_unknown"),
        exchange(
            9,
            "GET",
            b"/orders",
            next(one for one in description_from_document(DOCUMENT).operations if one.id == "list"),
        ),
    ]
    records: list[Record] = [recorder.outcome(one) for one in exchanges]
    asyncio.run(_write(tmp_path / "state", records))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state" / "audit"


def on(site: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--directory", str(site)])


def test_what_would_have_been_refused_is_grouped_by_rule_operation_and_field(site: Path) -> None:
    rows = [json.loads(line) for line in on(site, "observe-report", "--json").stdout.splitlines()]
    assert [(row["count"], row["callers"], row["code"], row["operation"], row["field"]) for row in rows] == [
        (3, 2, "inspect.sql", "POST /orders", "/note"),
        (1, 1, "limits.rate", "POST /orders", ""),
        (1, 1, "validate.schema", "POST /orders", "#/amount"),
    ]
    assert rows[0]["sample"] == f"{2:032x}"
    assert 'field: "/note"' in rows[0]["relax"]
    assert "class: sql" in rows[0]["relax"]


def test_the_report_is_a_table_with_lines_to_write(site: Path) -> None:
    said = on(site, "observe-report").stdout
    assert "inspect.sql, POST /orders: if it was harmless: `inspect: {exclude:" in said
    assert on(site, "observe-report", "--lines").stdout.count("\n") == 3
    assert on(site, "observe-report", "--since", "2100-01-01").stdout.startswith("nothing was observed")


def test_an_exclusion_that_is_proposed_is_one_that_loads(site: Path) -> None:
    line = on(site, "observe-report", "--lines").stdout.splitlines()[0].partition("`")[2].rstrip("`")
    written = yaml.safe_load(line.replace("<why this content is expected there>", "notes of a course on databases"))
    Path("doorward.yaml").write_text(POLICY + yaml.safe_dump(written), encoding="utf-8")
    assert CliRunner().invoke(app, ["check"]).exit_code in {0, 1}


def test_drift_lists_shadows_and_zombies(site: Path) -> None:
    result = on(site, "drift", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert [(one["method"], one["path"], one["count"], one["callers"]) for one in told["undescribed"]] == [
        ("GET", "/users/{integer}", 2, 2),
        ("PUT", "/files/{uuid}", 1, 1),
        ("DELETE", "/orders", 1, 1),
    ]
    assert told["unused"] == ["GET /old"]
    said = on(site, "drift").stdout
    assert "/files/{uu" in said
    assert "GET /old" in said


def test_learn_drafts_paths_that_load(site: Path) -> None:
    drafted = yaml.safe_load(on(site, "learn").stdout)
    description = description_from_document({**DOCUMENT, "paths": {**drafted["paths"]}})
    assert sorted((one.method, one.template) for one in description.operations) == [
        ("DELETE", "/orders"),
        ("GET", "/users/{user_id}"),
        ("PUT", "/files/{file_id}"),
    ]


NOTES: list[tuple[str, bytes, dict[str, object]]] = [
    ("POST", b"/tickets", {"query": {"notify": "boolean"}, "type": "application/json",
     "body": {"title": "string", "tags": ["string"], "at": "date", "priority": "integer"}}),
    ("POST", b"/tickets", {"type": "application/json",
     "body": {"title": "string", "tags": [], "at": "date", "priority": "number", "owner": {"id": "uuid"}}}),
    ("POST", b"/tickets", {"type": "application/json", "body": {"title": "null", "at": "date"}}),
    ("POST", b"/login", {"type": "application/x-www-form-urlencoded", "body": {"user": "string"}}),
    ("GET", b"/tickets/7", {"query": {"full": "boolean"}}),
]  # fmt: skip


def test_learn_drafts_parameters_and_bodies_of_what_was_let_pass(site: Path) -> None:
    lacking = undescribed(description_from_document(DOCUMENT), "POST")
    recorder, records = Recorder(AuditPolicy(), b"k" * 32), []
    for number, (method, path, note) in enumerate(NOTES):
        made = exchange(100 + number, method, path, lacking)
        made.findings.extend(notes_of(note))
        records.append(recorder.outcome(made))
    asyncio.run(_write(site.parent, records))
    paths = yaml.safe_load(on(site, "learn").stdout)["paths"]
    post = paths["/tickets"]["post"]
    assert post["parameters"] == [{"name": "notify", "in": "query", "schema": {"type": "boolean"}}]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["at", "title"]
    assert schema["properties"] == {
        "at": {"type": "string", "format": "date"},
        "owner": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "format": "uuid"}}},
        "priority": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "title": {"type": ["string", "null"]},
    }
    assert paths["/tickets/{ticket_id}"]["get"]["parameters"][0]["required"] is True
    form = paths["/login"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]
    assert form == {"schema": {"type": "object", "properties": {"user": {"type": "string"}}}}
    assert description_from_document({**DOCUMENT, "paths": paths}).operations


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/a/b", "/a/b"),
        ("/users/me", "/users/me"),
        ("/orders/ord-17", "/orders/{string}"),
        ("/t/9f86d081884c7d65", "/t/{string}"),
        ("/v2/items", "/v2/items"),
    ],
)
def test_values_in_a_path_are_told_from_names(path: str, template: str) -> None:
    assert templated(path) == template
