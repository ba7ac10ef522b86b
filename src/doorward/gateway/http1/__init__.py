"""HTTP/1.1 with clients: from bytes to one exchange after the other on a connection, and answers back to bytes."""

from doorward.gateway.http1.connection import LINGER_S, ClientConnection

__all__ = ["LINGER_S", "ClientConnection"]
