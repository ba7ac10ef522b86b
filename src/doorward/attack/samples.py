"""Requests to any API, valid but for what an attack changes: made from its description and policy."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final, Literal
from urllib.parse import quote

from doorward.attack.asking import Draft, draft
from doorward.attack.case import Ask, KeyKind, Proving, Sealing, Signing, Who
from doorward.attack.credentials import TokenSource
from doorward.attack.multipart import BOUNDARY, multipart, padded_file
from doorward.attack.operator import SIGNERS_ARE, Signers
from doorward.attack.proving import Prover
from doorward.attack.roles import Cast
from doorward.attack.sealing import BodySealer
from doorward.attack.text_places import answered_texts, holds_text
from doorward.attack.values import NoSampleError, another, is_free_text, kind_of, sample
from doorward.attack.ways_in import is_scoped, is_signed, signature_schemes
from doorward.controls.authenticate import demands_proof, takes_tokens
from doorward.controls.validate.upload_sizes import FileSizes
from doorward.media_types import is_json
from doorward.operation import ApiDescription, Operation, Schema
from doorward.policy.document import Policy
from doorward.property_roles import roles_of

_FREE_TEXT: Final = "a few plain words"
_ROOM_BYTES: Final = 4_096
"""What the other parts of a multipart body and its boundaries take at most, in bytes."""
UNDECLARED: Final = "doorward_undeclared"
"""Name of the member that no description declares."""


class DescribedSamples:
    """Samples for one API. `lab` answers for the laboratory's misbehaving upstream; outside it there is none."""

    def __init__(
        self,
        description: ApiDescription,
        policy: Policy,
        cast: Cast,
        tokens: TokenSource,
        *,
        api_keys: Mapping[str, str] | None = None,
        client: tuple[str, str] | None = None,
        prover: Prover | None = None,
        signers: Signers | None = None,
        sealer: BodySealer | None = None,
        lab: Callable[[str], Ask | None] = lambda _behaviour: None,
    ) -> None:
        self._description, self._policy, self._cast, self._tokens = description, policy, cast, tokens
        self._client = client
        self._api_keys, self._lab, self._prover, self._signers = api_keys or {}, lab, prover, signers
        self._sealer = sealer
        drafts = [
            made for operation in description.operations if (made := _drafted(operation, description)) is not None
        ]
        # Their bodies, and answers, can be read by nobody else.
        self._sealed = [made for made in drafts if policy.operation_policy(made.operation).body == "jwe"]
        every = [made for made in drafts if made not in self._sealed]
        self._signed = [made for made in every if is_signed(made.operation)]
        others = [made for made in every if not is_signed(made.operation)]
        self._proved = [made for made in others if self._demands_proof(made.operation)]
        self._drafts = [made for made in others if not self._demands_proof(made.operation)]

    def read(self) -> Ask | None:
        """A request that a reader may make and that changes nothing."""
        return self._first("reader", lambda each: not each.changes_state and not is_scoped(each))

    def write(self) -> Ask | None:
        """A state-changing request with a JSON body, by a caller who may make it."""
        made = self._write_draft(lambda _schema: True)
        return made.ask("writer") if made else None

    def privileged(self, who: Who) -> Ask | None:
        """A request that needs a role the reader lacks, made by `who`; a harmless one where there is a choice."""
        for made in sorted(self._drafts, key=lambda each: each.operation.changes_state):
            operation = made.operation
            closed = not self._policy.is_public(operation) and not is_scoped(operation)
            if closed and not self._cast.may("reader", operation) and self._cast.may("admin", operation):
                return self._as_own(made).ask(who)
        return None

    def protected(self) -> Ask | None:
        """A request, made with a reader's credential, to an operation that asks for one."""
        return self._first(
            "reader", lambda each: not each.changes_state and not is_scoped(each) and not self._policy.is_public(each)
        )

    def scoped(self, *, has_scope: bool) -> Ask | None:
        """A request to an operation that demands a scope, with or without it, by a caller whose role would do."""
        token = self._tokens.token("admin", scopes=has_scope)
        for made in self._drafts:
            if token and is_scoped(made.operation) and self._cast.may("admin", made.operation):
                return self._as_own(made).ask("anonymous").with_header("Authorization", f"Bearer {token}")
        return None

    def owned(self, *, own: bool) -> Ask | None:
        """A request for an object with an owner rule: the caller's own, or another's."""
        for made in self._allowed("reader"):
            rule = self._cast.owner_rule(made.operation)
            if rule and not made.operation.changes_state:
                parameter, value = rule
                path_values = {**made.path_values, parameter: value if own else str(another(value))}
                return replace(made, path_values=path_values).ask("reader")
        return None

    def named(self, *, own: bool) -> Ask | None:
        """A request whose query or body names an object with an owner rule: the caller's own, or another's."""
        callers: tuple[Who, ...] = ("reader", "writer")
        for who in callers:
            for made in self._allowed(who):
                for place, value in self._cast.places(made.operation):
                    if not is_scoped(made.operation):
                        return (made if own else made.naming(place, str(another(value)))).ask(who)
        return None

    def named_in_graphql(self, *, own: bool) -> Ask | None:
        """A GraphQL request for a field whose argument names an object: the caller's own, or another's."""
        for made in self._json_drafts("writer"):
            for place, value in self._cast.arguments(made.operation):
                written = json.dumps(value if own else str(another(value)))
                for step in reversed(place.steps):
                    written = f"[{written}]" if step == "*" else f"{{{step}: {written}}}"
                query = f"{{ {place.field}({written[1:-1]}) {{ __typename }} }}"
                return replace(made, body={"query": query}).ask("writer")
        return None

    def text(self, value: str) -> Ask | None:
        """A valid request that carries `value` in a free text field of its body or, failing that, a parameter."""
        return self._saying(value, "")

    def query_text(self, value: str) -> Ask | None:
        """A valid request that carries `value` in a free text query parameter."""
        return self._asking(value, "")

    def containing(self, kind: str, value: str) -> Ask | None:
        """A valid request that carries `value` in a member, or query parameter, said to hold that kind."""
        return self._saying(value, kind)

    def echoed(self, kind: str, value: str) -> Ask | None:
        """A valid request that carries `value` in a member which the answer declares too, where the kind is masked."""
        if kind not in self._policy.minimise.mask:
            return None
        for made in self._json_drafts("writer"):
            answered = set(answered_texts(made.operation, self._description, value))
            for name, schema in self._members(made):
                if name in answered and holds_text(schema, value):
                    return replace(made, body={**made.body, name: value}).ask("writer")
        return None

    def _saying(self, value: str, kind: str) -> Ask | None:
        for made in self._json_drafts("writer"):
            for name, schema in self._members(made):
                if holds_text(schema, value, kind):
                    return replace(made, body={**made.body, name: value}).ask("writer")
        return self._asking(value, kind)

    def _asking(self, value: str, kind: str) -> Ask | None:
        for made in self._allowed("reader"):
            for parameter in made.operation.parameters:
                schema = self._description.resolve(parameter.schema)
                is_meant = parameter.location == "query" and holds_text(schema, value, kind)
                if is_meant and not made.operation.changes_state:
                    return replace(made, query={**made.query, parameter.name: value}).ask("reader")
        return None

    def body_value(self, pointer_kind: Literal["number", "string", "extra"], value: object) -> Ask | None:
        """The valid write request with one member of that kind replaced by `value` (`extra`: an undeclared one)."""
        for made in self._json_drafts("writer"):
            name = self._member_of_kind(made, pointer_kind)
            if name is not None:
                return replace(made, body={**made.body, name: value}).ask("writer")
        return None

    def bodiless(self) -> Ask | None:
        """A request to an operation that declares no body."""
        return self._first("reader", lambda each: each.request_body is None and not each.changes_state)

    def streamed(self) -> Ask | None:
        """A request whose declared body no control reads (binary upload)."""
        kinds = {"application/octet-stream", "application/pdf", "*/*"}
        for made in self._allowed("writer"):
            if made.media_type in kinds or made.media_type.startswith(("image/", "video/", "audio/")):
                return made.ask("writer")
        return None

    def graphql(self, query: str) -> Ask | None:
        """A GraphQL request, where the policy says that an operation takes them."""
        for made in self._json_drafts("writer"):
            if self._policy.operation_policy(made.operation).graphql is not None:
                return replace(made, body={"query": query}).ask("writer")
        return None

    def guarded_property(self, who: Who) -> Ask | None:
        """A valid request by `who` that sets a member which only some roles may set (`x-doorward-roles`)."""
        for made in self._json_drafts(who):
            for name, schema in self._members(made):
                if roles_of(schema).write is not None:
                    value = sample(schema, self._description.resolve)
                    return replace(made, body={**made.body, name: value}).ask(who)
        return None

    def body_of(self, media_type: str) -> Ask | None:
        """A valid request whose body is of this type."""
        for made in self._allowed("writer"):
            if made.media_type.partition(";")[0] == media_type and not is_scoped(made.operation):
                return made.ask("writer")
        return None

    def upload(
        self, media_type: str, content: bytes, *, looked_into: Literal["", "archives", "antivirus"] = ""
    ) -> Ask | None:
        """A valid upload but for one file, which is of this type and has this content."""
        for made in self._allowed("writer"):
            body = made.operation.request_body
            media = body.content.get("multipart/form-data") if body else None
            if media is None or not self._looks_into(made.operation, looked_into) or is_scoped(made.operation):
                continue
            try:
                content_type = f"multipart/form-data; boundary={BOUNDARY}"
                changed = multipart(media, self._description, replaced=(media_type, content))
                return replace(made, body=changed, media_type=content_type).ask("writer")
            except NoSampleError:
                continue
        return None

    def sized_upload(self, *, beyond: int) -> Ask | None:
        """A valid upload with a file so many bytes beyond the bound of its field."""
        for made in self._allowed("writer"):
            body = made.operation.request_body
            media = body.content.get("multipart/form-data") if body else None
            if media is None or is_scoped(made.operation):
                continue
            sizes = FileSizes(media, self._policy.validate_of(made.operation), self._description)
            room = self._policy.limits_of(made.operation).body_bytes - _ROOM_BYTES
            for name in sorted(sizes.files):
                most = sizes.most_of(name, is_file=True)
                if most is None or most > room:
                    continue
                try:
                    file = padded_file(media.encoding.get(name, ("application/octet-stream",)), most + beyond)
                    changed = multipart(media, self._description, replaced=file)
                except NoSampleError:
                    continue
                content_type = f"multipart/form-data; boundary={BOUNDARY}"
                return replace(made, body=changed, media_type=content_type).ask("writer")
        return None

    def _looks_into(self, operation: Operation, what: str) -> bool:
        return not what or getattr(self._policy.validate_of(operation), what) is not None

    def token(self, who: Who) -> str | None:
        """A valid compact JWT of that caller."""
        return self._tokens.token(who)

    def forge(self, *, header: dict[str, object], claims: dict[str, object], valid_signature: bool) -> str | None:
        """The reader's token with header and claims changed."""
        return self._tokens.forge(header, claims, valid_signature=valid_signature)

    def api_key(self, kind: KeyKind) -> Ask | None:
        """A request by API key of that kind, to an operation that takes one."""
        key = self._api_keys.get(kind)
        for made in self._drafts:
            schemes = [each for one in made.operation.security if len(one) == 1 for each in one]
            scheme = next((each for each in schemes if each.kind == "apiKey"), None)
            if key and scheme and scheme.location in {"header", "query"} and self._cast.may("reader", made.operation):
                ask = made.ask("anonymous")
                if scheme.location == "header":
                    return ask.with_header(scheme.parameter, key)
                joint = "&" if "?" in ask.target else "?"
                return replace(ask, target=f"{ask.target}{joint}{scheme.parameter}={quote(key, safe='')}")
        return None

    def secret(self, kind: Literal["valid", "wrong", "unknown"]) -> Ask | None:
        """A request by HTTP Basic, to an operation that takes that."""
        if self._client is None:
            return None
        name, secret = self._client
        pair = {
            "valid": (name, secret),
            "wrong": (name, secret[:-1] + ("b" if secret[-1] == "a" else "a")),
            "unknown": ("doorward-attack-nobody", secret),
        }[kind]
        shown = base64.b64encode(":".join(pair).encode()).decode("ascii")
        for made in self._drafts:
            schemes = [each for one in made.operation.security if len(one) == 1 for each in one]
            if any(each.http_scheme == "basic" for each in schemes) and self._cast.may("reader", made.operation):
                return made.ask("anonymous").with_header("Authorization", f"Basic {shown}")
        return None

    def bound(self, proving: Proving) -> Ask | None:
        """A request with a token bound to a key, proved like that."""
        if self._prover is None:
            return None
        for made in self._proved if proving.is_demanded else (*self._drafts, *self._proved):
            operation = made.operation
            takes_it = takes_tokens(operation) and not self._policy.is_public(operation) and not is_scoped(operation)
            if takes_it and not operation.changes_state and self._cast.may("reader", operation):
                return self._prover.proved(self._as_own(made).ask("anonymous"), proving)
        return None

    def _demands_proof(self, operation: Operation) -> bool:
        """Whether a token alone is never enough: no place for the other attacks."""
        is_public = self._policy.is_public(operation)
        return not is_public and demands_proof(operation, self._policy.authenticate_of(operation))

    def signed(self, signing: Signing, *, has_body: bool) -> Ask | None:
        """A request to an operation that takes nothing but signatures (RFC 9421), signed like that."""
        for made in self._signed:
            is_meant = bool(made.media_type) == has_body and signature_schemes(made.operation) == {"rfc9421"}
            if self._signers is not None and is_meant and self._may_sign(made.operation):
                return self._signers.request.signed(self._as_own(made).ask("anonymous"), signing)
        return None

    def webhook(self, signing: Signing) -> Ask | None:
        """A request with a body to an operation that takes plain HMAC signatures, signed like that."""
        for made in self._signed:
            names = {scheme.name for one in made.operation.security for scheme in one}
            forms = [self._policy.authenticate.hmac_of(name) for name in names]
            is_meant = signature_schemes(made.operation) == {"hmac"} and all(
                form.form == "doorward" and not form.caller for form in forms
            )
            if self._signers is not None and is_meant and made.media_type and self._may_sign(made.operation):
                return self._signers.webhook.signed(self._as_own(made).ask("anonymous"), signing)
        return None

    def sealed(self, sealing: Sealing) -> Ask | None:
        """A request with an encrypted body, to an operation that takes nothing else, encrypted like that."""
        if self._sealer is None:
            return None
        for made in self._sealed:
            operation = made.operation
            takes_it = takes_tokens(operation) and not self._demands_proof(operation) and not is_scoped(operation)
            if made.media_type and takes_it and self._cast.may("writer", operation):
                return self._sealer.sealed(self._as_own(made).ask("writer"), sealing)
        return None

    def _may_sign(self, operation: Operation) -> bool:
        return not is_scoped(operation) and any(self._cast.may(who, operation) for who in SIGNERS_ARE)

    def lab(self, behaviour: str) -> Ask | None:
        """A request to the laboratory's misbehaving upstream; None outside the laboratory."""
        return self._lab(behaviour)

    def _allowed(self, who: Who) -> Iterator[Draft]:
        """What `who` may ask; protected operations before public ones, which show less."""
        for made in sorted(self._drafts, key=lambda each: self._policy.is_public(each.operation)):
            if self._policy.is_public(made.operation) or self._cast.may(who, made.operation):
                yield self._as_own(made)

    def _first(self, who: Who, fits: Callable[[Operation], bool]) -> Ask | None:
        found = [made for made in self._allowed(who) if fits(made.operation)]
        # The fewer parts a request has, the fewer reasons there are for something else to refuse it.
        found.sort(key=lambda each: len(each.operation.parameters))
        found.sort(key=lambda each: self._policy.is_public(each.operation))
        return found[0].ask(who) if found else None

    def _as_own(self, made: Draft) -> Draft:
        """The request for the caller's own objects, where owner rules ask whose they are."""
        for place, value in self._cast.places(made.operation):
            made = made.naming(place, value)
        rule = self._cast.owner_rule(made.operation)
        return made if rule is None else replace(made, path_values={**made.path_values, rule[0]: rule[1]})

    def _json_drafts(self, who: Who) -> Iterator[Draft]:
        for made in self._allowed(who):
            is_object = is_json(made.media_type) and isinstance(made.body, dict)
            if is_object and made.operation.changes_state and not is_scoped(made.operation):
                yield made

    def _write_draft(self, fits: Callable[[Schema], bool]) -> Draft | None:
        return next((made for made in self._json_drafts("writer") if fits(self._body_schema(made))), None)

    def _body_schema(self, made: Draft) -> Schema:
        body = made.operation.request_body
        media = body.content.get(made.media_type) if body else None
        return self._description.resolve(media.schema) if media and media.schema else {}

    def _members(self, made: Draft) -> Iterator[tuple[str, Schema]]:
        for name, schema in self._body_schema(made).get("properties", {}).items():
            yield name, self._description.resolve(schema) if isinstance(schema, Mapping) else {}

    def _member_of_kind(self, made: Draft, kind: str) -> str | None:
        if kind == "extra":
            takes_others = self._body_schema(made).get("additionalProperties", False)
            return UNDECLARED if takes_others is False else None
        for name, schema in self._members(made):
            is_number = kind_of(schema) in {"integer", "number"} and not {"enum", "const"} & set(schema)
            if (kind == "number" and is_number) or (kind == "string" and is_free_text(schema, _FREE_TEXT)):
                return name
        return None


def _drafted(operation: Operation, description: ApiDescription) -> Draft | None:
    try:
        return draft(operation, description)
    except NoSampleError:
        return None
