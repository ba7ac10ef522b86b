"""What policy and description must not say together: found when they are compiled, not by the first request."""

from doorward.controls import authenticate
from doorward.errors import PolicyError
from doorward.operation import ApiDescription
from doorward.pipeline.guarded import Guarded
from doorward.policy.document import Policy


def require_known_schemes(policy: Policy, description: ApiDescription) -> None:
    """Errors: PolicyError for settings of a scheme that no operation has: whoever wrote them believes in them."""
    known = {
        scheme.name
        for operation in description.operations
        for requirement in operation.security
        for scheme in requirement
        if scheme.signature == "hmac"
    }
    for settings in policy.authenticate.hmac_signatures:
        if settings.scheme not in known:
            raise PolicyError(
                f"no operation takes plain HMAC signatures by a scheme {settings.scheme!r}",
                key="authenticate.hmac_signatures",
                hint=f"schemes: {', '.join(sorted(known)) or 'none has x-doorward: {signature: hmac}'}",
            )


def require_fit(of: Guarded) -> None:
    """Errors: PolicyError for an operation whose callers could not prove themselves as it seems."""
    if of.takes_signatures:
        _require_signatures_can_be_checked(of)
    if of.asks_callers and authenticate.takes_secrets(of.operation):
        _require_secrets_travel_hidden(of)
    if of.is_encrypted:
        _require_somebody_is_proved(of)


def _require_signatures_can_be_checked(of: Guarded) -> None:
    """Errors: PolicyError where a signed request would be refused, or could be used twice, although it seems set up."""
    if of.own.websocket is not None:
        raise PolicyError(
            f"{of.operation.id} opens a WebSocket, which outlives a signature",
            key="operations",
            hint="let it take a bearer token or an API key",
        )


def _require_secrets_travel_hidden(of: Guarded) -> None:
    """Errors: PolicyError where a secret would come in the clear, and so be refused however right it is."""
    if of.policy.tls is None and of.policy.transport.proxies() is None:
        raise PolicyError(
            f"{of.operation.id} takes a client's secret by HTTP Basic, and connections are in the clear",
            key="tls",
            hint="write tls: {certificate: ..., key: ...}, or list the proxy that has it under transport",
        )


def _require_somebody_is_proved(of: Guarded) -> None:
    """Errors: PolicyError where bodies are encrypted, and nobody could tell who calls, or use a message once."""
    hint = ""
    if not of.asks_callers:
        hint = "encryption proves nobody: take it off `public`, and let its callers show a credential"
    elif of.mode("authenticate") != "enforce":
        hint = "encryption proves nobody: authenticate must be enforced for it"
    elif of.own.websocket is not None:
        hint = "a WebSocket's messages are not encrypted: leave one of the two away"
    if hint:
        raise PolicyError(f"{of.operation.id} cannot have encrypted bodies", key="operations", hint=hint)
