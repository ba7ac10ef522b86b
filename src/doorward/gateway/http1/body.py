"""Where the body of a request ends: by our own reading, and by llhttp's wherever that has read the head."""

from doorward.controls.transport import ChunkedBody
from doorward.denial import Denied
from doorward.gateway.request_head import RequestHead
from doorward.gateway.request_reader import RequestReader


class BodyReader:
    """Reads the bodies of one connection, one after the other."""

    __slots__ = ("_chunked", "_is_read_twice", "_left", "_second", "has_trailers", "is_unread")

    def __init__(self, second: RequestReader) -> None:
        self._second = second
        self._chunked: ChunkedBody | None = None
        self._left = 0
        self._is_read_twice = False
        self.is_unread = False
        """Some of the body is still to come."""
        self.has_trailers = False
        """Fields stood behind the last body: they are dropped."""

    def begin(self, head: RequestHead) -> None:
        """The body of this request comes next, if it has one."""
        self._chunked = ChunkedBody() if head.is_chunked else None
        self._left = head.length
        self._is_read_twice = head.is_read_twice
        self.is_unread = head.is_chunked or head.length > 0
        self.has_trailers = False

    def take(self, buffer: bytearray) -> bytes:
        """What `buffer` has of the body, taken out of it. Errors: Denied: the connection cannot be read on."""
        data = bytes(buffer)
        chunked = self._chunked
        if chunked is not None:
            piece = chunked.feed(data)
            is_last = chunked.is_complete
            used = len(data) - len(chunked.rest)
            self.has_trailers = chunked.has_trailers
        else:
            piece = data[: self._left]
            used = len(piece)
            self._left -= used
            is_last = self._left == 0
        if used and self._is_read_twice:
            self._second.read_body(data[:used], is_last=is_last)
        del buffer[:used]
        self.is_unread = not is_last
        return piece

    def cut_short(self) -> Denied:
        """Why a body is refused that ends with the connection."""
        code = "transport.chunk_data" if self._chunked is not None else "transport.cl_invalid"
        return Denied(code, "the stream ended before the body did")
