"""HTTP/2 with clients: each stream is one exchange, judged and forwarded as the same request over HTTP/1.1 would be."""

from doorward.gateway.http2.connection import Http2Connection

__all__ = ["Http2Connection"]
