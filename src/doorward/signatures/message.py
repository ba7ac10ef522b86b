"""Signatures on a message (RFC 9421 section 4): read, made, verified."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from doorward.signatures.base import signature_base, signature_params
from doorward.signatures.components import Component, FieldsView, Message, component_from_item
from doorward.signatures.errors import SignatureRefused
from doorward.signatures.keys import SigningKey, VerifyingKey
from doorward.signatures.structured_fields import (
    BareItem,
    Date,
    FieldError,
    InnerList,
    Item,
    Member,
    parse_dictionary,
    serialize_bare,
)

SIGNATURES_MOST: Final = 16
"""Most signatures read on one message. More than a chain of proxies makes are there to cost."""
COMPONENTS_MOST: Final = 64
"""Most components one of them covers."""
PARAMETERS_MOST: Final = 16
"""Most of these that have parameters: to look for a part of a field is dear."""
_TEXTS: Final = frozenset({"keyid", "nonce", "tag", "alg"})
_TIMES: Final = frozenset({"created", "expires"})


@dataclass(frozen=True, slots=True)
class ReceivedSignature:
    """One signature as it came; nothing of it is proved yet."""

    label: str
    components: tuple[Component, ...]
    parameters: Mapping[str, BareItem]
    signature: bytes

    def text(self, name: str) -> str:
        """A parameter that is a string; empty when it is not there."""
        return str(self.parameters.get(name, ""))

    def time(self, name: str) -> int | None:
        """A parameter that is a time, in Unix seconds."""
        value = self.parameters.get(name)
        return value if isinstance(value, int) else None


def received_signatures(fields: FieldsView) -> dict[str, ReceivedSignature]:
    """The signatures on a message, by label; none when it has neither field.

    Errors: SignatureRefused `invalid` for anything but one signature to each input.
    """
    inputs, signatures = fields.all(b"signature-input"), fields.all(b"signature")
    if not inputs and not signatures:
        return {}
    described, given = _members("Signature-Input", inputs), _members("Signature", signatures)
    if described.keys() != given.keys():
        raise SignatureRefused("invalid", "Signature-Input and Signature have different labels")
    return {label: _received(label, described[label], given[label]) for label in described}


def verify_message(received: ReceivedSignature, message: Message, key: VerifyingKey) -> None:
    """Nothing, when `key` made this signature over the message. Says nothing of what is covered, or how old it is.

    Errors: SignatureRefused `invalid`.
    """
    named = received.parameters.get("alg")
    if named is not None and named != key.algorithm:
        raise SignatureRefused("invalid", f"it names the algorithm {named!r}, the key has {key.algorithm}")
    base = signature_base(received.components, received.parameters, message)
    if not key.verify(base, received.signature):
        raise SignatureRefused("invalid", "the signature does not fit the message")


def sign_message(
    label: str,
    components: Iterable[Component],
    parameters: Mapping[str, BareItem],
    message: Message,
    key: SigningKey,
) -> tuple[bytes, bytes]:
    """The values of Signature-Input and Signature. Errors: SignatureRefused `invalid`."""
    covered = tuple(components)
    signature = key.sign(signature_base(covered, parameters, message))
    described = f"{label}={signature_params(covered, parameters)}"
    return described.encode("ascii"), f"{label}={serialize_bare(signature)}".encode("ascii")


def _members(name: str, values: Iterable[bytes]) -> dict[str, Member]:
    try:
        text = b", ".join(values).decode("latin-1")
        return parse_dictionary(text, most=SIGNATURES_MOST, most_inside=COMPONENTS_MOST, unique=True)
    except FieldError as error:
        raise SignatureRefused("invalid", f"{name} cannot be read: {error}") from None


def _received(label: str, described: Member, given: Member) -> ReceivedSignature:
    if not isinstance(given, Item) or not isinstance(given.value, bytes):
        raise SignatureRefused("invalid", f"the signature {label} is not a byte sequence")
    if not isinstance(described, InnerList):
        raise SignatureRefused("invalid", f"the input of {label} is not a list of components")
    if sum(bool(item.parameters) for item in described.items) > PARAMETERS_MOST:
        raise SignatureRefused("invalid", f"{label} covers more than {PARAMETERS_MOST} components with parameters")
    for name, value in described.parameters.items():
        right = type(value) is str if name in _TEXTS else type(value) is int if name in _TIMES else True
        if not right or isinstance(value, Date):
            raise SignatureRefused("invalid", f"the parameter {name} of {label} is of the wrong type")
    components = tuple(component_from_item(item) for item in described.items)
    return ReceivedSignature(label, components, described.parameters, given.value)
