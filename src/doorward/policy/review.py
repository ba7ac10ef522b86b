"""What of a valid policy deserves a second look: relaxations, open doors, rules that guard nothing."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel

from doorward.controls.authorize import roles_granting, unmatched_grants, unmatched_owners
from doorward.controls.authorize.owner import object_parameter
from doorward.controls.limits import named_operations
from doorward.controls.validate import ValidatePolicy
from doorward.controls.validate.policy import is_near
from doorward.identity.profiles import DEVIATIONS
from doorward.operation import ApiDescription, Operation, Schema
from doorward.policy.document import Policy
from doorward.policy.messages import did_you_mean
from doorward.policy.operation_policy import described_policy, operation_key
from doorward.policy.yaml_text import Place, dotted

_WIDEST_PROXIES: Final = {4: 8, 6: 29}
"""Shortest prefix of a network of proxies by IP version; 10.0.0.0/8 and the /29 of a large provider are the widest."""

_RELAXES: Final = "is set: this relaxes a protection"


class Finding(NamedTuple):
    """One thing an operator should know."""

    level: Literal["error", "warning"]
    key: str
    """Dotted key of the policy, or JSON pointer into the description."""
    problem: str
    hint: str = ""
    place: Place = ()
    """Where it stands in the policy file; empty for what stands in the description."""


class OperationSummary(NamedTuple):
    """What the policy makes of one operation."""

    method: str
    path: str
    callers: str
    """Who may call it: roles, `everybody` or `nobody`."""
    owner: str
    """The claim that must equal the object's id; empty when there is no owner rule."""
    body_bytes: int
    """Largest request body, in bytes; 0 when none is declared."""
    modes: Mapping[str, str]
    """Controls that do not enforce."""


def review(policy: Policy, description: ApiDescription) -> list[Finding]:
    """All findings, errors first. Errors: PolicyError for an `x-doorward` that holds no setting."""
    found = [
        *_rules_without_operation(policy, description),
        *relaxations(policy),
        *_described_relaxations(description),
        *_edge(policy),
        *_profile(policy),
        *_absent_secrets(policy),
        *_scanners(policy),
        *_open_doors(policy, description),
        *_free_form_bodies(policy, description),
    ]
    return sorted(found, key=lambda finding: finding.level != "error")


def _at(place: Place, problem: str, hint: str = "", *, level: Literal["error", "warning"] = "warning") -> Finding:
    return Finding(level, dotted(place), problem, hint, place)


def relaxations(policy: Policy) -> list[Finding]:
    """Every setting that makes the gateway laxer than it is by itself: named so, or a mode below `enforce`."""
    found = [_at(place, _RELAXES) for place in _relaxing(policy, ())]
    for control, mode in policy.modes.items():
        if mode != "enforce":
            found.append(_mode_finding(("modes", control), mode))
    for key, operation in policy.operations.items():
        for control, mode in operation.modes.items():
            if mode != "enforce":
                found.append(_mode_finding(("operations", key, "modes", control), mode))
    return found


def _described_relaxations(description: ApiDescription) -> Iterator[Finding]:
    """The same of what the API description says under `x-doorward`; whoever writes it may be somebody else."""
    for operation in description.operations:
        described = described_policy(operation)
        for place in _relaxing(described, ()):
            yield Finding("warning", f"{operation_key(operation)} x-doorward.{dotted(place)}", _RELAXES)
        for control, mode in described.modes.items():
            if mode != "enforce":
                problem = _mode_finding((), mode).problem
                yield Finding("warning", f"{operation_key(operation)} x-doorward.modes.{control}", problem)


def _edge(policy: Policy) -> Iterator[Finding]:
    """What at the edge of the network lets in more than it may seem to."""
    for index, network in enumerate(policy.transport.trusted_proxies):
        parsed = ip_network(network)
        if parsed.prefixlen < _WIDEST_PROXIES[parsed.version]:
            problem = f"{network} is a large part of the internet: whoever has an address in it can claim any other"
            yield _at(("transport", "trusted_proxies", index), problem, "list exactly your proxies")
    tls = policy.tls
    if tls is not None and tls.client_ca is not None and tls.client_crl is None:
        problem = "clients' certificates are good until they expire: none can be revoked"
        yield _at(("tls", "client_ca"), problem, "write client_crl, or issue certificates for hours only")


def _profile(policy: Policy) -> Iterator[Finding]:
    """In what the identity provider deviates from the profiles that the policy names."""
    named = [each for each in policy.issuer.profiles if each != "baseline"]
    for deviation in DEVIATIONS:
        if deviation.profile in named:
            yield _at(("issuer", "profile"), f"{deviation.profile}: {deviation.row}: {deviation.reason}")
    if named and policy.issuer.insecure_development_tokens:
        yield _at(
            ("issuer", "insecure_development_tokens"),
            f"{', '.join(named)}: tokens are bound to people who signed in",
            "leave it out",
            level="error",
        )
    if named and policy.issuer.rotate_keys_days is None:
        yield _at(("issuer", "rotate_keys_days"), f"{', '.join(named)}: the signing key is never replaced by itself")


def _absent_secrets(policy: Policy) -> Iterator[Finding]:
    """Files that are read when somebody needs them, so that nothing else would tell before."""
    files: list[tuple[Place, str | Path | None]] = [
        (("issuer", "federation", index, "client_secret_file"), provider.client_secret_file)
        for index, provider in enumerate(policy.issuer.federation)
    ]
    if policy.issuer.sms is not None:
        files.append((("issuer", "sms", "secret_file"), policy.issuer.sms.secret_file))
    for place, file in files:
        if file is not None and not Path(file).is_file():
            yield _at(
                place, f"{file} is not there, and what needs it does not work until it is", "create it, mode 0600"
            )


def _scanners(policy: Policy) -> Iterator[Finding]:
    """Scanners that files travel to in the clear."""
    places: list[tuple[Place, ValidatePolicy | None]] = [(("validate",), policy.validate_)]
    places += [(("operations", key, "validate"), each.validate_) for key, each in policy.operations.items()]
    for place, settings in places:
        scanner = settings.antivirus if settings else None
        if scanner is not None and not is_near(scanner.address):
            problem = f"files travel to {scanner.address} in the clear, and whoever is on the way can answer for it"
            yield _at((*place, "antivirus", "address"), problem, "run the scanner on the same host")


def summaries(policy: Policy, description: ApiDescription) -> list[OperationSummary]:
    """One line an operation, in the order of the description."""
    return [_summary(policy, operation) for operation in description.operations]


def _summary(policy: Policy, operation: Operation) -> OperationSummary:
    if policy.is_public(operation):
        callers = "everybody"
    else:
        callers = ", ".join(sorted(roles_granting(operation, policy.authorize))) or "nobody"
    rules = policy.authorize.owner_rules
    owners = [rule.claim for template, rule in rules.items() if object_parameter(template, operation) is not None]
    owners += [rule.claim for place, rule in policy.authorize.place_rules.items() if place.is_of(operation)]
    modes: dict[str, str] = {control: mode for control, mode in policy.modes_of(operation).items() if mode != "enforce"}
    body_bytes = policy.limits_of(operation).body_bytes if operation.request_body else 0
    return OperationSummary(operation.method, operation.path, callers, ", ".join(owners), body_bytes, modes)


def _rules_without_operation(policy: Policy, description: ApiDescription) -> Iterator[Finding]:
    known = [operation_key(operation) for operation in description.operations]
    absent = "the API description has no such operation"
    for index, key in enumerate(policy.public):
        if key not in known:
            yield _at(("public", index), f"{key!r}: {absent}", did_you_mean(key, known), level="error")
    for key in policy.operations:
        if key not in known:
            yield _at(("operations", key), absent, did_you_mean(key, known), level="error")
    templates = [operation.template for operation in description.operations]
    for template in unmatched_owners(policy.authorize, description.operations):
        problem = "guards nothing: no path of the API description starts like this"
        yield _at(("owners", template), problem, did_you_mean(template, templates), level="error")
    for role, grant in unmatched_grants(policy.authorize, description.operations):
        yield _at(("roles", role), f"{grant!r} allows nothing", did_you_mean(grant, known))
    for place, name in named_operations(policy.limits):
        if name not in known:
            where = ("limits", "rules", place, "operations")
            yield _at(where, f"{name!r}: {absent}", did_you_mean(name, known), level="error")
    for role in policy.limits.quota:
        if role not in policy.roles:
            problem = "no caller can have this role: it is not among the roles"
            yield _at(("limits", "quota", role), problem, did_you_mean(role, policy.roles))


def _open_doors(policy: Policy, description: ApiDescription) -> Iterator[Finding]:
    for operation in description.operations:
        key = operation_key(operation)
        if policy.is_public(operation):
            yield Finding("warning", key, "is public: anybody may call it")
            continue
        if not operation.security or any(not alternative for alternative in operation.security):
            hint = f"add `{key}` to public:, or a security requirement to the description"
            yield Finding("warning", key, "the description asks for no credential, and the policy does", hint)
        if not roles_granting(operation, policy.authorize):
            yield Finding("warning", key, "nobody may call it: no role grants it", "grant it, or leave it closed")
        if _wants_a_certificate(operation) and not _asks_for_certificates(policy):
            problem = "nobody may call it: it takes a certificate, and the gateway asks nobody for one"
            yield Finding("warning", key, problem, "tls: {local_ca: true}, or client_ca: partners-ca.pem")


def _wants_a_certificate(operation: Operation) -> bool:
    """Whether there is no way in without one."""
    return bool(operation.security) and all(
        any(scheme.kind == "mutualTLS" for scheme in alternative) for alternative in operation.security
    )


def _asks_for_certificates(policy: Policy) -> bool:
    return (policy.tls is not None and policy.tls.asks_clients) or policy.transport.client_certificate


def _free_form_bodies(policy: Policy, description: ApiDescription) -> Iterator[Finding]:
    for operation in description.operations:
        if operation.request_body is None or policy.modes_of(operation).get("validate", "enforce") == "off":
            continue
        for media in operation.request_body.content.values():
            if media.name.endswith("json") and _is_free_form(media.schema or {}, description, set()):
                problem = "the body's schema lets any member through"
                yield Finding("warning", media.pointer, problem, "declare its properties")


def _is_free_form(schema: Any, description: ApiDescription, seen: set[int]) -> bool:
    """Whether the schema, or one inside it, takes members that it does not describe."""
    if not isinstance(schema, Mapping):
        return schema is True
    schema = description.resolve(schema)
    if id(schema) in seen:
        return False
    seen.add(id(schema))
    inner = [*_parts(schema)]
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    says_nothing = not inner and "enum" not in schema and "const" not in schema
    if says_nothing and (kind is None or "object" in kinds) and schema.get("properties") is None:
        return schema.get("additionalProperties") is not False
    others = schema.get("additionalProperties")
    return others is True or others == {} or any(_is_free_form(part, description, seen) for part in inner)


def _parts(schema: Schema) -> Iterator[Any]:
    for key in ("allOf", "anyOf", "oneOf", "prefixItems"):
        yield from schema.get(key, ())
    for key in ("properties", "patternProperties"):
        yield from schema.get(key, {}).values()
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping) and schema[key]:
            yield schema[key]


def _mode_finding(place: Place, mode: str) -> Finding:
    problem = "this control decides nothing" if mode == "off" else "what this control would refuse is only recorded"
    return _at(place, f"{mode}: {problem}")


def _relaxing(value: Any, place: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Where in the settings one stands that is named as a relaxation and is not empty, a list as a whole."""
    if place and str(place[-1]).startswith(("insecure_", "allow_")):
        if value not in (False, None, (), ""):
            yield place
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _relaxing(getattr(value, name), (*place, field.alias or name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _relaxing(item, (*place, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _relaxing(item, (*place, index))
