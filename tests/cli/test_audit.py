"""`doorward audit` and `doorward explain` over a small trail."""

import asyncio
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from doorward.audit.reading import segment_paths
from doorward.audit.writer import AuditWriter
from doorward.cli import audit as audit_commands
from doorward.cli import explain as explain_command
from doorward.cli.declared import declared_at
from doorward.controls.audit import AuditPolicy, Record, Recorder
from doorward.denial import DENIALS, Denied
from doorward.errors import PolicyError
from doorward.exchange import Caller, Exchange, Headers, Request, Response, Source
from doorward.operation import Operation
from doorward.pipeline import STAGES

READ = Operation(id="readAccount", method="GET", path="/accounts/{id}", template="/accounts/{id}")
ALICE = Caller(subject="alice", kind="user", issuer="local", roles=frozenset({"reader"}), credential_id="jti-1")
ANSWERED, REFUSED, BROKEN, OPEN = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)


def _exchange(request_id: str) -> Exchange:
    request = Request("GET", b"/accounts/b-2", b"/accounts/b-2", b"", Headers([(b"user-agent", b"x\x1b[2J")]))
    return Exchange(
        id=request_id,
        now=1_700_000_000.0,
        ticks=0.0,
        source=Source(address="192.0.2.7", port=4711, tls_version="TLSv1.3"),
        request=request,
        response=Response(200, []),
        operation=READ,
        caller=ALICE,
    )


def _records() -> list[Record]:
    recorder = Recorder(AuditPolicy(), b"k" * 32)
    answered, refused, broken = _exchange(ANSWERED), _exchange(REFUSED), _exchange(BROKEN)
    answered.caller = None
    refused.denied = Denied("authorize.owner", "alice asked for 'b-2'")
    refused.findings.append("transport.forwarded")
    broken.fault = "ZeroDivisionError"
    return [*(recorder.outcome(one) for one in (answered, refused, broken)), recorder.intent(_exchange(OPEN))]


async def _write(state: Path, records: list[Record]) -> None:
    loop = asyncio.get_running_loop()
    writer = AuditWriter.open(state, 0, AuditPolicy(segment_bytes=1 << 20), loop=loop)
    for record in records:
        told: asyncio.Future[bool] = loop.create_future()
        writer.append(record, told.set_result)
        assert await told
    writer.close()


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    asyncio.run(_write(tmp_path / "state", _records()))
    asyncio.run(_write(tmp_path / "state", []))
    return tmp_path / "state" / "audit"


def run(*words: str) -> Result:
    app = typer.Typer()
    audit_commands.register(app)
    explain_command.register(app)
    return CliRunner().invoke(app, list(words))


def on(trail: Path, *words: str) -> Result:
    return run(*words, "--directory", str(trail))


def flip_a_byte(trail: Path) -> None:
    path = segment_paths(trail / "worker-0")[0]
    content = bytearray(path.read_bytes())
    content[content.index(b"alice asked")] ^= 0x20
    path.write_bytes(content)


def test_an_intact_trail_exits_0(trail: Path) -> None:
    result = on(trail, "audit", "verify")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("intact: 9 records in 2 segments of 1 shards, 1 with a valid signed head")


def test_a_changed_trail_exits_1_and_names_the_record_and_the_kind_of_change(trail: Path) -> None:
    flip_a_byte(trail)
    result = on(trail, "audit", "verify")
    assert result.exit_code == 1
    assert "changed at record 3 of worker-0/" in result.stdout


def test_a_trail_with_an_open_intent_exits_3(tmp_path: Path) -> None:
    asyncio.run(_write(tmp_path, _records()))
    result = on(tmp_path / "audit", "audit", "verify", "--json")
    assert result.exit_code == 3
    verdict = json.loads(result.stdout)
    assert verdict["state"] == "incomplete"
    assert [problem["kind"] for problem in verdict["problems"]] == ["open"]


def test_a_trail_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    for words in (("audit", "verify"), ("audit", "show"), ("audit", "tail"), ("explain", "a" * 32)):
        assert isinstance(on(tmp_path / "nowhere", *words).exception, PolicyError)


def test_a_key_that_is_none_is_wrong_use(trail: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("no key")
    assert isinstance(on(trail, "audit", "verify", "--public-key", str(key)).exception, PolicyError)


def test_without_a_key_the_limit_of_the_verdict_is_said(trail: Path) -> None:
    (trail.parent / "keys" / "audit.pub").unlink()
    result = on(trail, "audit", "verify")
    assert result.exit_code == 0
    assert "with --public-key a trail that was cut" in result.stderr


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ((), [ANSWERED, REFUSED, BROKEN, OPEN, OPEN]),
        (("--code", "authorize."), [REFUSED]),
        (("--code", "limits."), []),
        (("--caller", "alice"), [REFUSED, BROKEN, OPEN]),
        (("--operation", "readAccount"), [ANSWERED, REFUSED, BROKEN, OPEN]),
        (("--since", "1h"), [ANSWERED, REFUSED, BROKEN, OPEN, OPEN]),
        (("--since", "2999-01-01"), []),
        (("--limit", "1"), []),
    ],
)
def test_show_chooses_records(trail: Path, words: tuple[str, ...], ids: list[str]) -> None:
    result = on(trail, "audit", "show", "--json", *words)
    shown = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["request_id"] for record in shown if "request_id" in record] == ids


def test_show_in_a_pipe_holds_nothing_that_moves_a_terminal(trail: Path) -> None:
    result = on(trail, "audit", "show")
    assert "authorize.owner" in result.stdout
    assert "\x1b" not in result.stdout


def test_show_on_a_wide_terminal_is_a_table_and_holds_no_escape_of_the_trails(
    trail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_commands, "TABLE_COLUMNS", 0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    shown = on(trail, "audit", "show").stdout
    assert "why" in shown.splitlines()[0]
    assert "\x1b[2J" not in shown
    assert REFUSED in shown


def test_a_time_that_is_none_is_wrong_use(trail: Path) -> None:
    assert isinstance(on(trail, "audit", "show", "--since", "yesterday").exception, PolicyError)


def test_tail_prints_the_newest_one_a_line(trail: Path) -> None:
    lines = on(trail, "audit", "tail", "-n", "2").stdout.splitlines()
    assert len(lines) == 2
    assert lines[-1].endswith("lifecycle stop")
    assert on(trail, "audit", "tail", "-n", "0").stdout == ""


def test_explain_tells_who_what_why_where_and_what_could_be_done(trail: Path) -> None:
    result = on(trail, "explain", f"urn:uuid:{REFUSED}")
    assert result.exit_code == 0
    for told in (
        "refused, authorize.owner: 404 Not found",
        "GET /accounts/b-2",
        "local|alice (user; credential jti-1; roles reader)",
        "192.0.2.7 port 4711, TLSv1.3",
        "alice asked for 'b-2'",
        "API1:2023",
        "transport.forwarded",
        "refused: worker-0 #3, 00000000000000000001.seg",
        "docs/controls/authorize.md",
    ):
        assert told in result.stdout
    assert "\x1b" not in result.stdout


def test_explain_as_data_holds_the_same(trail: Path) -> None:
    told = json.loads(on(trail, "explain", REFUSED, "--json").stdout)
    assert told["refusal"]["code"] == "authorize.owner"
    assert told["records"][0]["seq"] == 3


@pytest.mark.parametrize(
    ("request_id", "result"),
    [
        (ANSWERED, "answered: 200"),
        (BROKEN, "fault: 500"),
        (OPEN, "unknown: outcome unknown"),
        ("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa", "anonymous"),
    ],
)
def test_explain_tells_every_way_an_exchange_can_end(trail: Path, request_id: str, result: str) -> None:
    assert result in on(trail, "explain", request_id).stdout


def test_a_request_nobody_recorded_exits_1(trail: Path) -> None:
    assert on(trail, "explain", "e" * 32).exit_code == 1


@pytest.mark.parametrize("text", ["", "abc", "g" * 32, "\u0661" * 32, "a" * 33])
def test_what_is_no_request_id_is_wrong_use(trail: Path, text: str) -> None:
    assert isinstance(run("explain", "--directory", str(trail), "--", text).exception, PolicyError)


@pytest.mark.parametrize("code", DENIALS)
def test_every_denial_has_a_way_out_or_says_that_there_is_none(code: str) -> None:
    refusal = explain_command._refusal({"code": code, "detail": ""}, "GET /accounts/{id}", Path("none.yaml"))
    assert refusal is not None
    assert refusal["relax"]
    assert "%s" not in refusal["relax"]


@pytest.mark.parametrize(
    ("end", "steps"),
    [
        ({"kind": "outcome"}, [*STAGES]),
        ({"kind": "intent"}, []),
        ({"kind": "refused", "code": "transport.cl_te"}, ["limits", "transport refused"]),
        ({"kind": "refused", "code": "limits.rate"}, ["limits refused"]),
        (
            {"kind": "refused", "code": "limits.rate", "caller": "local|a"},
            ["limits", "transport", "limits", "authenticate", "limits refused"],
        ),
        ({"kind": "refused", "code": "limits.overload"}, ["limits", "transport", "limits refused"]),
        (
            {"kind": "refused", "code": "authenticate.missing"},
            ["limits", "transport", "limits", "authenticate refused"],
        ),
    ],
)
def test_the_steps_end_at_the_control_that_refused(end: dict[str, str], steps: list[str]) -> None:
    assert explain_command._steps(end) == steps


def test_the_construct_that_was_refused_is_pointed_at() -> None:
    detail = "/a: leaves a quoted string (70 %): xx x⟦' xx 0=0⟧ xx"
    assert explain_command._why(detail) == [
        ("why", "/a: leaves a quoted string (70 %)"),
        ("text", "xx x' xx 0=0 xx"),
        ("", "    ^^^^^^^^"),
    ]
    assert explain_command._why("no ⟦text⟧") == [("why", "no ⟦text⟧")]


API = """openapi: 3.1.0
info: {title: t, version: "1"}
paths:
  /notes/{id}:
    post:
      operationId: write
      parameters:
        - name: id
          in: path
          required: true
          schema: {type: string}
        - name: sort
          in: query
          schema: {type: string}
      requestBody:
        content:
          application/json:
            schema:
              $ref: "#/components/schemas/Note"
      responses: {}
components:
  schemas:
    Note:
      allOf:
        - type: object
          properties:
            text:
              type: string
            tags:
              type: array
              items:
                type: object
                properties:
                  name:
                    type: string
"""


@pytest.mark.parametrize(
    ("detail", "line"),
    [
        ("/text: leaves a quoted string (70 %)", 27),
        ("#/text: must be of type string", 27),
        ("/tags/*/name: a path climbs (95 %)", 34),
        ("#/tags/3/name: must be of type string", 34),
        ("/other: a command after a separator (85 %)", 23),
        ("#: a body is required", 5),
        ("query:sort: a path climbs (95 %)", 12),
        ("query parameter 'sort' is sent more than once", 12),
        ("path:id: a path climbs (95 %)", 8),
        ("form:text: a path climbs (95 %)", 27),
        ("query parameter 'other' is not declared", 5),
    ],
)
def test_the_line_that_declares_the_field_is_named(tmp_path: Path, detail: str, line: int) -> None:
    (tmp_path / "api.yaml").write_text(API)
    assert declared_at(tmp_path / "api.yaml", "write", detail) == f"{tmp_path / 'api.yaml'}:{line}"


def test_of_an_unknown_operation_no_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text(API)
    assert declared_at(tmp_path / "api.yaml", "other", "/text: x") == ""
