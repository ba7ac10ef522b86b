"""What an operation's description asks of those who call it."""

from collections.abc import Mapping
from typing import Any

from doorward.operation import Operation


def is_signed(operation: Operation) -> bool:
    """Whether there is no way in but a signature."""
    return bool(operation.security) and all(any(scheme.signature for scheme in one) for one in operation.security)


def signature_schemes(operation: Operation) -> set[str]:
    """How its requests can be signed; with the empty text among them where something else is needed too."""
    return {scheme.signature for one in operation.security for scheme in one}


def is_scoped(operation: Operation) -> bool:
    """Whether every way in demands a scope."""
    return bool(operation.security) and all(any(_scopes(one)) for one in operation.security)


def _scopes(requirement: Mapping[Any, tuple[str, ...]]) -> list[str]:
    return [scope for scopes in requirement.values() for scope in scopes]
