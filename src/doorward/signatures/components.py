"""Message components (RFC 9421 section 2): what a signature can cover, and the value each one has in a message."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, Protocol
from urllib.parse import quote, unquote_plus

from doorward.signatures.errors import SignatureRefused
from doorward.signatures.structured_fields import (
    BareItem,
    FieldError,
    Item,
    Member,
    parse_dictionary,
    parse_item,
    parse_list,
    serialize_bare,
    serialize_dictionary,
    serialize_list,
    serialize_member,
)

_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+\-.^_`|~]+")
_FLAGS: Final = frozenset({"sf", "bs", "req", "tr"})
_DERIVED: Final = frozenset(
    {"@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query", "@query-param", "@status"}
)
_PORTS: Final = {"http": ":80", "https": ":443"}
_NO_PARAMETERS: Final[Mapping[str, BareItem]] = {}
_PLAIN_MOST: Final = 256
_KEPT_CHARACTERS: Final = 64
"""Longest of these names that is remembered: whoever sends it has proved nothing yet."""
_QUERY_PARAMETERS: Final = 256
"""Most parameters of a query that is looked through for names."""
_MEMBERS: Final = 64
"""Most members of a structured field that is read, most items of one of its lists, most parameters of an item."""
STRUCTURED: Final[Mapping[str, Literal["item", "list", "dictionary"]]] = {
    "accept-signature": "dictionary",
    "cache-status": "list",
    "cdn-cache-control": "dictionary",
    "client-cert": "item",
    "client-cert-chain": "list",
    "content-digest": "dictionary",
    "priority": "dictionary",
    "proxy-status": "list",
    "repr-digest": "dictionary",
    "signature": "dictionary",
    "signature-input": "dictionary",
    "want-content-digest": "dictionary",
    "want-repr-digest": "dictionary",
}
"""Fields known to be structured, for `sf`: without knowing its kind a field has no one spelling."""


class FieldsView(Protocol):
    """Header fields by lower-case name: `exchange.Headers`, or anything that has the same."""

    def all(self, name: bytes) -> Sequence[bytes]:
        """Every value of a field, in order; nothing when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request, or (with `status`) the response to one, as far as a signature can cover it."""

    fields: FieldsView
    method: str = ""
    scheme: str = "https"
    authority: bytes = b""
    """Host and port as in the Host field."""
    target: bytes = b""
    """The request target as it stood on the wire."""
    status: int | None = None
    request: "Message | None" = None
    """Of a response: the request it answers, for components with `req`."""
    trailers: FieldsView | None = None
    structured: Mapping[str, Literal["item", "list", "dictionary"]] | None = None
    """More structured fields than `STRUCTURED`, for `sf`."""


@dataclass(frozen=True, slots=True)
class Component:
    """One component identifier: a name and its parameters."""

    name: str
    parameters: tuple[tuple[str, BareItem], ...] = ()
    text: str = field(init=False, repr=False, compare=False)
    """How it is written. Kept, because each one is written twice into every signature base."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", serialize_member(Item(self.name, dict(self.parameters))))

    @property
    def key(self) -> tuple[str, frozenset[tuple[str, BareItem]]]:
        """What makes two identifiers the same: the order of parameters does not (RFC 9421 section 2)."""
        return self.name, frozenset(self.parameters)

    def __str__(self) -> str:
        return self.text


def component(text: str) -> Component:
    """The component that a policy or program writes: `@path`, `content-digest`, `"@query-param";name="id"`.

    Errors: SignatureRefused `invalid`.
    """
    try:
        item = parse_item(text if text.startswith('"') else f'"{text}"')
    except FieldError as error:
        raise SignatureRefused("invalid", f"{text!r} is not a component: {error}") from None
    return component_from_item(item)


def component_from_item(item: Item) -> Component:
    """The component a signature names. Errors: SignatureRefused `invalid` for one that does not exist."""
    name = item.value
    if type(name) is not str:
        raise SignatureRefused("invalid", "a component is not named by a string")
    if item.parameters or len(name) > _KEPT_CHARACTERS:
        return _component(name, tuple(item.parameters.items()))
    return _plain(name)


@lru_cache(_PLAIN_MOST)
def _plain(name: str) -> Component:
    """Most components have no parameters, and are the same in every request."""
    return _component(name, ())


def _component(name: str, parameters: tuple[tuple[str, BareItem], ...]) -> Component:
    found = Component(name, parameters)
    for parameter, value in found.parameters:
        if parameter in _FLAGS:
            if value is not True:
                raise SignatureRefused("invalid", f"the parameter {parameter} of {name} is not a flag")
        elif parameter not in {"key", "name"} or type(value) is not str:
            raise SignatureRefused("invalid", f"{name} has an unknown parameter {parameter}")
    _require_sense(found, dict(found.parameters))
    return found


def _require_sense(found: Component, parameters: Mapping[str, BareItem]) -> None:
    """Errors: SignatureRefused `invalid` for parameters that do not go with the name or with each other."""
    if found.name.startswith("@"):
        if found.name not in _DERIVED:
            raise SignatureRefused("invalid", f"{found.name!r} cannot be covered")
        wanted = {"name"} if found.name == "@query-param" else set()
        if parameters.keys() - {"req"} != wanted:
            raise SignatureRefused("invalid", f"{found} has parameters that do not go with it")
        return
    if _NAME.fullmatch(found.name) is None:
        raise SignatureRefused("invalid", "a field is not named in lower case")
    clash = "bs" in parameters and ("sf" in parameters or "key" in parameters)
    if clash or "name" in parameters:
        raise SignatureRefused("invalid", f"{found} has parameters that do not go together")


class ComponentValues:
    """The values of a message's components. Query and fields are read once, however many components look into them."""

    __slots__ = ("_message", "_of_request", "_parameters", "_read")

    def __init__(self, message: Message) -> None:
        self._message = message
        self._of_request: ComponentValues | None = None
        self._parameters: dict[str, list[str]] | None = None
        self._read: dict[tuple[str, bool], dict[str, Member]] = {}
        """Dictionaries, by name and whether they are trailers."""

    def value(self, found: Component) -> str:
        """The value of a component in the message (RFC 9421 sections 2.1 and 2.2), without a line break.

        Errors: SignatureRefused `invalid` when the message has no such component, or more than one reading of it.
        """
        parameters = dict(found.parameters) if found.parameters else _NO_PARAMETERS
        values = self._request(found) if "req" in parameters else self
        read = values._derived if found.name.startswith("@") else values._field  # noqa: SLF001 - the same class
        value = read(found.name, parameters)
        if not value.isascii() or "\n" in value or "\r" in value or "\0" in value:
            # A line break would let one value pass for several lines of the signature base.
            raise SignatureRefused("invalid", f"the value of {found} is not one line of ASCII")
        return value

    def _request(self, found: Component) -> "ComponentValues":
        if self._of_request is None:
            if self._message.request is None:
                raise SignatureRefused("invalid", f"{found} is of a request, and this is no answer to one")
            self._of_request = ComponentValues(self._message.request)
        return self._of_request

    def _derived(self, name: str, parameters: Mapping[str, BareItem]) -> str:
        message = self._message
        if name == "@status":
            if message.status is None:
                raise SignatureRefused("invalid", "a request has no @status")
            return str(message.status)
        if message.status is not None:
            raise SignatureRefused("invalid", f"a response has no {name}; of its request it is {name};req")
        match name:
            case "@method":
                return message.method
            case "@scheme":
                return message.scheme.lower()
            case "@authority":
                return _authority(message)
            case "@request-target":
                return message.target.decode("latin-1")
            case "@target-uri":
                return _target_uri(message)
            case "@path":
                return _path_and_query(message)[0] or "/"
            case "@query":
                return f"?{_path_and_query(message)[1]}"
            case _:
                return self._query_parameter(str(parameters["name"]))

    def _query_parameter(self, name: str) -> str:
        if self._parameters is None:
            self._parameters = _query_parameters(_path_and_query(self._message)[1])
        found = self._parameters.get(name, [])
        if len(found) != 1:
            # RFC 9421 section 2.2.8: which of several values is meant nobody can tell.
            raise SignatureRefused("invalid", f"the query has {len(found)} parameters {name!r}")
        return _encoded(found[0])

    def _field(self, name: str, parameters: Mapping[str, BareItem]) -> str:
        is_trailer = "tr" in parameters
        fields = self._message.trailers if is_trailer else self._message.fields
        raw = [] if fields is None else [value.strip(b" \t") for value in fields.all(name.encode("ascii"))]
        if not raw:
            raise SignatureRefused("invalid", f"the message has no field {name}")
        if "bs" in parameters:
            return ", ".join(serialize_bare(value) for value in raw)
        if name == "set-cookie":
            # Several of them cannot be told apart once they are joined (RFC 9421 section 2.1).
            raise SignatureRefused("invalid", "set-cookie is covered by its bytes only: set-cookie with bs")
        text = b", ".join(raw).decode("latin-1")
        if "key" not in parameters and "sf" not in parameters:
            return text
        try:
            if "key" in parameters:
                return serialize_member(self._dictionary(name, text, is_trailer=is_trailer)[str(parameters["key"])])
            return self._respelled(name, text, is_trailer=is_trailer)
        except (FieldError, KeyError) as error:
            raise SignatureRefused("invalid", f"the field {name} is not structured as it should be: {error}") from None

    def _respelled(self, name: str, text: str, *, is_trailer: bool) -> str:
        match (self._message.structured or {}).get(name) or STRUCTURED.get(name):
            case "dictionary":
                return serialize_dictionary(self._dictionary(name, text, is_trailer=is_trailer))
            case "list":
                return serialize_list(parse_list(text, most=_MEMBERS))
            case "item":
                return serialize_member(parse_item(text, most=_MEMBERS))
            case _:
                raise FieldError("not known to be structured")

    def _dictionary(self, name: str, text: str, *, is_trailer: bool) -> dict[str, Member]:
        found = self._read.get((name, is_trailer))
        if found is None:
            found = self._read[name, is_trailer] = parse_dictionary(text, most=_MEMBERS)
        return found


def authority_text(scheme: str, authority: bytes) -> str:
    """Host and port as they are signed: in lower case, and without the port that the scheme has anyway."""
    return authority.decode("latin-1").lower().removesuffix(_PORTS.get(scheme.lower(), "\n"))


def _authority(message: Message) -> str:
    if not message.authority:
        raise SignatureRefused("invalid", "the message has no authority")
    return authority_text(message.scheme, message.authority)


def _target_uri(message: Message) -> str:
    # Not the target of a proxy's request as it stands: its scheme and host are the sender's word.
    return f"{message.scheme.lower()}://{_authority(message)}{_without_origin(message)}"


def _without_origin(message: Message) -> str:
    """The target, without scheme and host if it is in absolute form (RFC 9112 section 3.2.2)."""
    target = message.target.decode("latin-1")
    if target.startswith("/"):
        return target
    _, found, rest = target.partition("://")
    if not found:
        # the asterisk and authority forms
        raise SignatureRefused("invalid", "the request target has no path")
    end = min((place for mark in "/?" if (place := rest.find(mark)) >= 0), default=len(rest))
    return rest[end:]


def _path_and_query(message: Message) -> tuple[str, str]:
    path, _, query = _without_origin(message).partition("?")
    return path, query


def _query_parameters(query: str) -> dict[str, list[str]]:
    """The values as they are written, by encoded name."""
    pairs = query.split("&", _QUERY_PARAMETERS)
    if len(pairs) > _QUERY_PARAMETERS:
        raise SignatureRefused("invalid", f"more than {_QUERY_PARAMETERS} query parameters")
    found: dict[str, list[str]] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        found.setdefault(_encoded(key), []).append(value)
    return found


def _encoded(text: str) -> str:
    """A name or value of a query, decoded as a form and percent-encoded anew (RFC 9421 section 2.2.8)."""
    if text.isalnum() and text.isascii():
        return text
    decoded = unquote_plus(text, errors="surrogateescape")
    return quote(decoded, safe="*-._", errors="surrogateescape").replace("~", "%7E")
