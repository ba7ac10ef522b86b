"""What the API description says about one operation, resolved and immutable. Data only: `policy.openapi` loads it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Schema: TypeAlias = Mapping[str, Any]
"""A JSON Schema as written in the document; may hold `$ref`s, which `ApiDescription.resolve` follows."""
Location = Literal["path", "query", "header", "cookie"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One declared parameter (OpenAPI 3.1 section 4.8.12)."""

    name: str
    location: Location
    required: bool
    schema: Schema
    style: str
    explode: bool
    media_type: str | None = None
    """Set when the parameter is described by `content` instead of `schema` and `style`."""
    allow_reserved: bool = False
    pointer: str = ""
    """JSON pointer into the document, for messages to the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaType:
    """One declared representation of a request or response body."""

    name: str
    """Lower case without parameters (`application/json`); may be a range (`image/*`)."""
    schema: Schema | None
    """None when the description leaves the content open."""
    pointer: str = ""
    encoding: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of a multipart body: the media types that a part of this name may have (OpenAPI `encoding`), lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBody:
    """The declared body of an operation."""

    required: bool
    content: Mapping[str, MediaType]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseDescription:
    """One declared response."""

    status: str
    """`200`, a class such as `2XX`, or `default`."""
    content: Mapping[str, MediaType]
    headers: frozenset[str] = frozenset()
    """Declared header names, lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityScheme:
    """One entry of `components.securitySchemes`."""

    name: str
    kind: Literal["apiKey", "http", "oauth2", "openIdConnect", "mutualTLS"]
    location: Literal["query", "header", "cookie", ""] = ""
    """Where an API key travels; empty for other kinds."""
    parameter: str = ""
    """Name of the header, query or cookie parameter that carries an API key."""
    http_scheme: str = ""
    """`bearer` or `basic` (lower case) for kind `http`."""
    signature: Literal["rfc9421", "hmac", ""] = ""
    """How requests are signed, where `x-doorward` of the scheme says so; then nothing else of it counts."""


SecurityRequirement: TypeAlias = Mapping[SecurityScheme, tuple[str, ...]]
"""Schemes that must all be satisfied, each with the scopes it must grant. Empty: anonymous is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path of the API description."""

    id: str
    """`operationId`, or `get /accounts/{account_id}` when there is none."""
    method: str
    path: str
    """Path template with the base path of `servers` in front: what stands on the wire."""
    template: str
    """Path template as written in the document: what a policy refers to."""
    parameters: tuple[Parameter, ...] = ()
    request_body: RequestBody | None = None
    responses: Mapping[str, ResponseDescription] = field(default_factory=dict)
    security: tuple[SecurityRequirement, ...] = ()
    """Alternatives; one of them must be satisfied. Empty tuple: the description asks for no credential."""
    extension: Mapping[str, Any] = field(default_factory=dict)
    """The operation's `x-doorward` member."""
    pointer: str = ""

    @property
    def changes_state(self) -> bool:
        """Whether an intent record must be durable before the upstream sees the request."""
        return self.method not in {"GET", "HEAD", "OPTIONS", "QUERY"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiDescription:
    """A loaded OpenAPI document."""

    title: str
    version: str
    """Of OpenAPI: `3.0.3`, `3.1.0`."""
    operations: tuple[Operation, ...]
    document: Mapping[str, Any]
    resolve: Callable[[Schema], Schema]
    """Follows a chain of `$ref`s to the schema it stands for; a schema without `$ref` comes back as it is."""
