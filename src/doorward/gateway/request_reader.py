"""The second reading of a request, by llhttp. A message counts only if `transport`'s reading and this one agree."""

from typing import Final

import httptools

from doorward.denial import Denied
from doorward.exchange import Header

_DISAGREE: Final = "the two readings of the body's end disagree"


class RequestReader:
    """llhttp for one connection, fed exactly one message's bytes at a time: a whole head, then its body.

    The callbacks only store. A verdict raised inside one would come out wrapped by the library.
    """

    __slots__ = ("_in_body", "_parser", "headers", "is_complete", "target")

    def __init__(self) -> None:
        self.headers: list[Header] = []
        self.target = b""
        self.is_complete = False
        """The message has ended."""
        self._in_body = False
        self._parser = httptools.HttpRequestParser(self)

    def read_head(self, head: bytes) -> None:
        """Fill `target` and `headers` from a head that `transport.check_head` let pass. Errors: Denied."""
        self.headers = []
        self.target = b""
        self.is_complete = self._in_body = False
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserError as error:
            raise Denied("transport.start_line", f"llhttp refuses the head: {error}") from error
        if not self._in_body:
            raise Denied("transport.start_line", "llhttp does not see the end of the head")

    def read_body(self, raw: bytes, *, is_last: bool) -> None:
        """Have bytes of the body, still in their transfer coding, read a second time. Errors: Denied."""
        try:
            self._parser.feed_data(raw)
        except httptools.HttpParserError as error:
            raise Denied("transport.chunk_data", f"llhttp refuses the body: {error}") from error
        if self.is_complete is not is_last:
            raise Denied("transport.chunk_data", _DISAGREE)

    def on_url(self, url: bytes) -> None:
        """Store a piece of the target; the whole of it, since the head is fed at once."""
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a field. Trailers come here too, after the head: they are dropped."""
        if not self._in_body:
            # llhttp leaves the whitespace behind a value in place (measured, httptools 0.9).
            self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Note the end of the head."""
        self._in_body = True

    def on_message_complete(self) -> None:
        """Note the end of the message."""
        self.is_complete = True
