"""Conveniences, each of which reads what was sent as a language of its own. Vulnerable: that is what they do."""

import base64
import email
import json
import pickle
import re
import urllib.request
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from doorward.demo.bank.caller import directory_of

_CONTACTS = [
    {"name": "Ann Lee", "owner": "alice", "public": "yes", "phone": "+49 30 5550101"},
    {"name": "Vera Vault", "owner": "root", "public": "no", "phone": "+49 30 5550999"},
]


def letter(request: Request) -> Response:
    """A letter from a template; what stands in double braces is evaluated."""
    known = {"customer": {"name": "Alice Baker"}, "amount": "12.50"}
    text = request.query_params["template"]
    return PlainTextResponse(re.sub(r"\{\{(.+?)\}\}", lambda match: str(eval(match[1].strip(), {}, known)), text))


def calculator(request: Request) -> Response:
    """The value of an expression."""
    return JSONResponse({"result": str(eval(request.query_params["expression"]))})


async def logo(request: Request) -> Response:
    """A merchant's logo from wherever it lies."""
    url = request.query_params["url"]

    def fetched() -> str:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return str(answer.read(2000).decode("utf-8", "replace"))

    return JSONResponse({"content": await run_in_threadpool(fetched)})


def contacts(request: Request) -> Response:
    """Contacts by a filter in JSON, with the operators of a document store."""
    wanted = json.loads(request.query_params["filter"])
    return JSONResponse({"items": [one for one in _CONTACTS if _matches(one, wanted)]})


def colleagues(request: Request) -> Response:
    """Colleagues who may be found, by a search filter as directories read it: the first one counts."""
    entries = _filtered(iter(f"(&(name={request.query_params['name']})(public=yes))"))
    return JSONResponse({"items": entries})


async def payments(request: Request) -> Response:
    """A payment order in XML; entities are resolved wherever they lead."""
    body = await request.body()
    texts: list[str] = []
    parser = expat.ParserCreate()

    def resolved(context: str, _base: str | None, place: str | None, _public: str | None) -> int:
        inner = parser.ExternalEntityParserCreate(context)
        inner.CharacterDataHandler = texts.append
        text = (directory_of(request) / (place or "").removeprefix("file:")).read_text()
        inner.Parse(text, True)
        return 1

    parser.CharacterDataHandler = texts.append
    parser.ExternalEntityRefHandler = resolved
    parser.Parse(body, True)
    return JSONResponse({"ordered": "".join(texts)[:200]})


def invitation(request: Request) -> Response:
    """Who gets the mail that an invitation writes."""
    mail = email.message_from_string(f"To: {request.query_params['to']}\nSubject: Join my bank\n\nHello")
    return JSONResponse({"recipients": [value for name in ("To", "Cc", "Bcc") for value in mail.get_all(name, [])]})


def preferences(request: Request) -> Response:
    """Preferences as the browser kept them: a pickled object."""
    return JSONResponse({"preferences": str(pickle.loads(base64.b64decode(request.query_params["data"])))})


def newsletter(request: Request) -> Response:
    """A page in which the server's own includes are carried out."""

    def included(match: re.Match[str]) -> str:
        return (directory_of(request) / match[1]).read_text()

    text = re.sub(r'<!--#include virtual="([^"]+)" ?-->', included, request.query_params["text"])
    return PlainTextResponse(text)


def _matches(entry: dict[str, str], wanted: dict[str, Any]) -> bool:
    for name, value in wanted.items():
        if isinstance(value, dict):
            if "$ne" in value and entry.get(name) == value["$ne"]:
                return False
        elif entry.get(name) != value:
            return False
    return True


def _filtered(text: Iterator[str]) -> list[dict[str, str]]:
    """The entries that the first filter in the text finds; what comes behind it nobody reads."""
    next(text)
    kind = next(text)
    if kind not in "&|":
        condition = kind
        for character in text:
            if character == ")":
                break
            condition += character
        name, _, value = condition.partition("=")
        pattern = re.compile(".*".join(map(re.escape, value.split("*"))))
        return [one for one in _CONTACTS if pattern.fullmatch(one.get(name, ""))]
    found: list[list[dict[str, str]]] = []
    for character in text:
        if character == ")":
            break
        found.append(_filtered(_with(character, text)))
    keep = all if kind == "&" else any
    return [one for one in _CONTACTS if keep(one in each for each in found)]


def _with(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
