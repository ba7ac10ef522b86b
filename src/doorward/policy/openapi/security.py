"""How callers prove who they are, as the document says: its schemes, and which of them an operation asks for."""

from collections.abc import Mapping
from typing import Final, Literal, cast

from doorward.operation import SecurityRequirement, SecurityScheme
from doorward.policy.messages import did_you_mean
from doorward.policy.openapi.part import Part

_KINDS: Final = ("apiKey", "http", "oauth2", "openIdConnect", "mutualTLS")
_SIGNATURES: Final = ("rfc9421", "hmac", "")


def schemes(document: Part) -> dict[str, SecurityScheme]:
    """All that the document describes, by name. Errors: PolicyError."""
    described = document.member_or_empty("components").member_or_empty("securitySchemes")
    return {name: _scheme(name, part.followed()) for name, part in described.members()}


def requirements(part: Part, known: Mapping[str, SecurityScheme]) -> tuple[SecurityRequirement, ...]:
    """The alternatives of a `security` list. Errors: PolicyError for a scheme that is not among the known ones."""
    return tuple(_alternative(each, known) for each in part.items())


def _alternative(part: Part, known: Mapping[str, SecurityScheme]) -> SecurityRequirement:
    made: dict[SecurityScheme, tuple[str, ...]] = {}
    for name, scopes in part.members():
        if name not in known:
            raise part.mistake(f"there is no security scheme {name!r}", did_you_mean(name, known))
        made[known[name]] = tuple(str(scope.value) for scope in scopes.items())
    return made


def _scheme(name: str, part: Part) -> SecurityScheme:
    data = part.mapping
    kind = data.get("type")
    if kind not in _KINDS:
        raise part.mistake(f"security scheme {name!r} has the type {kind!r}", did_you_mean(str(kind), _KINDS))
    location: Literal["query", "header", "cookie", ""] = ""
    parameter = ""
    if kind == "apiKey":
        location, parameter = _key_place(name, part)
    return SecurityScheme(
        name=name,
        kind=cast('Literal["apiKey", "http", "oauth2", "openIdConnect", "mutualTLS"]', kind),
        location=location,
        parameter=parameter,
        http_scheme=str(data.get("scheme", "")).lower() if kind == "http" else "",
        signature=_signature(part.member("x-doorward", {})),
    )


def _key_place(name: str, part: Part) -> tuple[Literal["query", "header", "cookie"], str]:
    """Where an API key travels, and under which name."""
    location, parameter = part.mapping.get("in"), part.mapping.get("name")
    if location not in ("query", "header", "cookie") or not isinstance(parameter, str):
        hint = "write in: header (or query, cookie) and name: X-Api-Key"
        raise part.mistake(f"security scheme {name!r} does not say where the key travels", hint)
    return location, parameter


def _signature(part: Part) -> Literal["rfc9421", "hmac", ""]:
    """How requests are signed, as a scheme's `x-doorward` says. Errors: PolicyError for anything else in there."""
    extension = part.value
    said = extension.get("signature", "") if isinstance(extension, Mapping) else None
    if said is None or said not in _SIGNATURES or not extension.keys() <= {"signature"}:
        hint = "write x-doorward: {signature: rfc9421} or {signature: hmac}"
        raise part.mistake("x-doorward of a security scheme says how requests are signed", hint)
    return cast('Literal["rfc9421", "hmac", ""]', said)
