"""Issuers that misbehave when asked for their keys: real servers on loopback, one for each way."""

import asyncio
import contextlib
import gzip
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey

from doorward.controls.authenticate import IssuerPolicy
from doorward.gateway.external_keys import FETCH_EVERY_S, METADATA_EVERY_S, ExternalKeys, metadata_urls
from doorward.jose import KEY_COUNT, encode_segment, generate_key, public_jwks
from doorward.outbound import OutboundClient

KEY, NEXT = generate_key("ES256"), generate_key("EdDSA")
GOOD = json.dumps(public_jwks([KEY])).encode()
NOW = 1000.0
Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Site:
    """One server; `serve` answers each request, `asked` keeps their paths."""

    def __init__(self, serve: Serve) -> None:
        self.serve = serve
        self.asked: list[str] = []
        self.url = ""
        self.handling: set[asyncio.Task[None] | None] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.handling.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head.split(b" ")[1].decode())
            await self.serve(head, writer)
            await writer.drain()
            if self.serve in (silent, dripping):
                # until whoever asked has given up
                await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def site(serve: Serve) -> AsyncIterator[Site]:
    made = Site(serve)
    listening = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        listening.close()
        await asyncio.gather(*[task for task in made.handling if task is not None])


def says(body: bytes, *fields: str, status: str = "200 OK") -> Serve:
    async def serve(_head: bytes, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *fields, "", ""]
        writer.write("\r\n".join(lines).encode() + body)

    return serve


def routed(**bodies: bytes) -> Serve:
    """Answers by the last part of the path, with dashes as underscores; anything else is not found."""

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        name = head.split(b" ")[1].decode().rpartition("/")[2].replace("-", "_")
        found = bodies.get(name)
        await (says(b"", status="404 Not Found") if found is None else says(found))(head, writer)

    return serve


def client(total_s: float = 5.0) -> OutboundClient:
    return OutboundClient(insecure_loopback_http=True, total_s=total_s)


def issuer(url: str, **changes: object) -> IssuerPolicy:
    made = IssuerPolicy(issuer="https://login.example/", audience="orders", jwks_url=f"{url}/jwks")
    return made.model_copy(update=changes)


def key_set(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


def ids(keys: ExternalKeys, policy: IssuerPolicy, now: float = NOW) -> list[str]:
    return [str(jwk["kid"]) for jwk in keys.current([policy], now)[policy.issuer]]


async def forever(_head: bytes, writer: asyncio.StreamWriter) -> None:
    """Answers and never comes to an end."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            await writer.drain()


async def silent(_head: bytes, _writer: asyncio.StreamWriter) -> None:
    """Answers nothing."""


async def dripping(_head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")


WEAK = {"kty": "RSA", "alg": "RS256", "kid": "weak", "e": "AQAB", "n": encode_segment(bytes([255]) * 128).decode()}
HUGE = {**WEAK, "kid": "huge", "n": encode_segment(bytes([255]) * 100_000).decode()}
ONE = {**WEAK, "kid": "one", "e": "AQ", "n": encode_segment(bytes([255]) * 256).decode()}
SHARED = {**OctKey.generate_key(256).as_dict(), "alg": "HS256", "kid": "shared"}
FOREIGN = [
    ECKey.generate_key("P-521").as_dict(private=False) | {"kid": "p521"},
    OKPKey.generate_key("X25519").as_dict(private=False) | {"kid": "x25519"},
    {**KEY.public.jwk(), "kid": "enc", "use": "enc"},
    {**KEY.public.jwk(), "kid": "off", "y": KEY.public.jwk()["x"]},
]

BAD: dict[str, Serve] = {
    "an error": says(GOOD, status="500 Internal Server Error"),
    "a redirect": says(GOOD, "location: http://127.0.0.1:1/jwks", status="302 Found"),
    "nothing": says(b""),
    "garbage": says(b"\xff\xfe<html>"),
    "another document": says(b'{"issuer":"https://login.example/"}'),
    "an empty set": says(b'{"keys":[]}'),
    "a set of other things": says(b'{"keys":[1,"a",null]}'),
    "a set of unusable keys": says(key_set(WEAK, HUGE, ONE, SHARED, *FOREIGN)),
    "too many keys": says(key_set(*[KEY.public.jwk()] * (KEY_COUNT + 1))),
    "brackets": says(b"[" * 200_000),
    "a body without end": forever,
    "a compressed body": says(gzip.compress(GOOD), "content-encoding: gzip"),
    "silence": silent,
    "a drip": dripping,
    "a head that never ends": says(b"", *[f"x-{number}: {'a' * 8000}" for number in range(200)]),
}


@pytest.mark.parametrize("name", BAD)
def test_an_issuer_that_misbehaves_keeps_its_last_good_set_and_hurts_nobody_else(name: str) -> None:
    async def run() -> None:
        async with site(says(GOOD)) as good, site(says(json.dumps(public_jwks([NEXT])).encode())) as other:
            mine, neighbour = issuer(good.url), issuer(other.url, issuer="https://other.example/")
            keys = ExternalKeys(client(0.5))
            await keys.refresh([mine], NOW)
            good.serve = BAD[name]
            later = NOW + FETCH_EVERY_S
            await keys.refresh([mine, neighbour], later)
            assert ids(keys, mine, later) == [KEY.id]
            assert ids(keys, neighbour, later) == [NEXT.id]

    asyncio.run(run())


@pytest.mark.parametrize("name", BAD)
def test_an_issuer_that_misbehaved_from_the_start_has_no_keys(name: str) -> None:
    async def run() -> None:
        async with site(BAD[name]) as bad:
            keys = ExternalKeys(client(0.5))
            await keys.refresh([issuer(bad.url)], NOW)
            assert ids(keys, issuer(bad.url)) == []

    asyncio.run(run())


def test_of_a_mixed_set_only_what_can_be_used_is_kept() -> None:
    async def run() -> None:
        async with site(says(key_set(WEAK, HUGE, SHARED, *FOREIGN, KEY.jwk()))) as mixed:
            keys = ExternalKeys(client())
            await keys.refresh([issuer(mixed.url)], NOW)
            (kept,) = keys.current([issuer(mixed.url)], NOW)["https://login.example/"]
            assert kept["kid"] == KEY.id
            assert "d" not in kept

    asyncio.run(run())


def test_a_key_that_its_issuer_takes_back_is_believed_no_longer() -> None:
    async def run() -> None:
        async with site(says(GOOD)) as rotating:
            keys, mine = ExternalKeys(client()), issuer(rotating.url)
            await keys.refresh([mine], NOW)
            rotating.serve = says(json.dumps(public_jwks([NEXT])).encode())
            await keys.refresh([mine], NOW + FETCH_EVERY_S)
            assert ids(keys, mine, NOW + FETCH_EVERY_S) == [NEXT.id]

    asyncio.run(run())


def test_however_often_it_is_due_an_issuer_is_asked_once_a_minute() -> None:
    async def run() -> None:
        async with site(says(b"garbage")) as broken:
            keys, mine = ExternalKeys(client()), issuer(broken.url)
            for second in range(59):
                await keys.refresh([mine], NOW + second)
            assert broken.asked == ["/jwks"]
            await keys.refresh([mine], NOW + FETCH_EVERY_S)
            assert broken.asked == ["/jwks"] * 2

    asyncio.run(run())


def discovering(url: str) -> IssuerPolicy:
    """As a policy has it; only a test may discover over plain http."""
    return IssuerPolicy.model_construct(**IssuerPolicy(issuer=url, audience="orders").model_dump())


def test_where_the_keys_are_is_asked_of_the_issuer_once_an_hour() -> None:
    async def run() -> None:
        async with site(routed()) as login:
            metadata = json.dumps({"issuer": login.url, "jwks_uri": f"{login.url}/keys"}).encode()
            login.serve = routed(openid_configuration=metadata, keys=GOOD)
            keys, mine = ExternalKeys(client()), discovering(login.url)
            await keys.refresh([mine], NOW)
            await keys.refresh([mine], NOW + FETCH_EVERY_S)
            assert ids(keys, mine) == [KEY.id]
            assert login.asked == ["/.well-known/openid-configuration", "/keys", "/keys"]
            await keys.refresh([mine], NOW + METADATA_EVERY_S)
            assert login.asked[3:] == ["/.well-known/openid-configuration", "/keys"]

    asyncio.run(run())


def test_an_issuer_that_knows_only_the_oauth_form_is_found_too_and_one_that_moved_is_found_again() -> None:
    async def run() -> None:
        async with site(routed()) as login:
            places = {
                name: json.dumps({"issuer": login.url, "jwks_uri": f"{login.url}/{name}"}).encode()
                for name in ("old", "new")
            }
            login.serve = routed(oauth_authorization_server=places["old"], old=GOOD)
            keys, mine = ExternalKeys(client()), discovering(login.url)
            await keys.refresh([mine], NOW)
            assert ids(keys, mine) == [KEY.id]
            login.serve = routed(oauth_authorization_server=places["new"], new=json.dumps(public_jwks([NEXT])).encode())
            await keys.refresh([mine], NOW + FETCH_EVERY_S)
            await keys.refresh([mine], NOW + 2 * FETCH_EVERY_S)
            assert ids(keys, mine) == [NEXT.id]

    asyncio.run(run())


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example"},
        {"issuer": ""},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": 5},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "https://10.0.0.1/keys"},
    ],
)
def test_metadata_of_another_issuer_or_that_lead_inside_bring_no_keys(change: dict[str, object]) -> None:
    async def run() -> None:
        async with site(routed()) as login:
            metadata = {"issuer": login.url, "jwks_uri": f"{login.url}/keys", **change}
            login.serve = routed(openid_configuration=json.dumps(metadata).encode(), keys=GOOD)
            keys, mine = ExternalKeys(client()), discovering(login.url)
            await keys.refresh([mine], NOW)
            assert ids(keys, mine) == []
            assert "/keys" not in login.asked

    asyncio.run(run())


def test_a_name_that_leads_inside_is_not_asked() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["169.254.169.254"]

    async def run() -> None:
        keys = ExternalKeys(OutboundClient(resolve=resolve, allowed_networks=(ipaddress.ip_network("10.0.0.0/8"),)))
        mine = issuer("https://keys.example")
        await keys.refresh([mine], NOW)
        assert ids(keys, mine) == []

    asyncio.run(run())


def test_metadata_stand_where_the_standards_say() -> None:
    assert metadata_urls("https://login.example.com") == (
        "https://login.example.com/.well-known/openid-configuration",
        "https://login.example.com/.well-known/oauth-authorization-server",
    )
    assert (
        metadata_urls("https://login.example.com/a/b")[0]
        == "https://login.example.com/a/b/.well-known/openid-configuration"
    )
