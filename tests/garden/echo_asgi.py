"""An ASGI application that says how its server read the request."""

import json
from typing import Any


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Echo as JSON."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    answer = json.dumps(
        {
            "id": headers.get("x-request-id", ""),
            "method": scope["method"],
            "target": (scope["raw_path"] + query).decode("latin-1"),
            "body": body.hex(),
        }
    ).encode()
    fields = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": answer})
