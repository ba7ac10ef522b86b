"""A WSGI application that says how its server read the request."""

import json
from collections.abc import Callable, Iterable
from typing import Any


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Echo as JSON."""
    answer = json.dumps(
        {
            "id": environ.get("HTTP_X_REQUEST_ID", ""),
            "method": environ["REQUEST_METHOD"],
            "target": environ["RAW_URI"],
            "body": environ["wsgi.input"].read().hex(),
        }
    ).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
