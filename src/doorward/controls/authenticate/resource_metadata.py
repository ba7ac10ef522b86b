"""What a client may know of this API before it calls: who vouches for callers, and how tokens come (RFC 9728).

Made from policy and description alone. A name that a request came under never gets into it: a client that was sent to
a foreign authorization server would show its user's password there (section 7.3).
"""

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from doorward.controls.authenticate.policy import AuthenticatePolicy
from doorward.exchange import Exchange, Response
from doorward.jose import ALGORITHM_NAMES
from doorward.operation import Operation

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_METHODS: Final = frozenset({"GET", "HEAD"})
_HEADERS: Final = ((b"content-type", b"application/json"), (b"cache-control", b"public, max-age=300"))


def metadata_url(resource: str) -> str:
    """Where the metadata of a resource stand (section 3.1).

    >>> metadata_url("https://api.example.com/orders")
    'https://api.example.com/.well-known/oauth-protected-resource/orders'
    """
    parts = urlsplit(resource)
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path.rstrip('/')}"


class ResourceMetadata:
    """The document of one policy, ready to be answered."""

    __slots__ = ("_body", "path")

    def __init__(self, policy: AuthenticatePolicy, resource: str, operations: Iterable[Operation]) -> None:
        """`resource`: the API's URL as its clients know it."""
        self.path: Final = urlsplit(metadata_url(resource)).path.encode("ascii")
        self._body = orjson.dumps(_document(policy, resource, operations))

    def answers(self, exchange: Exchange) -> bool:
        """Whether somebody asks for it."""
        request = exchange.request
        return request.path == self.path and request.method in _METHODS and not request.has_body

    def response(self) -> Response:
        """The answer."""
        return Response(200, [*_HEADERS], self._body)


def compile_metadata(policy: AuthenticatePolicy, operations: Iterable[Operation]) -> ResourceMetadata | None:
    """The metadata, where the policy knows the API's URL and has issuers.

    None where not, or where the description has an operation of that path itself: the API then speaks for itself.
    """
    resource, known = policy.resource_url, tuple(operations)
    if resource is None:
        return None
    made = ResourceMetadata(policy, resource, known)
    return None if any(operation.path.encode() == made.path for operation in known) else made


def _document(policy: AuthenticatePolicy, resource: str, operations: Iterable[Operation]) -> dict[str, Any]:
    scopes = {
        scope
        for operation in operations
        for requirement in operation.security
        for named in requirement.values()
        for scope in named
    }
    document: dict[str, Any] = {
        "resource": resource,
        "authorization_servers": [issuer.issuer for issuer in policy.issuers],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(ALGORITHM_NAMES),
    }
    if scopes:
        document["scopes_supported"] = sorted(scopes)
    if policy.proof == "dpop":
        document["dpop_bound_access_tokens_required"] = True
    if policy.proof == "certificate":
        document["tls_client_certificate_bound_access_tokens"] = True
    return document
