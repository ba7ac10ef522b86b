from pathlib import Path
from typing import Any

import orjson
import pytest

from doorward.policy.document import Policy
from doorward.policy.openapi import description_from_document
from doorward.policy.review import Finding, relaxations, review, summaries

BODY = {"content": {"application/json": {"schema": {"type": "object"}}}}
DOCUMENT = {
    "openapi": "3.1.0",
    "components": {"securitySchemes": {"b": {"type": "http", "scheme": "bearer"}}},
    "security": [{"b": []}],
    "paths": {
        "/accounts/{id}": {"get": {"responses": {}}},
        "/health": {"get": {"security": [], "responses": {}}},
        "/notes": {"post": {"requestBody": BODY, "responses": {}}},
    },
}


def policy_of(**settings: Any) -> Policy:
    written = {"api": "o.yaml", "upstream": "http://127.0.0.1:9", "tls": {"certificate": "a", "key": "b"}}
    return Policy.model_validate_json(orjson.dumps({**written, "roles": {"admin": ["*"]}, **settings}))


def findings(**settings: Any) -> list[Finding]:
    return review(policy_of(**settings), description_from_document(DOCUMENT))


def found(key: str, **settings: Any) -> Finding:
    return next(finding for finding in findings(**settings) if finding.key == key)


def test_a_strict_policy_relaxes_nothing() -> None:
    assert relaxations(policy_of()) == []


def test_every_relaxation_is_named() -> None:
    policy = policy_of(
        insecure_plain_http=True,
        issuer={"insecure_development_tokens": True},
        validate={"allow_unknown_properties": True},
        modes={"inspect": "observe"},
        operations={"GET /health": {"modes": {"limits": "off"}, "validate": {"allow_unknown_parameters": True}}},
    )
    assert {finding.key for finding in relaxations(policy)} == {
        "insecure_plain_http",
        "issuer.insecure_development_tokens",
        "validate.allow_unknown_properties",
        "modes.inspect",
        'operations."GET /health".modes.limits',
        'operations."GET /health".validate.allow_unknown_parameters',
    }


def test_a_relaxation_that_is_a_list_is_named_once_and_an_empty_one_is_none() -> None:
    policy = policy_of(
        insecure_issuer_networks=["10.0.0.0/8", "127.0.0.0/8"],
        issuer={
            "insecure_client_networks": [],
            "sms": {"hook": "https://sms.example/", "secret_file": "s", "insecure_networks": ["127.0.0.0/8"]},
        },
        inspect={"insecure_classes_off": ["sql"]},
    )
    assert sorted(finding.key for finding in relaxations(policy)) == [
        "insecure_issuer_networks",
        "inspect.insecure_classes_off",
        "issuer.sms.insecure_networks",
    ]


def test_a_secret_whose_file_is_not_there_is_pointed_out(tmp_path: Path) -> None:
    file = tmp_path / "sms.secret"
    issuer = {"sms": {"hook": "https://sms.example/", "secret_file": str(file)}}
    assert "is not there" in found("issuer.sms.secret_file", issuer=issuer).problem
    file.write_text("c2VjcmV0")
    assert "issuer.sms.secret_file" not in [finding.key for finding in findings(issuer=issuer)]


def test_a_relaxation_that_the_description_brings_is_named_too() -> None:
    extension = {"modes": {"inspect": "off"}, "validate": {"allow_unknown_parameters": True}}
    paths = {"/a": {"get": {"x-doorward": extension, "responses": {}}}}
    found = review(policy_of(), description_from_document({**DOCUMENT, "paths": paths}))
    assert {"GET /a x-doorward.modes.inspect", "GET /a x-doorward.validate.allow_unknown_parameters"} <= {
        finding.key for finding in found if finding.level == "warning"
    }


@pytest.mark.parametrize(("tls", "is_told"), [({}, True), ({"local_ca": True}, False)])
def test_an_operation_for_certificates_that_nobody_is_asked_for_is_pointed_out(tls: Any, is_told: bool) -> None:
    document = {
        **DOCUMENT,
        "components": {"securitySchemes": {"c": {"type": "mutualTLS"}}},
        "security": [{"c": []}],
        "paths": {"/a": {"get": {"responses": {}}}},
    }
    policy = policy_of(tls={"certificate": "a", "key": "b", **tls})
    told = [finding.problem for finding in review(policy, description_from_document(document))]
    assert any("asks nobody for one" in problem for problem in told) is is_told


def test_rules_for_operations_that_do_not_exist_are_errors() -> None:
    wrong = {
        "public": ["GET /helth"],
        "operations": {"POST /note": {}},
        "owners": {"/acounts/{id}": "caller.id"},
    }
    assert [(each.level, each.hint) for each in findings(**wrong)[:3]] == [
        ("error", "did you mean `GET /health`?"),
        ("error", "did you mean `POST /notes`?"),
        ("error", "did you mean `/accounts/{id}`?"),
    ]


def test_a_grant_that_allows_nothing_is_pointed_out() -> None:
    assert found("roles.clerk", roles={"clerk": ["POST /note"], "admin": ["*"]}).hint == "did you mean `POST /notes`?"


def test_a_quota_for_a_role_that_nobody_can_have_is_pointed_out() -> None:
    assert "no caller can have this role" in found("limits.quota.redaer", limits={"quota": {"redaer": "5/day"}}).problem


def test_open_doors_are_pointed_out() -> None:
    assert "asks for no credential" in found("GET /health").problem
    assert "anybody may call it" in found("GET /health", public=["GET /health"]).problem
    assert "nobody may call it" in found("POST /notes", roles={"reader": ["GET *"]}).problem


def test_a_body_that_takes_any_member_is_pointed_out() -> None:
    pointer = "#/paths/~1notes/post/requestBody/content/application~1json"
    assert "lets any member through" in found(pointer).problem


def test_a_summary_says_who_may_call_what() -> None:
    policy = policy_of(
        public=["GET /health"],
        roles={"admin": ["*"], "reader": ["GET *"]},
        owners={"/accounts/{id}": "caller.account"},
        modes={"inspect": "off"},
    )
    account, health, notes = summaries(policy, description_from_document(DOCUMENT))
    assert (account.callers, account.owner, account.modes) == ("admin, reader", "caller.account", {"inspect": "off"})
    assert (health.callers, health.body_bytes) == ("everybody", 0)
    assert (notes.callers, notes.body_bytes) == ("admin", 1024 * 1024)


def test_a_network_of_proxies_as_wide_as_the_internet_is_named() -> None:
    assert (
        "whoever has an address"
        in found("transport.trusted_proxies[0]", transport={"trusted_proxies": ["0.0.0.0/0", "10.0.0.0/8"]}).problem
    )
    narrow = findings(transport={"trusted_proxies": ["10.0.0.0/8", "fd00::/32"]})
    assert not [one for one in narrow if one.key.startswith("transport")]


def test_certificates_that_cannot_be_revoked_are_named() -> None:
    mutual = {"certificate": "a", "key": "b", "client_ca": "c"}
    assert found("tls.client_ca", tls=mutual).level == "warning"
    assert not [one for one in findings(tls={**mutual, "client_crl": "d"}) if one.key.startswith("tls")]
