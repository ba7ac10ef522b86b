"""How operations are named for people: as a policy writes them."""

from pathlib import Path

from doorward.errors import PolicyError
from doorward.operation import Operation
from doorward.policy.loading import load_policy
from doorward.policy.openapi import load_description


def described(policy: Path) -> tuple[Operation, ...]:
    """The operations of the policy's API. Errors: PolicyError."""
    return tuple(load_description(load_policy(policy).api).operations)


def operation_keys(policy: Path) -> dict[str, str]:
    """Each operation's id to how a policy names it (`GET /accounts/{id}`); none where policy or API do not load."""
    try:
        return {operation.id: f"{operation.method} {operation.template}" for operation in described(policy)}
    except PolicyError:
        return {}
