"""Another provider that does not answer: nobody makes us ask it again and again, nor hold more than a few questions."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from doorward.identity.federation.asking import LOGINS_COUNT, SHUN_S, Asking
from doorward.identity.federation.policy import FederationPolicy
from doorward.outbound import OutboundClient, OutboundRefused

NOW = 1_800_000_000.0
ISSUER = "https://other.example"
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
    "response_types_supported": ["code"],
}
POLICY = FederationPolicy(name="other", title="Other", issuer=ISSUER, client_id="us")


@dataclass(frozen=True)
class Other(OutboundClient):
    """Answers with metadata once it is released, or then refuses."""

    answers: bool = False
    asked: list[str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self, url: str, *, accept: str = "application/json") -> bytes:
        self.asked.append(url)
        await self.release.wait()
        if not self.answers:
            raise OutboundRefused("it does not answer")
        return json.dumps(METADATA).encode()

    async def ask_form(self, url: str, fields: Mapping[str, str], headers: Mapping[str, str], *, answer: str) -> bytes:
        self.asked.append(url)
        await asyncio.Event().wait()
        return b""


def test_many_who_want_to_sign_in_there_make_us_ask_once_and_not_again_for_a_while() -> None:
    async def claim() -> None:
        other = Other()
        asking = Asking(POLICY, lambda: other)
        many = [asyncio.create_task(asking.metadata(NOW)) for _ in range(50)]
        await asyncio.sleep(0)
        assert len(other.asked) == 1
        other.release.set()
        told = await asyncio.gather(*many, return_exceptions=True)
        assert all(isinstance(each, OutboundRefused) for each in told)
        assert len(other.asked) == 1
        with pytest.raises(OutboundRefused, match="a moment ago"):
            await asking.metadata(NOW + SHUN_S - 1)
        with pytest.raises(OutboundRefused):
            await asking.metadata(NOW + SHUN_S)
        assert len(other.asked) == 2

    asyncio.run(claim())


def test_a_provider_that_answers_is_not_shunned() -> None:
    async def claim() -> None:
        other = Other(answers=True)
        other.release.set()
        asking = Asking(POLICY, lambda: other)
        assert (await asking.metadata(NOW)).jwks_uri == METADATA["jwks_uri"]
        assert asking._failed_at < NOW

    asyncio.run(claim())


def test_no_more_than_a_few_codes_are_being_exchanged() -> None:
    async def claim() -> None:
        other = Other(answers=True)
        other.release.set()
        asking = Asking(POLICY, lambda: other)
        tasks = [
            asyncio.create_task(asking.id_token("code", "v" * 43, f"{ISSUER}/back", NOW, network=f"10.0.{n}.0/24"))
            for n in range(3 * LOGINS_COUNT)
        ]
        for _ in range(10):
            await asyncio.sleep(0)
        assert other.asked.count(f"{ISSUER}/token") == LOGINS_COUNT
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(claim())
