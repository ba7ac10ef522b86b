"""`doorward drift` and `doorward learn`: where traffic and the API description have parted.

Threat: OWASP API9:2023 Improper inventory management. Shadow operations are asked for and not described; zombie
operations are described and nobody asks for them.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import typer
import yaml
from rich.console import Console
from rich.table import Table

from doorward.audit.describing import describe
from doorward.audit.reading import read_trail
from doorward.cli.audit import AsJson, Directory, PolicyFile, Since, find_trail, since_time
from doorward.cli.operations import described
from doorward.cli.shapes import Shapes, form_schema, json_schema, query_parameters
from doorward.controls.validate.learning import noted_shape
from doorward.policy.openapi import UNDESCRIBED

_UNDESCRIBED: Final = frozenset({"validate.path_unknown", "validate.method"})
_KINDS: Final = (
    ("integer", re.compile(r"[0-9]{1,18}")),
    ("uuid", re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    ("string", re.compile(r"[0-9a-fA-F]{16,}|(?=.*[0-9])[A-Za-z0-9_-]{8,}|[A-Za-z]{1,8}-[0-9]{1,12}|.{40,}")),
)
"""What a segment looks like that is a value and no name; the first that fits counts."""
_SHOWN: Final = 50


@dataclass(slots=True, kw_only=True)
class Shadow:
    """An operation that is asked for and not described."""

    method: str
    path: str
    """With values as `{integer}`, `{uuid}` or `{string}`."""
    count: int = 0
    callers: set[str] = field(default_factory=set)
    first: str = ""
    last: str = ""
    has_body: bool = False
    shapes: Shapes = field(default_factory=Shapes)
    """What requests carried, where they were let pass and noted."""

    def facts(self) -> dict[str, Any]:
        """All but the shapes, as data."""
        return {name: value for name, value in asdict(self).items() if name != "shapes"}


def register(app: typer.Typer) -> None:
    """Add `doorward drift` and `doorward learn`."""
    app.command("drift")(drift)
    app.command("learn")(learn)


def drift(
    since: Since = None,
    directory: Directory = None,
    policy: PolicyFile = Path("doorward.yaml"),
    as_json: AsJson = False,
) -> None:
    """List operations that are asked for and not described, and those that are described and not asked for.

    Exit 1: there are some.
    """
    records = _records(since, directory, policy)
    shadows = shadows_in(records)
    used = {str(record["operation"]) for record in records if record.get("operation")}
    unused = [f"{one.method} {one.template}" for one in described(policy) if one.id not in used]
    if as_json:
        data = [{**one.facts(), "callers": len(one.callers)} for one in shadows]
        print(json.dumps({"undescribed": data, "unused": unused}))
    else:
        _print(shadows, unused)
    raise typer.Exit(1 if shadows or unused else 0)


def learn(
    since: Since = None,
    directory: Directory = None,
    policy: PolicyFile = Path("doorward.yaml"),
) -> None:
    """Draft OpenAPI paths (YAML) for what was asked for and is not described: to be read, completed and merged.

    With `insecure_undescribed` the record holds names and types of what such requests carried, and the draft has them;
    else schemas stay open, and are for you to close.
    """
    paths = draft(shadows_in(_records(since, directory, policy)))
    print(yaml.safe_dump({"paths": paths}, sort_keys=False), end="")


def shadows_in(records: Iterable[dict[str, Any]]) -> list[Shadow]:
    """What was asked for and is not described, the most frequent first."""
    found: dict[tuple[str, str], Shadow] = {}
    for record in records:
        if record.get("code") not in _UNDESCRIBED and record.get("operation") != UNDESCRIBED:
            continue
        method, path = str(record["method"]), templated(str(record["path"]))
        row = found.setdefault((method, path), Shadow(method=method, path=path, first=record["time"]))
        row.count += 1
        row.last = record["time"]
        row.callers.add(str(record.get("caller") or record.get("address", "")))
        row.shapes.add(noted_shape(record.get("findings", ())))
        row.has_body = row.has_body or bool(record.get("bytes_in")) or method in {"POST", "PUT", "PATCH"}
    return sorted(found.values(), key=lambda row: (-row.count, row.path, row.method))


def templated(path: str) -> str:
    """The path with what looks like a value as a parameter.

    >>> templated("/users/17/orders/6f1c1f6e-3a57-4d6b-9d2e-2a4a1f0c9b11/items")
    '/users/{integer}/orders/{uuid}/items'
    """
    segments = []
    for segment in path.split("/"):
        kind = next((name for name, pattern in _KINDS if pattern.fullmatch(segment)), "")
        segments.append(f"{{{kind}}}" if kind else segment)
    return "/".join(segments)


def draft(shadows: list[Shadow]) -> dict[str, Any]:
    """OpenAPI path items for them."""
    paths: dict[str, Any] = {}
    for shadow in shadows:
        template, parameters = _named(shadow.path)
        operation: dict[str, Any] = {
            "summary": f"asked for {shadow.count} times, last {shadow.last}: describe or remove",
            "responses": {"200": {"description": "to be described"}},
        }
        if shadow.shapes.query:
            operation["parameters"] = query_parameters(shadow.shapes)
        bodies = shadow.shapes.bodies
        if bodies:
            operation["requestBody"] = {
                "content": {
                    media_type: {"schema": form_schema(body) if "form" in media_type else json_schema(body)}
                    for media_type, body in bodies.items()
                }
            }
        elif shadow.has_body:
            operation["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
        item = paths.setdefault(template, {"parameters": parameters} if parameters else {})
        item[shadow.method.lower()] = operation
    return paths


def _named(path: str) -> tuple[str, list[dict[str, Any]]]:
    """The path with parameters named after the segment before them, and the parameters."""
    parameters: list[dict[str, Any]] = []
    segments = path.split("/")
    for place, segment in enumerate(segments):
        if not segment.startswith("{"):
            continue
        kind = segment.strip("{}")
        before = segments[place - 1] if place else ""
        name = re.sub(r"[^A-Za-z0-9_]", "_", before.removesuffix("s")) or "item"
        name = f"{name}_id" if not before.startswith("{") else f"id_{len(parameters) + 1}"
        schema: dict[str, Any] = {"type": "string", "maxLength": 128}
        if kind == "integer":
            schema = {"type": "integer", "minimum": 0}
        elif kind == "uuid":
            schema = {"type": "string", "format": "uuid"}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
        segments[place] = f"{{{name}}}"
    return "/".join(segments), parameters


def _records(since: str | None, directory: Path | None, policy: Path) -> list[dict[str, Any]]:
    trail = find_trail(directory, policy)
    begin = since_time(since)
    return [
        record
        for record in (describe(located) for located in read_trail(trail.directory) if located.time_ns >= begin)
        if record["kind"] in {"outcome", "refused"}
    ]


def _print(shadows: list[Shadow], unused: list[str]) -> None:
    console = Console()
    if not shadows and not unused:
        console.print("traffic and description agree")
        return
    if shadows:
        table = Table("asked for", "callers", "not described", "first", "last")
        for row in shadows[:_SHOWN]:
            table.add_row(str(row.count), str(len(row.callers)), f"{row.method} {row.path}", row.first, row.last)
        console.print(table)
        if len(shadows) > _SHOWN:
            console.print(f"and {len(shadows) - _SHOWN} more (--json prints all)")
        console.print("Yours? `doorward learn` drafts their description")
    if unused:
        console.print("\ndescribed, and asked for by nobody:")
        for name in unused:
            console.print(f"  {name}", markup=False, highlight=False)
