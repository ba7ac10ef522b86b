"""The same pipeline inside an application: for APIs that no gateway stands in front of.

An ASGI server has parsed the request already, so what only raw bytes can tell (framing, bare line feeds, repeated
lengths) is the server's to refuse; everything else is decided exactly as by the gateway, which a test holds both to.
"""

from doorward.middleware.asgi import DoorwardMiddleware

__all__ = ["DoorwardMiddleware"]
