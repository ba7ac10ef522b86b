"""Issuers that are asked about tokens, and misbehave: real servers on loopback over TLS, one for each way."""

import asyncio
import base64
import contextlib
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import structlog
import trustme
from tests.loopback import server_tls
from tests.processes.test_hostile_issuers import dripping, forever, says, silent

from doorward.controls.authenticate import IssuerPolicy
from doorward.controls.authenticate.introspection import Answer
from doorward.controls.authenticate.policy import AuthenticatePolicy, IntrospectionPolicy
from doorward.errors import PolicyError
from doorward.introspection_client import ANSWER_BYTES, UNDER_WAY_MOST, IntrospectionClient
from doorward.jose import generate_key, save_private_keys, split_unverified, verify_signature

Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
GOOD = json.dumps({"active": True, "sub": "alice", "aud": "api"}).encode()
JSON = "content-type: application/json"
AUTHORITY = trustme.CA()
NOW = 1_800_000_000.0


class Desk:
    """One server over TLS; `asked` keeps the requests."""

    def __init__(self, serve: Serve) -> None:
        self.serve = serve
        self.asked: list[bytes] = []
        self.url = ""
        self.tasks: set[asyncio.Task[None] | None] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            self.asked.append(head + await reader.readexactly(length))
            await self.serve(head, writer)
            await writer.drain()
            if self.serve in (silent, dripping):
                await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    def form(self) -> dict[str, str]:
        body = self.asked[-1].partition(b"\r\n\r\n")[2].decode()
        return {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}

    def field(self, name: str) -> str:
        lines = self.asked[-1].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        fields = dict(line.split(": ", 1) for line in lines)
        return fields.get(name, "")


@contextlib.asynccontextmanager
async def desk(serve: Serve, name: str = "localhost") -> AsyncIterator[Desk]:
    made = Desk(serve)
    listening = await asyncio.start_server(made.answer, "127.0.0.1", 0, ssl=server_tls(AUTHORITY, name))
    made.url = f"https://localhost:{listening.sockets[0].getsockname()[1]}/introspect"
    try:
        yield made
    finally:
        listening.close()
        await asyncio.gather(*[task for task in made.tasks if task is not None])


class Gateway:
    """What a worker has: files, settings, the client."""

    def __init__(
        self, directory: Path, url: str, *, networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128"), **changes: Any
    ) -> None:
        AUTHORITY.cert_pem.write_to_path(str(directory / "ca.pem"))
        self.secret = directory / "secret"
        self.secret.write_text("s3cret/+\n")
        settings: dict[str, Any] = {
            "endpoint": url,
            "client_id": "gate way",
            "secret_file": str(self.secret),
            "ca_file": str(directory / "ca.pem"),
            **changes,
        }
        self.issuer = IssuerPolicy(
            issuer="https://opaque.example", audience="api", introspection=IntrospectionPolicy(**settings)
        )
        self.client = IntrospectionClient(
            AuthenticatePolicy(issuers=(self.issuer,)),
            tuple(ip_network(each) for each in networks),
            asyncio.get_running_loop(),
            lambda: NOW,
        )

    async def ask(self, token: str = "op_token") -> Answer:
        known: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.client.ask(self.issuer, token, known.set_result)
        return await known


def _settings(gateway: Gateway) -> IntrospectionPolicy:
    assert gateway.issuer.introspection is not None
    return gateway.issuer.introspection


def test_a_question_is_a_form_with_the_clients_secret(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(says(GOOD, JSON)) as site:
            answer = await Gateway(tmp_path, site.url).ask("op_~a+/=")
            assert answer == Answer(body=GOOD, at=NOW)
            assert site.asked[0].startswith(b"POST /introspect HTTP/1.1\r\n")
            assert site.form() == {"token": "op_~a+/=", "token_type_hint": "access_token"}
            credentials = base64.b64decode(site.field("authorization").removeprefix("Basic ")).decode()
            assert credentials == "gate%20way:s3cret%2F%2B"
            assert site.field("content-type") == "application/x-www-form-urlencoded"

    asyncio.run(run())


def test_that_an_issuer_cannot_be_asked_is_said_once_and_that_it_can_be_again(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(says(b"", JSON, status="500 no")) as site:
            gateway = Gateway(tmp_path, site.url)
            assert [bool((await gateway.ask()).problem) for _ in range(3)] == [True] * 3
            site.serve = says(GOOD, JSON)
            for _ in range(2):
                await gateway.ask()

    with structlog.testing.capture_logs() as lines:
        asyncio.run(run())
    told = [line["event"] for line in lines if "issuer" in line]
    assert told == ["an issuer cannot be asked about tokens", "an issuer can be asked about tokens again"]


def test_or_with_an_assertion_that_its_key_signed(tmp_path: Path) -> None:
    async def run() -> None:
        key = generate_key("ES256")
        save_private_keys(tmp_path / "client.json", [key])
        async with desk(says(GOOD, JSON)) as site:
            gateway = Gateway(tmp_path, site.url, secret_file=None, key_file=str(tmp_path / "client.json"))
            assert (await gateway.ask()).body == GOOD
            form = site.form()
            assert site.field("authorization") == ""
            assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            claims = verify_signature(split_unverified(form["client_assertion"]), key.public)
            assert (claims["iss"], claims["sub"], claims["aud"]) == ("gate way", "gate way", "https://opaque.example")
            assert (claims["iat"], claims["exp"]) == (NOW, NOW + 60)
            before = claims["jti"]
            await gateway.ask()
            again = verify_signature(split_unverified(site.form()["client_assertion"]), key.public)
            assert again["jti"] != before

    asyncio.run(run())


LIES: dict[str, Serve] = {
    "an error": says(GOOD, JSON, status="500 Internal Server Error"),
    "no client": says(b"{}", JSON, status="401 Unauthorized"),
    "a redirect": says(GOOD, JSON, "location: https://localhost:1/", status="307 Temporary Redirect"),
    "another type": says(GOOD, "content-type: text/html"),
    "no type": says(GOOD),
    "a signed answer nobody asked for": says(GOOD, "content-type: application/token-introspection+jwt"),
    "compressed": says(gzip.compress(GOOD), JSON, "content-encoding: gzip"),
    "too long": says(GOOD + b" " * ANSWER_BYTES, JSON),
    "without end": forever,
    "silence": silent,
    "a drip": dripping,
    "created": says(GOOD, JSON, status="201 Created"),
}


@pytest.mark.parametrize("name", LIES)
def test_an_issuer_that_misbehaves_says_nothing_about_anybody(name: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(LIES[name]) as site:
            answer = await Gateway(tmp_path, site.url, timeout_s=0.5).ask()
            assert answer.problem
            assert answer.body == b""
            assert len(site.asked) == 1

    asyncio.run(run())


def test_an_answer_may_have_sixteen_kibibytes_and_no_byte_more(tmp_path: Path) -> None:
    async def run() -> None:
        full = GOOD + b" " * (ANSWER_BYTES - len(GOOD))
        async with desk(says(full, JSON)) as site:
            gateway = Gateway(tmp_path, site.url)
            assert (await gateway.ask()).body == full
            site.serve = says(full + b" ", JSON)
            assert (await gateway.ask()).problem

    asyncio.run(run())


def test_a_certificate_of_somebody_else_is_told_no_token(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(says(GOOD, JSON), name="elsewhere.example") as site:
            assert (await Gateway(tmp_path, site.url).ask()).problem
            assert site.asked == []

    asyncio.run(run())


def test_an_address_that_is_not_public_is_asked_only_where_the_policy_lists_it(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(says(GOOD, JSON)) as site:
            answer = await Gateway(tmp_path, site.url, networks=()).ask()
            assert "not public" in answer.problem
            assert site.asked == []

    asyncio.run(run())


def test_a_secret_that_was_replaced_is_used_at_the_next_question_and_one_that_is_gone_lets_nobody_in(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with desk(says(GOOD, JSON)) as site:
            gateway = Gateway(tmp_path, site.url)
            gateway.secret.write_text("another")
            await gateway.ask()
            assert base64.b64decode(site.field("authorization").removeprefix("Basic ")).endswith(b":another")
            gateway.secret.unlink()
            answer = await gateway.ask()
            assert "cannot be read" in answer.problem
            assert "another" not in answer.problem
            assert len(site.asked) == 1

    asyncio.run(run())


def test_a_flood_of_tokens_is_bounded_at_the_issuer(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(silent) as site:
            gateway = Gateway(tmp_path, site.url, timeout_s=5)
            told: list[Answer] = []
            for number in range(UNDER_WAY_MOST + 5):
                gateway.client.ask(gateway.issuer, f"op_{number}", told.append)
            assert [answer.problem for answer in told] == [f"{UNDER_WAY_MOST} questions are under way"] * 5
            gateway.client.close()
            await asyncio.gather(*gateway.client._tasks, return_exceptions=True)

    asyncio.run(run())


def test_an_issuer_that_never_answers_leaves_the_questions_of_others_room(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(silent) as tarpit, desk(says(GOOD, JSON)) as site:
            gateway = Gateway(tmp_path, site.url, timeout_s=5, prefix="op_")
            held = IssuerPolicy(
                issuer="https://tarpit.example",
                audience="api",
                introspection=_settings(gateway).model_copy(update={"endpoint": tarpit.url, "prefix": "held_"}),
            )
            both = AuthenticatePolicy(issuers=(gateway.issuer, held))
            networks = tuple(ip_network(each) for each in ("127.0.0.0/8", "::1/128"))
            gateway.client = IntrospectionClient(both, networks, asyncio.get_running_loop(), lambda: NOW)
            told: list[Answer] = []
            for number in range(UNDER_WAY_MOST + 1):
                gateway.client.ask(held, f"op_{number}", told.append)
            assert len(told) == 1
            assert (await gateway.ask()).body == GOOD
            gateway.client.close()
            await asyncio.gather(*gateway.client._tasks, return_exceptions=True)
            gateway.client.ask(held, "op", told.append)
            assert len(told) == 1, "their room is given back"
            gateway.client.close()
            await asyncio.gather(*gateway.client._tasks, return_exceptions=True)

    asyncio.run(run())


def test_settings_whose_files_cannot_be_used_are_refused_when_they_are_loaded(tmp_path: Path) -> None:
    async def run() -> None:
        (tmp_path / "empty").write_text("\n")
        save_private_keys(tmp_path / "open.json", [generate_key("ES256")])
        (tmp_path / "open.json").chmod(0o644)
        for change in (
            {"secret_file": str(tmp_path / "absent")},
            {"secret_file": str(tmp_path / "empty")},
            {"secret_file": None, "key_file": str(tmp_path / "open.json")},
            {"secret_file": None, "key_file": str(tmp_path / "absent")},
            {"ca_file": str(tmp_path / "absent")},
        ):
            with pytest.raises(PolicyError):
                Gateway(tmp_path, "https://localhost:1/", **change)

    asyncio.run(run())


def test_an_issuer_that_is_not_known_here_says_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        gateway = Gateway(tmp_path, "https://localhost:1/")
        told: list[Answer] = []
        gateway.client.ask(gateway.issuer.model_copy(update={"issuer": "https://b.example"}), "t", told.append)
        assert [answer.problem for answer in told] == ["it is not known here"]

    asyncio.run(run())
