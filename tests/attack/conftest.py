"""The bank's description and policy: an API for the samples to be made from."""

from pathlib import Path

import pytest

import doorward.demo
from doorward.attack.credentials import MintedTokens
from doorward.attack.roles import all_scopes, cast_for
from doorward.attack.samples import DescribedSamples
from doorward.jose import generate_key
from doorward.operation import ApiDescription
from doorward.policy.document import Policy
from doorward.policy.loading import load_policy
from doorward.policy.openapi import load_description

DEMO = Path(doorward.demo.__file__).parent


@pytest.fixture(scope="session")
def bank_description() -> ApiDescription:
    return load_description(DEMO / "bank" / "openapi.yaml")


@pytest.fixture(scope="session")
def bank_policy() -> Policy:
    addresses = {
        "BANK_URL": "http://127.0.0.1:1",
        "GATEWAY_ADDRESS": "127.0.0.1:0",
        "ISSUER_ADDRESS": "127.0.0.1:0",
        "PLAIN_ADDRESS": "127.0.0.1:0",
    }
    return load_policy(DEMO / "doorward.yaml", addresses)


@pytest.fixture(scope="session")
def bank_samples(bank_description: ApiDescription, bank_policy: Policy) -> DescribedSamples:
    cast = cast_for(bank_description, bank_policy)
    tokens = MintedTokens(
        key=generate_key("ES256"),
        issuer="https://issuer.example",
        audience="bank",
        roles=cast.roles,
        scopes=all_scopes(bank_description),
        claims=cast.claims,
    )
    return DescribedSamples(bank_description, bank_policy, cast, tokens, api_keys={"valid": "dw_key"})
