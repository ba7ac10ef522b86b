"""The signature base (RFC 9421 section 2.5): the lines that a signature is made over."""

from collections.abc import Iterable, Mapping

from doorward.signatures.components import Component, ComponentValues, Message
from doorward.signatures.errors import SignatureRefused
from doorward.signatures.structured_fields import BareItem, FieldError, serialize_parameters


def signature_params(components: Iterable[Component], parameters: Mapping[str, BareItem]) -> str:
    """The value of `@signature-params`, which is also the member of Signature-Input.

    Errors: SignatureRefused `invalid` for parameters that cannot be written.
    """
    try:
        return f"({' '.join(each.text for each in components)}){serialize_parameters(parameters)}"
    except FieldError as error:
        raise SignatureRefused("invalid", f"the signature parameters cannot be written: {error}") from None


def signature_base(components: Iterable[Component], parameters: Mapping[str, BareItem], message: Message) -> bytes:
    """What is signed. Errors: SignatureRefused `invalid` for a component that is not there or named twice."""
    covered = tuple(components)
    values = ComponentValues(message)
    seen = set()
    lines: list[str] = []
    for each in covered:
        if each.key in seen:
            raise SignatureRefused("invalid", f"{each} is covered twice")
        seen.add(each.key)
        lines.append(f"{each.text}: {values.value(each)}")
    lines.append(f'"@signature-params": {signature_params(covered, parameters)}')
    return "\n".join(lines).encode("ascii")
