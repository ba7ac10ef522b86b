"""A multipart body while it arrives: a file above its size, or one part too many, is refused before the rest is sent.

What is let through here is judged again when the body is whole (`multipart`, `uploads`), by the same bounds.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from doorward.controls.validate.media import MULTIPART, DeclaredContent
from doorward.controls.validate.multipart import HEAD_BYTES, boundary_of, malformed, part_head
from doorward.controls.validate.policy import ValidatePolicy
from doorward.controls.validate.upload_sizes import FileSizes, require_size
from doorward.denial import Denied
from doorward.exchange import Exchange
from doorward.operation import ApiDescription, Operation

Feed: TypeAlias = Callable[[bytes], None]
"""Takes the next bytes of a body. Errors: Denied."""
Watch: TypeAlias = Callable[[Exchange], Feed | None]
"""What follows the body of an exchange; None when there is nothing to follow."""
_HEAD_END: Final = b"\r\n\r\n"


def compile_watch(operation: Operation, policy: ValidatePolicy, description: ApiDescription) -> Watch | None:
    """What follows the operation's bodies while they arrive; None where the end is soon enough."""
    body = operation.request_body
    if body is None:
        return None
    sizes = {
        media.name: FileSizes(media, policy, description)
        for media in body.content.values()
        if reader_of_is_multipart(media.name)
    }
    if not any(each.says_something for each in sizes.values()):
        return None
    declared, most_parts = DeclaredContent(body.content), policy.multipart_parts

    def watch(exchange: Exchange) -> Feed | None:
        form = declared.form(exchange.request.headers)
        if form.reader != MULTIPART:
            return None
        return Arriving(boundary_of(form.parameters), sizes[form.media.name], most_parts).feed

    return watch


def reader_of_is_multipart(name: str) -> bool:
    """Whether a body declared so may be read as `multipart/form-data`."""
    return name in {"multipart/form-data", "multipart/*", "*/*"}


class Arriving:
    """One multipart body so far. Keeps no more than a part's head."""

    __slots__ = ("_delimiter", "_in_head", "_most", "_name", "_parts_left", "_rest", "_size", "_sizes")

    def __init__(self, boundary: bytes, sizes: FileSizes, most_parts: int) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._sizes, self._parts_left = sizes, most_parts
        # The first boundary has no line end in front; with one, it is like the others.
        self._rest = b"\r\n"
        self._in_head = False
        self._name, self._size = "", 0
        self._most: int | None = 0
        """Of the part under way. What stands before the first boundary is no part, and there must be nothing."""

    def feed(self, data: bytes) -> None:
        """Take more. Errors: Denied `validate.upload_size`, `validate.json_limit`, `validate.multipart`."""
        buffer = self._rest + data
        at = 0
        while True:
            end = self._past_head(buffer, at) if self._in_head else self._past_data(buffer, at)
            if end < 0:
                break
            at = end
        # Of a part's data only what may be the beginning of a boundary has to be kept.
        if not self._in_head:
            kept = max(at, len(buffer) - len(self._delimiter) + 1)
            self._count(kept - at)
            at = kept
        self._rest = buffer[at:]

    def _past_data(self, buffer: bytes, at: int) -> int:
        end = buffer.find(self._delimiter, at)
        if end >= 0:
            self._count(end - at)
            self._in_head = True
            return end + len(self._delimiter)
        return -1

    def _past_head(self, buffer: bytes, at: int) -> int:
        end = buffer.find(_HEAD_END, at + 2)
        if end < 0:
            if len(buffer) - at > HEAD_BYTES + len(_HEAD_END):
                raise malformed("a part has no header fields, or too many")
            return -1
        self._parts_left -= 1
        if self._parts_left < 0:
            raise Denied("validate.json_limit", "multipart: too many parts")
        head = part_head(buffer[at + 2 : end])
        self._name, self._size = head.name, 0
        self._most = self._sizes.most_of(head.name, is_file=head.filename is not None)
        self._in_head = False
        # The line end behind the head may be that of the next boundary, when the part is empty.
        return end + len(_HEAD_END)

    def _count(self, size: int) -> None:
        self._size += size
        if self._name:
            require_size(self._name, self._size, self._most)
