"""Small documents, and what carries requests through the checks they compile to."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from doorward.controls.validate import ValidatePolicy, body_check, parameters_check
from doorward.denial import Denied
from doorward.exchange import Exchange, Headers, Request, Source
from doorward.policy.openapi import description_from_document
from doorward.policy.routing import Router

Send = Callable[..., Exchange]
"""Sends one request through the checks of an operation: `send(method, target, headers, body)`."""


def document_of(paths: Mapping[str, Any], *, schemas: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A small OpenAPI 3.1 document."""
    info = {"title": "t", "version": "1"}
    components = {"schemas": dict(schemas or {}), **more.pop("components", {})}
    return {"openapi": "3.1.0", "info": info, "paths": dict(paths), "components": components, **more}


def body_document(schema: Any, *, media_type: str = "application/json", required: bool = False, **more: Any) -> Any:
    """A document with one operation, `POST /things`, that takes a body of this schema."""
    body = {"required": required, "content": {media_type: {"schema": schema}}}
    return document_of({"/things": {"post": {"requestBody": body, "responses": {}}}}, **more)


def query_document(*parameters: Mapping[str, Any], **more: Any) -> Any:
    """A document with one operation, `GET /things`, that takes these parameters."""
    return document_of({"/things": {"get": {"parameters": [*parameters], "responses": {}}}}, **more)


def sender(document: Mapping[str, Any], **settings: Any) -> Send:
    """What carries requests through the checks that this document and these settings compile to."""
    description, policy = description_from_document(document), ValidatePolicy(**settings)
    router = Router(
        [
            (
                each.method,
                each.path,
                (parameters_check(each, policy, description), body_check(each, policy, description)),
            )
            for each in description.operations
        ]
    )

    def send(
        method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes | None = None
    ) -> Exchange:
        path, _, query = target.partition(b"?")
        request = Request(method, target, path, query, Headers([*headers]), has_body=body is not None, body=body or b"")
        exchange = Exchange(id="0" * 32, now=1e9, ticks=1.0, source=Source(address="127.0.0.1"), request=request)
        (head, whole), exchange.path_values = router.find(method, path)
        head(exchange)
        if whole is not None:
            whole(exchange)
        return exchange

    return send


def posting(
    document: Mapping[str, Any], media_type: bytes = b"application/json", **settings: Any
) -> Callable[[bytes], Exchange]:
    """What posts bodies to `/things`."""
    send = sender(document, **settings)
    return lambda body: send("POST", b"/things", [(b"content-type", media_type)], body)


def denial_of(call: Callable[[], object]) -> Denied:
    """The denial a call ends in."""
    with pytest.raises(Denied) as refusal:
        call()
    return refusal.value


def code_of(call: Callable[[], object]) -> str:
    """The code of the denial a call ends in; empty when it passes."""
    try:
        call()
    except Denied as denied:
        return denied.code
    return ""
