"""XML bodies: well-formed, small in every direction, and without anything that leads elsewhere.

Source: XML 1.0 fifth edition; CWE-611, CWE-776; catalogue row B9. No document type is read at all, so there are no
entities but the five predefined ones. The description's schema is not applied to XML: its texts are inspected.
"""

from typing import Final
from xml.parsers import expat

from doorward.controls.validate.policy import ValidatePolicy
from doorward.denial import Denied

_ATTRIBUTES: Final = 100
"""Most attributes of one element; readers compare each with each."""
_CODINGS: Final = frozenset({"utf-8", "us-ascii"})


class XmlReader:
    """Reads XML within the limits of the policy."""

    __slots__ = ("_depth", "_nodes")

    def __init__(self, policy: ValidatePolicy) -> None:
        self._depth, self._nodes = policy.json_depth, policy.json_members

    def read(self, body: bytes) -> list[str]:
        """Every text of the document: names, attributes' values, character data. Errors: Denied `validate.xml`."""
        texts: list[str] = []
        pending: list[str] = []
        depth = nodes = 0

        def start(name: str, attributes: list[str]) -> None:
            nonlocal depth, nodes
            flush()
            depth += 1
            nodes += 1 + len(attributes) // 2
            if depth > self._depth or nodes > self._nodes or len(attributes) > 2 * _ATTRIBUTES:
                raise Denied("validate.xml", "nested too deep, or too many elements or attributes")
            texts.append(name)
            texts.extend(attributes)

        def end(_: str) -> None:
            nonlocal depth
            flush()
            depth -= 1

        def flush() -> None:
            if pending:
                text = "".join(pending)
                pending.clear()
                if text.strip():
                    texts.append(text)

        def declared(_version: str, encoding: str | None, _standalone: int) -> None:
            if encoding is not None and encoding.lower() not in _CODINGS:
                raise Denied("validate.charset", f"xml in {encoding[:40]!r}")

        def document_type(*_: object) -> None:
            raise Denied("validate.xml", "a document type, which may bring entities")

        def instruction(target: str, _: str) -> None:
            raise Denied("validate.xml", f"a processing instruction ({target[:40]!r})")

        if b"\0" in body:
            raise Denied("validate.xml", "NUL in the body: it is not UTF-8")
        parser = expat.ParserCreate("utf-8")
        parser.ordered_attributes = True
        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.CharacterDataHandler = pending.append
        parser.XmlDeclHandler, parser.StartDoctypeDeclHandler = declared, document_type
        parser.ProcessingInstructionHandler = instruction
        parser.CommentHandler = texts.append
        try:
            parser.Parse(body, True)
        except expat.ExpatError as error:
            detail = f"{expat.ErrorString(error.code)} in line {error.lineno}"
            raise Denied("validate.xml", detail) from None
        return texts
