"""Keys of clients fetched from where they keep them: as seldom as ID-31 wants, bounded, the last good set kept."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import pytest
from tests.identity.relying_party import AUTHORITY
from tests.loopback import server_tls, serving

from doorward.errors import PolicyError
from doorward.identity.client_keys import (
    FETCH_EVERY_S,
    FETCHES_COUNT,
    FRESH_S,
    KEEP_S,
    ClientKeys,
    require_keys_url,
)
from doorward.identity.oauth_errors import OAuthError
from doorward.jose import KEY_COUNT, PublicKey, generate_key, public_jwks
from doorward.outbound import OutboundClient, OutboundRefused

FIRST, SECOND = generate_key("ES256").public, generate_key("ES256").public
NOW = 1_800_000_000.0


class Place:
    """A client's own server, and how often it was asked."""

    def __init__(self) -> None:
        self.asked_count = 0
        self.url = ""
        self.publish(FIRST)

    def publish(self, *keys: PublicKey) -> None:
        self.status, self.body = 200, json.dumps(public_jwks(keys)).encode()


@contextmanager
def served(*, tls: bool = False) -> Iterator[Place]:
    """`tls`: with a certificate that `relying_party.trusting_client` believes."""
    place = Place()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place.asked_count += 1
            self.send_response(place.status)
            self.send_header("content-length", str(len(place.body)))
            self.end_headers()
            self.wfile.write(place.body)

        def log_message(self, *_given: object) -> None:
            return

    with serving(Handler, server_tls(AUTHORITY) if tls else None) as port:
        place.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/jwks"
        yield place


@pytest.fixture
def place() -> Iterator[Place]:
    with served() as found:
        yield found


def keys(*, inside: bool = True) -> ClientKeys:
    return ClientKeys(lambda: OutboundClient(insecure_loopback_http=inside))


def find(known: ClientKeys, place: Place, wanted: PublicKey, now: float) -> str:
    def chosen(found: Iterable[PublicKey]) -> PublicKey | None:
        return next((key for key in found if key.id == wanted.id), None)

    return asyncio.run(known.find("bank", (), place.url, chosen, now=now)).id


def test_a_set_is_fetched_once_and_used_while_it_is_fresh(place: Place) -> None:
    known = keys()
    for now in (NOW, NOW + 1, NOW + FRESH_S - 1):
        assert find(known, place, FIRST, now) == FIRST.id
    assert place.asked_count == 1


def test_an_unknown_key_leads_to_one_fetch_a_minute(place: Place) -> None:
    """ID-31."""
    known = keys()
    find(known, place, FIRST, NOW)
    for second in range(1, 60):
        with pytest.raises(OAuthError):
            find(known, place, SECOND, NOW + second)
    assert place.asked_count == 1
    place.publish(FIRST, SECOND)
    assert find(known, place, SECOND, NOW + FETCH_EVERY_S) == SECOND.id
    assert place.asked_count == 2


def test_a_key_taken_away_is_believed_no_longer_than_five_minutes(place: Place) -> None:
    known = keys()
    find(known, place, FIRST, NOW)
    place.publish(SECOND)
    with pytest.raises(OAuthError):
        find(known, place, FIRST, NOW + FRESH_S)


@pytest.mark.parametrize("body", [b"", b'{"keys":[]}', b'{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}', b"[" * 100_000])
def test_nonsense_keeps_the_last_good_set_for_a_day(place: Place, body: bytes) -> None:
    known = keys()
    find(known, place, FIRST, NOW)
    place.body = body
    assert find(known, place, FIRST, NOW + KEEP_S) == FIRST.id
    with pytest.raises(OAuthError):
        find(known, place, FIRST, NOW + KEEP_S + FETCH_EVERY_S)
    assert place.asked_count == 3


def test_too_many_keys_are_none(place: Place) -> None:
    place.publish(*[FIRST] * (KEY_COUNT + 1))
    with pytest.raises(OAuthError):
        find(keys(), place, FIRST, NOW)


def test_nothing_is_fetched_from_inside_unless_the_operator_says_so(place: Place) -> None:
    with pytest.raises(OAuthError):
        find(keys(inside=False), place, FIRST, NOW)
    assert place.asked_count == 0


def test_many_at_once_fetch_once(place: Place) -> None:
    known = keys()

    async def all_at_once() -> None:
        await asyncio.gather(
            *(known.find("bank", (), place.url, lambda found: next(iter(found), None), now=NOW) for _ in range(8))
        )

    asyncio.run(all_at_once())
    assert place.asked_count == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://client.example/jwks",
        "https://user@client.example/jwks",
        "https:///jwks",
        "https://client.example/jwks#x",
        "https://client.example/j wks",
        "file:///etc/passwd",
        "https://[::1/jwks",
        "https://[client]/jwks",
        "https://client.example:99999/jwks",
        "https://client.example/" + "j" * 1024,
    ],
)
def test_a_place_that_is_none_is_not_registered(url: str) -> None:
    with pytest.raises(PolicyError):
        require_keys_url(url)
    assert require_keys_url("https://client.example/jwks.json")


def test_a_client_that_moves_its_keys_again_and_again_has_us_fetch_no_oftener(place: Place) -> None:
    """One that registered itself may change its URL as often as it likes."""
    known, first = keys(), place.url
    find(known, place, FIRST, NOW)
    for second in range(1, 60):
        place.url = f"{first}?{second}"
        with pytest.raises(OAuthError):
            find(known, place, FIRST, NOW + second)
    assert place.asked_count == 1
    assert find(known, place, FIRST, NOW + FETCH_EVERY_S) == FIRST.id


@dataclass(frozen=True)
class Tarpits(OutboundClient):
    """Places of which some never answer, until they are told to; which were asked."""

    asked: list[str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self, url: str, *, accept: str = "application/json") -> bytes:
        self.asked.append(url)
        if "tarpit" in url:
            await self.release.wait()
            raise OutboundRefused("it never answers")
        return json.dumps(public_jwks([FIRST])).encode()


def test_places_that_never_answer_keep_nobody_waiting_whose_place_does() -> None:
    async def claim() -> None:
        places = Tarpits()
        known = ClientKeys(lambda: places)

        async def of(client: str, host: str, now: float) -> PublicKey:
            return await known.find(client, (), f"https://{host}/jwks", lambda found: next(iter(found), None), now=now)

        assert (await of("bank", "bank.example", NOW)).id == FIRST.id
        held = [asyncio.create_task(of(f"held{n}", f"{n}.tarpit.example", NOW)) for n in range(100)]
        await asyncio.sleep(0)
        async with asyncio.timeout(2):
            assert (await of("bank", "bank.example", NOW + FRESH_S)).id == FIRST.id
        assert places.asked.count("https://bank.example/jwks") == 2
        assert len([url for url in places.asked if "tarpit" in url]) == FETCHES_COUNT
        places.release.set()
        told = await asyncio.gather(*held, return_exceptions=True)
        assert all(isinstance(each, OAuthError) for each in told)

    asyncio.run(claim())


def test_a_place_that_never_answers_is_asked_ever_more_seldom() -> None:
    async def claim() -> None:
        places = Tarpits()
        places.release.set()
        known = ClientKeys(lambda: places)
        for second in range(0, 24 * 3600, 60):
            with pytest.raises(OAuthError):
                await known.find("held", (), "https://tarpit.example/jwks", lambda _: None, now=NOW + second)
        assert len(places.asked) < 35

    asyncio.run(claim())
