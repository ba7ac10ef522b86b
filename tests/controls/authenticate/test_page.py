"""The examples on the control's page load."""

import re
from pathlib import Path
from typing import Any

import orjson
import yaml
from tests.controls.authenticate.sealed import Gate, document, policy_of

from doorward.controls.authenticate import AuthenticatePolicy
from doorward.policy.document import Policy
from doorward.policy.openapi import description_from_document
from doorward.policy.snapshot import policy_data

PAGE = Path(__file__).parents[3] / "docs" / "controls" / "authenticate.md"


def block(word: str) -> Any:
    """The first YAML example with that word in it."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return yaml.safe_load(next(text for text in blocks if word in text))


def test_the_policy_of_webhooks_loads() -> None:
    policy = AuthenticatePolicy.model_validate_json(orjson.dumps(block("hmac_signatures")["authenticate"]))
    assert policy.hmac_of("slackHook").form == "slack"


def test_the_policy_of_encrypted_bodies_loads() -> None:
    gate = Gate(said=document({}))
    said = block("body: jwe")
    written = {key.replace("/transfers", "/orders"): value for key, value in said["operations"].items()}
    gate.pipeline = gate.compiled(policy_of(operations=written, authenticate=said["authenticate"]), document({}))
    assert gate.code(gate.message()) == ""
    assert gate.code(b"{}", media_type="application/json") == "authenticate.body_decryption"


def test_the_description_of_signed_operations_loads() -> None:
    described = block("securitySchemes")
    described["paths"]["/transfers"]["post"]["responses"] = {"200": {"description": "ok"}}
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, **described}
    (operation,) = description_from_document(document).operations
    assert [scheme.signature for one in operation.security for scheme in one] == ["rfc9421"]


def test_the_callers_by_certificate_load() -> None:
    written = block("client_certificates:")["authenticate"]
    policy = AuthenticatePolicy.model_validate(written, strict=False)
    assert [rule.caller for rule in policy.client_certificates] == ["partner-billing", "pos-1"]


def test_the_policy_of_opaque_tokens_loads_and_its_files_stand_beside_it() -> None:
    written = {"api": "openapi.yaml", "upstream": "http://127.0.0.1:1", "insecure_plain_http": True}
    text = orjson.dumps({**written, **block("introspection")})
    policy = Policy.model_validate_json(text, context={"directory": "/etc/doorward"})
    again = Policy.model_validate_json(orjson.dumps(policy_data(policy)), context={"directory": "/etc/doorward"})
    for each in (policy, again):
        (issuer,) = each.authenticate.issuers
        assert not issuer.signs
        assert issuer.introspection is not None
        assert issuer.introspection.secret_file == "/etc/doorward/introspection.secret"
