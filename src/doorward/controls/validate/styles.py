"""The serialisation styles of OpenAPI parameters: from wire text to lists and objects of scalars.

Source: OpenAPI 3.1 section 4.8.12.2 (style values), RFC 6570.
"""

from doorward.controls.validate.wire import NotText, Shape
from doorward.operation import Parameter

_DELIMITERS = {"form": ",", "spaceDelimited": " ", "pipeDelimited": "|"}


def path_value(parameter: Parameter, shape: Shape, text: str) -> object:
    """A path parameter's value: styles `simple` (`a,b`), `label` (`.a.b`) and `matrix` (`;name=a,b`). Errors: NotText.

    The text is decoded already, so an item cannot hold its own delimiter; the caller refuses encoded commas.
    """
    if parameter.style == "label":
        if not text.startswith("."):
            raise NotText("must start with a dot")
        text = text[1:]
        if shape.kind == "scalar":
            return shape.scalar(text)
        items = text.split("." if parameter.explode else ",")
        return _list_or_object(shape, items, explode=parameter.explode)
    if parameter.style == "matrix":
        return _matrix_value(parameter, shape, text)
    if shape.kind == "scalar":
        return shape.scalar(text)
    return _list_or_object(shape, text.split(","), explode=parameter.explode)


def _matrix_value(parameter: Parameter, shape: Shape, text: str) -> object:
    if not text.startswith(";"):
        raise NotText("must start with a semicolon")
    parts = text[1:].split(";")
    if shape.kind == "object" and parameter.explode:
        return _object(shape, [part.partition("=")[::2] for part in parts])
    values: list[str] = []
    for part in parts:
        name, _, value = part.partition("=")
        if name != parameter.name:
            raise NotText(f"must be written as ;{parameter.name}=value")
        values.append(value)
    if shape.kind == "array" and parameter.explode:
        return [shape.scalar(value) for value in values]
    if len(values) != 1:
        raise NotText("is written more than once")
    return shape.scalar(values[0]) if shape.kind == "scalar" else _list_or_object(shape, values[0].split(","))


def header_value(parameter: Parameter, shape: Shape, text: str) -> object:
    """A header parameter's value: style `simple`, blanks around items dropped (RFC 9110 section 5.6.1).

    Errors: NotText.
    """
    if shape.kind == "scalar":
        return shape.scalar(text)
    return _list_or_object(shape, [item.strip(" \t") for item in text.split(",")], explode=parameter.explode)


def delimited_value(parameter: Parameter, shape: Shape, text: str) -> object:
    """A query or cookie parameter written once: scalar, or items between the style's delimiter. Errors: NotText."""
    if shape.kind == "scalar":
        return shape.scalar(text)
    return _list_or_object(shape, text.split(_DELIMITERS.get(parameter.style, ",")))


def _list_or_object(shape: Shape, items: list[str], *, explode: bool = False) -> object:
    if shape.kind == "array":
        return [] if items == [""] else [shape.scalar(item) for item in items]
    if explode:
        return _object(shape, [item.partition("=")[::2] for item in items])
    if len(items) % 2:
        raise NotText("must list names and values in turn")
    return _object(shape, list(zip(items[::2], items[1::2], strict=True)))


def _object(shape: Shape, members: list[tuple[str, str]]) -> dict[str, object]:
    made: dict[str, object] = {}
    for name, value in members:
        if name in made:
            raise NotText("names a member twice")
        made[name] = shape.member(name, value)
    return made
