"""A valid `multipart/form-data` body for a schema: fields as text, files as small as files of their type can be."""

import gzip
import json
from collections.abc import Mapping
from typing import Any, Final

from doorward.attack.values import NoSampleError, sample
from doorward.operation import ApiDescription, MediaType, Schema

BOUNDARY: Final = "doorward-sample"
_FILES: Final[Mapping[str, tuple[str, bytes]]] = {
    "image/png": ("sample.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"),
    "image/jpeg": ("sample.jpg", b"\xff\xd8\xff\xdb"),
    "image/gif": ("sample.gif", b"GIF89a\x01\x00\x01\x00"),
    "application/pdf": ("sample.pdf", b"%PDF-1.7\n"),
    "application/zip": ("sample.zip", b"PK\x05\x06" + bytes(18)),
    "text/csv": ("sample.csv", b"a,b\n"),
    "text/plain": ("sample.txt", b"a\n"),
    "application/gzip": ("sample.gz", gzip.compress(b"", mtime=0)),
    "image/svg+xml": ("sample.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    "application/octet-stream": ("sample.bin", b"\x00\x01"),
}
_PADDED: Final = ("image/png", "image/jpeg", "image/gif", "application/pdf", "text/csv", "text/plain",
                  "application/octet-stream")  # fmt: skip
"""Types whose files may go on as they like."""
_NAMES: Final = {media_type: name for media_type, (name, _) in _FILES.items()}


def multipart(media: MediaType, description: ApiDescription, replaced: tuple[str, bytes] | None = None) -> bytes:
    """The body. `replaced`: media type and content of the first file that may be of this type.

    Errors: NoSampleError when a part cannot be made, or no file may be of that type.
    """
    schema = description.resolve(media.schema) if media.schema is not None else {}
    made: list[bytes] = []
    properties: Mapping[str, Schema] = schema.get("properties", {})
    for name in schema.get("required", properties):
        part = description.resolve(properties.get(name, {}))
        if _is_file(part, description):
            types = media.encoding.get(name, ("application/octet-stream",))
            media_type, (file_name, data) = _file(types)
            if replaced is not None and replaced[0] in types:
                media_type, data = replaced
                file_name, replaced = _NAMES.get(media_type, "sample.bin"), None
            head = f'form-data; name="{name}"; filename="{file_name}"\r\nContent-Type: {media_type}'
        else:
            value: Any = sample(part, description.resolve)
            is_text = isinstance(value, str)
            data = (value if is_text else json.dumps(value)).encode()
            head = f'form-data; name="{name}"'
            if isinstance(value, (dict, list)):
                head += "\r\nContent-Type: application/json"
        made.append(f"--{BOUNDARY}\r\nContent-Disposition: {head}\r\n\r\n".encode() + data + b"\r\n")
    if replaced is not None:
        raise NoSampleError(f"no file of type {replaced[0]}")
    return b"".join(made) + f"--{BOUNDARY}--\r\n".encode()


def padded_file(types: tuple[str, ...], size: int) -> tuple[str, bytes]:
    """Media type and content of a file of exactly this size, of one of the types. Errors: NoSampleError."""
    for media_type in types:
        if media_type in _PADDED:
            content = _FILES[media_type][1]
            if len(content) <= size:
                return media_type, content.ljust(size, b"a")
    raise NoSampleError(f"no sample of {', '.join(types)} with {size} bytes")


def _file(types: tuple[str, ...]) -> tuple[str, tuple[str, bytes]]:
    for media_type in types:
        if media_type in _FILES:
            return media_type, _FILES[media_type]
        if media_type.endswith("/*"):
            for known, file in _FILES.items():
                if media_type == "*/*" or known.startswith(media_type[:-1]):
                    return known, file
    raise NoSampleError(f"no sample of {', '.join(types)}")


def _is_file(schema: Schema, description: ApiDescription) -> bool:
    if schema.get("type") == "array" and isinstance(schema.get("items"), Mapping):
        schema = description.resolve(schema["items"])
    return schema.get("format") == "binary" or "contentMediaType" in schema
