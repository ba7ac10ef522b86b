"""The one place that turns a denial or a fault into an answer: problem+json (RFC 9457) that gives nothing away."""

import orjson

from doorward.denial import Denied
from doorward.exchange import Exchange, Header, Response

_ALWAYS: tuple[Header, ...] = (
    (b"content-type", b"application/problem+json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)


def denial_response(exchange: Exchange, denied: Denied) -> Response:
    """The answer to a refused exchange: code, title, status, request id; never a value, a pattern or a stack."""
    document: dict[str, object] = {
        "type": f"urn:doorward:denial:{denied.code}",
        "title": denied.denial.title,
        "status": denied.denial.status,
        "instance": f"urn:uuid:{exchange.id}",
    }
    if denied.public:
        document.update(denied.public)
    headers = [*_ALWAYS, *denied.headers]
    if denied.denial.closes:
        headers.append((b"connection", b"close"))
    return Response(denied.denial.status, headers, orjson.dumps(document))


def fault_response(exchange: Exchange) -> Response:
    """The answer when we broke: 500 and the request id; the reason stands in the record and the log."""
    document = {
        "type": "urn:doorward:fault",
        "title": "Internal error",
        "status": 500,
        "instance": f"urn:uuid:{exchange.id}",
    }
    return Response(500, [*_ALWAYS, (b"connection", b"close")], orjson.dumps(document))
