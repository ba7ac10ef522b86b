"""An HTTP/2 client made of the reference library (hyper-h2), over TLS; it can also send frames of any kind."""

import collections
import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import trustme
from tests.gateway.lab import PATIENCE_S

GOAWAY = 7
Fields = list[tuple[bytes, bytes]]


@dataclass
class StreamAnswer:
    """What came back on one stream."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.headers.get(b":status", b"0"))

    @property
    def code(self) -> str:
        """The denial code, or empty."""
        _, _, rest = self.body.partition(b'"type":"urn:doorward:denial:')
        return rest.partition(b'"')[0].decode()


class H2Client:
    """One connection. Headers are sent as given, however wrong."""

    def __init__(self, port: int, authority: trustme.CA, *, window: int | None = None) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(context)
        context.set_alpn_protocols(["h2"])
        raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.socket = context.wrap_socket(raw, server_hostname="127.0.0.1")
        assert self.socket.selected_alpn_protocol() == "h2"
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
            )
        )
        if window is not None:
            initial = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window}
            self.h2.local_settings = h2.settings.Settings(client=True, initial_values=initial)
        self.h2.initiate_connection()
        self.answers: dict[int, StreamAnswer] = collections.defaultdict(StreamAnswer)
        self.takes_data = True
        self.received = bytearray()
        """Everything that came, as bytes: the library stops reading at a GOAWAY, other clients do not."""
        self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, fields: Fields, body: bytes | None = None, *, ends: bool = True, step: int = 0) -> int:
        """Send a request, its head in writes of `step` bytes if told so; the number of its stream."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, fields, end_stream=body is None and ends)
        data = self.h2.data_to_send()
        for start in range(0, len(data), step or len(data)):
            self.send_bytes(data[start : start + (step or len(data))])
        if body is not None:
            self.send(stream, body, ends=ends)
        return stream

    def send(self, stream: int, body: bytes, *, ends: bool) -> None:
        """Send a body, as the gateway's window lets it."""
        while True:
            while body and self.h2.local_flow_control_window(stream) <= 0:
                if not self._more():
                    return
            room = min(len(body), self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            piece, body = body[:room], body[room:]
            self.h2.send_data(stream, piece, end_stream=ends and not body)
            self._flush()
            if not body:
                return

    def raw(self, frame_type: int, flags: int, stream: int, payload: bytes = b"") -> None:
        """Send one frame past the library."""
        self.send_bytes(
            struct.pack(">I", len(payload))[1:] + bytes([frame_type, flags]) + struct.pack(">I", stream) + payload
        )

    def send_bytes(self, data: bytes) -> None:
        """Send bytes past the library."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.socket.sendall(data)

    def answer(self, stream: int) -> StreamAnswer:
        """The answer of a stream, once it has ended one way or another."""
        while not (self.answers[stream].ended or self.answers[stream].reset is not None):
            if not self._more():
                break
        return self.answers[stream]

    @property
    def goaway(self) -> int | None:
        """The code of the GOAWAY that came, if one did."""
        for kind, payload in self.frames():
            if kind == GOAWAY:
                return int.from_bytes(payload[4:8], "big")
        return None

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Every whole frame that came: its type and payload."""
        position = 0
        while position + 9 <= len(self.received):
            length = int.from_bytes(self.received[position : position + 3], "big")
            yield self.received[position + 3], bytes(self.received[position + 9 : position + 9 + length])
            position += 9 + length

    def until_goaway(self) -> int:
        """The code of the GOAWAY that ends the connection."""
        while (code := self.goaway) is None:
            assert self._more(), "the connection ended without GOAWAY"
        return code

    def is_closed(self) -> bool:
        """Whether the gateway closes, after everything it says is read."""
        while self._more():
            continue
        return True

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            return False
        if not data:
            return False
        self.received += data
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            return True
        for event in events:
            self._take(event)
        self._flush()
        return True

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ResponseReceived):
            self.answers[event.stream_id].headers = {bytes(name): bytes(value) for name, value in event.headers}
        elif isinstance(event, h2.events.DataReceived):
            self.answers[event.stream_id].body += event.data
            if self.takes_data:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.answers[event.stream_id].ended = True
        elif isinstance(event, h2.events.StreamReset):
            self.answers[event.stream_id].reset = event.error_code

    def _flush(self) -> None:
        data = self.h2.data_to_send()
        if data:
            self.send_bytes(data)


def fields(method: str = "GET", path: str = "/items", *more: tuple[str, str], authority: str = "api.test") -> Fields:
    """The fields of a request."""
    pseudo = [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path)]
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (*pseudo, *more)]
