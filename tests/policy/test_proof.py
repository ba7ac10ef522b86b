"""How a policy demands proofs of possession, and what it must say for one to be judged."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.policy.test_loading import SMALLEST, load, mistakes

from doorward.errors import PolicyError
from doorward.gateway.publisher import load_checked
from doorward.operation import Operation

PAGE = Path(__file__).parents[2] / "docs" / "controls" / "authenticate.md"
HOSTS = "transport: {hosts: [api.example.com]}\n"


def operation(**extension: Any) -> Operation:
    return Operation(id="pay", method="POST", path="/transfers", template="/transfers", extension=extension)


EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
POLICIES = [example for example in EXAMPLES if not example.startswith("components:")]
"""The others are parts of an API description."""


@pytest.mark.parametrize("example", POLICIES)
def test_the_examples_of_the_page_load(tmp_path: Path, example: str) -> None:
    assert load(tmp_path, SMALLEST + example).issuers


def test_the_names_of_the_api_come_from_transport(tmp_path: Path) -> None:
    policy = load(tmp_path, SMALLEST + HOSTS + "authenticate: {proof: any}\n")
    assert (policy.authenticate.proof, policy.authenticate.hosts) == ("any", ("api.example.com",))
    assert "hosts do not stand here" in mistakes(tmp_path, SMALLEST + "authenticate: {hosts: [x]}")[0].problem


def test_an_operation_demands_a_proof_by_policy_or_description(tmp_path: Path) -> None:
    policy = load(tmp_path, SMALLEST + HOSTS + "operations: {POST /transfers: {proof: dpop}}\n")
    assert policy.authenticate_of(operation()).proof == "dpop"
    assert policy.authenticate_of(operation(proof="certificate")).proof == "dpop"
    plain = load(tmp_path, SMALLEST + HOSTS)
    assert plain.authenticate_of(operation(proof="certificate")).proof == "certificate"
    assert plain.authenticate_of(operation()) is plain.authenticate


def test_a_description_cannot_do_without_a_proof_that_the_policy_demands(tmp_path: Path) -> None:
    policy = load(tmp_path, SMALLEST + HOSTS + "authenticate: {proof: any}\n")
    assert policy.authenticate_of(operation(proof="if_bound")).proof == "any"
    written = load(
        tmp_path,
        SMALLEST + HOSTS + "authenticate: {proof: any}\noperations: {POST /transfers: {proof: if_bound}}\n",
    )
    assert written.authenticate_of(operation()).proof == "if_bound"


@pytest.mark.parametrize(
    "origin", ["api.example.com", "https://api.example.com/", "https://a@b", "ftp://x", "https://x/y", "https://x?y"]
)
def test_what_is_no_origin_is_refused(tmp_path: Path, origin: str) -> None:
    first = mistakes(tmp_path, SMALLEST + f"authenticate: {{proof_origins: ['{origin}']}}")[0]
    assert "is no origin" in first.problem


def test_origins_are_kept_in_the_form_that_is_compared(tmp_path: Path) -> None:
    policy = load(
        tmp_path, SMALLEST + "authenticate: {proof_origins: ['https://API.example.com:443', 'http://x:8080']}"
    )
    assert policy.authenticate.proof_origins == ("https://api.example.com", "http://x:8080")


def test_several_hosts_always_ask_for_a_nonce(tmp_path: Path) -> None:
    shared = "limits: {shared: {url: 'redis://127.0.0.1:6379', hosts: 2}}\n"
    assert load(tmp_path, SMALLEST + shared).authenticate.proof_nonce == "required"
    assert load(tmp_path, SMALLEST + shared.replace("hosts: 2", "hosts: 1")).authenticate.proof_nonce == "optional"


DESCRIPTION = """\
openapi: 3.1.0
info: {title: t, version: "1"}
components: {securitySchemes: {proved: {type: http, scheme: DPoP}, token: {type: http, scheme: bearer}}}
paths:
  /x:
    get: {security: [{SCHEME: []}], responses: {"200": {description: ok}}}
"""


@pytest.mark.parametrize(
    ("scheme", "settings", "problem"),
    [
        ("token", "authenticate: {proof: any}\n", "made for this API"),
        ("proved", "", "made for this API"),
        ("proved", HOSTS + "workers: 2\n", ""),
        ("token", "authenticate: {proof: certificate}\n", ""),
        ("token", HOSTS + "authenticate: {proof: any}\n", ""),
        ("proved", HOSTS, ""),
        ("proved", "workers: 2\npublic: [GET /x]\n", ""),
    ],
)
def test_a_demand_that_could_not_be_kept_does_not_load(
    tmp_path: Path, scheme: str, settings: str, problem: str
) -> None:
    (tmp_path / "openapi.yaml").write_text(DESCRIPTION.replace("SCHEME", scheme))
    path = tmp_path / "doorward.yaml"
    path.write_text(SMALLEST + settings)
    if not problem:
        assert load_checked(path).description.operations
        return
    with pytest.raises(PolicyError, match=problem):
        load_checked(path)
