"""What nobody serves and what breaks: told in the form of whoever asks, and nothing of ours with it."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from doorward.identity.unserved import explains_itself, refusal


def ask(method: str, path: str, accept: str) -> httpx.Response:
    async def large(_request: Request) -> Response:
        raise HTTPException(413, "of the inside")

    async def breaks(_request: Request) -> Response:
        raise RuntimeError("of the inside")

    app = explains_itself(Starlette(routes=[Route("/large", large), Route("/breaks", breaks)]), "/base")

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://issuer.example") as client:
            return await client.request(method, path, headers={"accept": accept})

    return asyncio.run(asked())


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nowhere", 404, "urn:doorward:denial:validate.path_unknown"),
        ("GET", "/large/", 404, "urn:doorward:denial:validate.path_unknown"),
        ("POST", "/large", 405, "urn:doorward:denial:validate.method"),
        ("GET", "/large", 413, "about:blank"),
        ("GET", "/breaks", 500, "urn:doorward:fault"),
    ],
)
def test_programs_get_a_problem_and_people_a_page(method: str, path: str, status: int, kind: str) -> None:
    told = ask(method, path, "application/json")
    assert (told.status_code, told.headers["content-type"]) == (status, "application/problem+json")
    assert (told.json()["type"], told.json()["status"]) == (kind, status)
    shown = ask(method, path, "text/html")
    assert (shown.status_code, shown.headers["content-type"]) == (status, "text/html; charset=utf-8")
    for answer in (told, shown):
        assert "inside" not in answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert ("allow" in answer.headers) is (status == 405)


def test_a_refusal_has_status_and_title_of_its_code() -> None:
    assert refusal("validate.path_unknown").status_code == 404
