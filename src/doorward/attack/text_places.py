"""Which members and parameters hold texts of which kind, by the API description."""

from collections.abc import Iterator, Mapping

from doorward.attack.values import is_free_text
from doorward.media_types import is_json
from doorward.operation import ApiDescription, Operation, Schema


def holds_text(schema: Schema, value: str, kind: str = "") -> bool:
    """Whether a field may hold any text, `value` among them, and is said to contain this kind; "": none is said."""
    extension = schema.get("x-doorward")
    said = extension.get("contains", "") if isinstance(extension, Mapping) else ""
    return bool(said == kind) and is_free_text(schema, value)


def answered_texts(operation: Operation, description: ApiDescription, value: str) -> Iterator[str]:
    """Names of the members of its first JSON answer that is no error which may hold any text, `value` among them."""
    for status, response in operation.responses.items():
        for media in response.content.values():
            if status.startswith("2") and is_json(media.name) and media.schema is not None:
                members = description.resolve(media.schema).get("properties", {})
                for name, schema in members.items():
                    if isinstance(schema, Mapping) and is_free_text(description.resolve(schema), value):
                        yield name
                return
