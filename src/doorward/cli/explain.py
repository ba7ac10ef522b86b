"""`doorward explain`: everything the trail knows about one exchange, and what could be done about its refusal."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from doorward.audit.describing import describe
from doorward.audit.reading import read_trail
from doorward.cli.audit import AsJson, Directory, PolicyFile, find_trail
from doorward.cli.declared import declared_at
from doorward.cli.relaxing import relaxing
from doorward.controls.inspect.excerpt import CLOSES, OPENS
from doorward.denial import DENIALS
from doorward.errors import PolicyError
from doorward.pipeline import STAGES
from doorward.policy.loading import load_policy
from doorward.policy.openapi import load_description

_HEX: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SHOWN: Final = re.compile(
    rf"(?P<reason>.*? %\)): (?P<before>[^{OPENS}]*){OPENS}(?P<construct>.*){CLOSES}(?P<after>[^{CLOSES}]*)"
)
"""A detail of inspect with the text around the construct."""


def register(app: typer.Typer) -> None:
    """Add `doorward explain`."""
    app.command("explain")(explain)


def explain(
    request_id: Annotated[str, typer.Argument(help="as in the answer's `instance`: urn:uuid:... or its 32 hex digits")],
    directory: Directory = None,
    policy: PolicyFile = Path("doorward.yaml"),
    as_json: AsJson = False,
) -> None:
    """Tell what happened to one request and why."""
    wanted = bytes.fromhex(_normal_id(request_id))
    trail = find_trail(directory, policy)
    records = [
        record
        for record in (describe(located) for located in read_trail(trail.directory) if wanted in located.payload)
        if record.get("request_id") == wanted.hex()
    ]
    if not records:
        print(f"no record of {wanted.hex()} in {trail.directory}", file=sys.stderr)
        raise typer.Exit(1)
    end = next((record for record in records if record["kind"] in {"outcome", "refused"}), records[-1])
    asked = end if "path" in end else next((record for record in records if "path" in record), end)
    operation = _operation_key(asked, policy)
    refusal = _refusal(end, operation, policy)
    steps = _steps(end)
    if as_json:
        print(json.dumps({"request_id": wanted.hex(), "refusal": refusal, "steps": steps, "records": records}))
    else:
        print("\n".join([f"{name:<10} {text}" for name, text in _rows(records, end, asked, operation, refusal)]))


def _normal_id(text: str) -> str:
    digits = text.lower().removeprefix("urn:uuid:").replace("-", "")
    if not _HEX.fullmatch(digits):
        hint = "the answer's `instance` member, or the X-Request-Id header"
        raise PolicyError(f"{text!r} is not a request id", key="explain", hint=hint)
    return digits


def _operation_key(end: dict[str, Any], policy: Path) -> str:
    """The operation as a policy names it (`GET /accounts/{id}`), or the nearest to it where there is no policy."""
    known = end.get("operation", "")
    try:
        description = load_description(load_policy(policy).api)
    except PolicyError:
        return f"{end.get('method', '')} {end.get('path', '')}"
    for operation in description.operations:
        if operation.id == known:
            return f"{operation.method} {operation.template}"
    return f"{end.get('method', '')} {end.get('path', '')}"


def _declared(end: dict[str, Any], policy: Path) -> str:
    try:
        return declared_at(load_policy(policy).api, end.get("operation", ""), end.get("detail", ""))
    except PolicyError:
        return ""


def _steps(end: dict[str, Any]) -> list[str]:
    """The controls the exchange came to, the last one with what it said."""
    code = end.get("code", "")
    control = code.partition(".")[0]
    if control not in STAGES:
        return [*STAGES] if end["kind"] == "outcome" else []
    last = STAGES.index(control)
    if control == "limits":  # of the address, of the load, of the caller
        after = "authenticate" if end.get("caller") else "transport" if code == "limits.overload" else "limits"
        last = STAGES.index("limits", STAGES.index(after))
    return [*STAGES[:last], f"{control} refused"]


def _refusal(end: dict[str, Any], operation: str, policy: Path) -> dict[str, str] | None:
    code = end.get("code", "")
    denial = DENIALS.get(code)
    if denial is None:
        return None
    control = code.partition(".")[0]
    return {
        "code": code,
        "title": denial.title,
        "severity": denial.severity,
        "owasp": denial.owasp,
        "detail": end.get("detail", ""),
        "declared": _declared(end, policy),
        "relax": relaxing(code, operation, end.get("detail", "")),
        "page": f"docs/controls/{control}.md",
    }


def _rows(
    records: list[dict[str, Any]],
    end: dict[str, Any],
    asked: dict[str, Any],
    operation: str,
    refusal: dict[str, str] | None,
) -> list[tuple[str, str]]:
    rows = [("request", end["request_id"]), ("result", _result(end, refusal))]
    if "path" in asked:
        rows += _asked(asked, operation)
    if refusal is not None:
        rows += [*_why(refusal["detail"]), ("steps", ", ".join(_steps(end)))]
        if refusal["declared"]:
            rows.append(("declared", refusal["declared"]))
        rows.append(("threat", f"{refusal['owasp']}, severity {refusal['severity']}"))
    elif end.get("detail"):
        rows.append(("fault", end["detail"]))
    if end.get("findings"):
        rows.append(("findings", ", ".join(end["findings"])))
    if end.get("user_agent"):
        rows.append(("client", end["user_agent"]))
    if "bytes_in" in end:
        rows.append(("bytes", f"{end['bytes_in']} in, {end['bytes_out']} out"))
    if asked.get("policy_version"):
        rows.append(("policy", asked["policy_version"]))
    rows += [
        ("record", f"{record['kind']}: {record['shard']} #{record['seq']}, {record['segment']}, {record['time']}")
        for record in records
    ]
    if refusal is not None:
        rows += [("relax", refusal["relax"]), ("page", refusal["page"])]
    return rows


def _why(detail: str) -> list[tuple[str, str]]:
    """The reason, and below the text, where the record has some of it, what is meant."""
    found = _SHOWN.fullmatch(detail)
    if found is not None:
        before, construct, after = found["before"], found["construct"], found["after"]
        caret = " " * len(before) + "^" * max(1, len(construct))
        return [("why", found["reason"]), ("text", f"{before}{construct}{after}"), ("", caret)]
    return [("why", detail)]


def _asked(asked: dict[str, Any], operation: str) -> list[tuple[str, str]]:
    port = f" port {asked['port']}" if asked.get("port") else ""
    tls = f", {asked['tls_version']}" if asked.get("tls_version") else ""
    return [
        ("asked", f"{asked['method']} {asked['path']}"),
        ("operation", f"{operation} ({asked['operation']})" if asked["operation"] else "none matched"),
        ("caller", _caller(asked)),
        ("from", f"{asked['address']}{port}{tls}"),
        ("at", f"{asked['at']}{_durations(asked)}"),
    ]


def _result(end: dict[str, Any], refusal: dict[str, str] | None) -> str:
    if refusal is not None:
        return f"refused, {refusal['code']}: {end['status']} {refusal['title']}"
    if end["kind"] == "recovered":
        return f"unknown: {end['reason']}"
    if end["kind"] == "intent":
        return "under way, or lost: there is an intent and no outcome yet"
    if end["kind"] == "refused":
        return f"fault: {end['status']}"
    return f"answered: {end['status']}" if "status" in end else end["kind"]


def _caller(end: dict[str, Any]) -> str:
    if not end["caller"]:
        return "anonymous"
    facts = [end.get("caller_kind", ""), f"credential {end['credential_id']}" if end.get("credential_id") else ""]
    if end.get("roles"):
        facts.append(f"roles {', '.join(end['roles'])}")
    known = "; ".join(fact for fact in facts if fact)
    return f"{end['caller']} ({known})" if known else end["caller"]


def _durations(end: dict[str, Any]) -> str:
    if "total_ms" not in end:
        return ""
    return f", decided after {end['total_ms']} ms, {end['upstream_us'] / 1000} ms of it the upstream's"
