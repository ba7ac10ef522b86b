"""WebSocket: a handshake is an exchange like any other; what follows is read frame by frame, both ways."""

from doorward.gateway.websocket.run import WebSocketRun

__all__ = ["WebSocketRun"]
