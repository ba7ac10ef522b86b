"""Clients told of ended sessions: statement ID-61 of the reference, and OpenID Connect Back-Channel Logout 1.0."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import OperationalError
from tests.identity.lab import CALLBACK, ISSUER, KEY, PASSWORD, Lab, Visitor
from tests.identity.relying_party import RelyingParty, trusting_client

from doorward.errors import PolicyError
from doorward.identity.clients import add_client, disable_client
from doorward.identity.events import events_of
from doorward.identity.key_ring import KeyRing
from doorward.identity.logout_notices import LEASE_S, WAITS_S, take_due
from doorward.identity.oauth.backchannel import EVENT, BackChannel
from doorward.identity.tidying import tidy
from doorward.identity.users import add_user, disable_user
from doorward.jose import Expected, JoseError, generate_key, split_unverified, verify_jwt, verify_signature
from doorward.outbound import OutboundClient
from doorward.store import Store, clients, logout_notices

ED25519 = generate_key("EdDSA")


@pytest.fixture
def lab(store: Store) -> Lab:
    found = Lab(store)
    with_channel(found, "web", "https://web.example/backchannel")
    return found


def with_channel(lab: Lab, client: str, url: str) -> None:
    with lab.store.begin() as connection:
        connection.execute(update(clients).where(clients.c.name == client).values(backchannel_logout_uri=url))


def waiting(lab: Lab) -> list[tuple[str, str]]:
    with lab.store.begin() as connection:
        rows = connection.execute(select(logout_notices).order_by(logout_notices.c.client)).all()
    return [(row.client, row.user) for row in rows]


def back_channel(lab: Lab, client: OutboundClient | None = None) -> BackChannel:
    chosen = client or trusting_client()
    ring = KeyRing.of([KEY, ED25519])
    return BackChannel(
        lab.store,
        key=lambda algorithm: ring.signer(lab.now, algorithm),
        issuer=ISSUER,
        client=lambda: chosen,
        clock=lambda: lab.now,
    )


def deliver(lab: Lab, party: RelyingParty, rounds: int = 1) -> int:
    async def run() -> int:
        async with party.serving():
            with_channel(lab, "web", party.url)
            return sum([await back_channel(lab).deliver() for _ in range(rounds)])

    return asyncio.run(run())


def signed_in(lab: Lab, client: str = "web", **fields: str) -> tuple[Visitor, dict[str, Any]]:
    visitor = lab.visitor().signed_in()
    return visitor, lab.redeem(visitor.authorized(client, **fields), client).json()


def sid(tokens: dict[str, Any]) -> str:
    return str(verify_signature(split_unverified(tokens["id_token"]), KEY.public)["sid"])


def sign_out(visitor: Visitor) -> None:
    visitor.get("/account")
    visitor.send("/auth/logout")


def test_a_client_is_told_of_the_very_session_by_a_typed_token_without_nonce(lab: Lab) -> None:
    """ID-61."""
    visitor, tokens = signed_in(lab)
    sign_out(visitor)
    party = RelyingParty()
    assert deliver(lab, party) == 1
    (form,) = party.forms
    assert set(form) == {"logout_token"}
    (token,) = party.tokens
    expected = Expected(issuer=ISSUER, audience="web", types=frozenset({"logout+jwt"}))
    claims = verify_jwt(split_unverified(token), KEY.public, expected, now=lab.now)
    assert claims["sid"] == sid(tokens)
    assert claims["sub"] == "alice"
    assert claims["events"] == {EVENT: {}}
    assert "nonce" not in claims
    assert claims["exp"] - claims["iat"] == 120
    assert waiting(lab) == []


def test_a_logout_token_is_signed_as_the_clients_id_tokens_are(lab: Lab) -> None:
    """Back-Channel Logout 1.0 section 2.6: a client takes no other, and its session would go on."""
    party = RelyingParty()
    for algorithm in ("EdDSA", "PS256"):
        visitor, _ = signed_in(lab)
        with lab.store.begin() as connection:
            connection.execute(update(clients).where(clients.c.name == "web").values(id_token_algorithm=algorithm))
        sign_out(visitor)
        assert deliver(lab, party) == 1
        with lab.store.begin() as connection:
            connection.execute(update(clients).values(id_token_algorithm=None))
    (token,) = party.tokens
    assert verify_signature(split_unverified(token), ED25519.public)["sub"] == "alice"
    assert waiting(lab) == [("web", "alice")], "a key of that algorithm may come yet"


def test_a_logout_token_is_neither_an_access_token_nor_an_id_token(lab: Lab) -> None:
    """ID-29: typ is compared, everywhere."""
    visitor, _ = signed_in(lab)
    sign_out(visitor)
    party = RelyingParty()
    deliver(lab, party)
    (token,) = party.tokens
    assert lab.ask("GET", "/oauth/userinfo", headers={"authorization": f"Bearer {token}"}).status_code == 401
    assert "may not" in lab.visitor().get("/oauth/logout", id_token_hint=token).text
    for typ in ("at+jwt", "jwt"):
        expected = Expected(issuer=ISSUER, audience="web", types=frozenset({typ}))
        with pytest.raises(JoseError):
            verify_jwt(split_unverified(token), KEY.public, expected, now=lab.now)


def _kill_elsewhere(lab: Lab, _visitor: Visitor) -> None:
    other = lab.visitor().signed_in()
    other.send("/account/sessions", session="others")


def _change_password_elsewhere(lab: Lab, _visitor: Visitor) -> None:
    other = lab.visitor().signed_in()
    assert "is changed" in other.send("/account/password", current=PASSWORD, password="seven purple kettles hum").text


def _disable(lab: Lab, _visitor: Visitor) -> None:
    disable_user(lab.store, "alice", now=lab.now)


def _log_out_by_client(lab: Lab, visitor: Visitor) -> None:
    visitor.get("/oauth/logout", client_id="web")
    visitor.send("/auth/end-session")


def _other_user_signs_in_here(lab: Lab, visitor: Visitor) -> None:
    add_user(lab.store, "bob", now=lab.now, password=PASSWORD)
    visitor.page = None
    visitor.sign_in(name="bob")


@pytest.mark.parametrize(
    "end", [_kill_elsewhere, _change_password_elsewhere, _disable, _log_out_by_client, _other_user_signs_in_here]
)
def test_every_way_a_session_ends_is_told(lab: Lab, end: Callable[[Lab, Visitor], None]) -> None:
    visitor, tokens = signed_in(lab)
    end(lab, visitor)
    assert waiting(lab) == [("web", "alice")]
    assert lab.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_signing_in_again_in_the_same_browser_is_no_end(lab: Lab) -> None:
    visitor, tokens = signed_in(lab)
    visitor.page = None
    before = visitor.cookies["__Host-doorward-session"]
    visitor.sign_in()
    assert visitor.cookies["__Host-doorward-session"] != before
    assert waiting(lab) == []
    again = lab.redeem(visitor.authorized("web")).json()
    assert sid(again) == sid(tokens)
    sign_out(visitor)
    assert waiting(lab) == [("web", "alice")]


def test_only_clients_that_got_an_id_token_in_it_and_want_to_know_are_told(lab: Lab) -> None:
    with_channel(lab, "own", "https://own.example/backchannel")
    visitor, _ = signed_in(lab)
    lab.redeem(visitor.authorized("own", scope="orders:read"), "own")
    lab.redeem(visitor.authorized("spa"), "spa")
    sign_out(visitor)
    assert waiting(lab) == [("web", "alice")]


def test_a_client_that_is_gone_is_told_nothing(lab: Lab) -> None:
    visitor, _ = signed_in(lab)
    sign_out(visitor)
    disable_client(lab.store, "web", now=lab.now)
    party = RelyingParty()
    assert deliver(lab, party) == 0
    assert (party.forms, waiting(lab)) == ([], [])


@pytest.mark.parametrize("status", [301, 400, 500])
def test_a_client_that_fails_is_told_again_a_few_times_and_then_given_up(lab: Lab, status: int) -> None:
    visitor, _ = signed_in(lab)
    sign_out(visitor)
    party = RelyingParty(status)
    for wait_s in WAITS_S:
        assert deliver(lab, party, rounds=2) == 1
        lab.now += wait_s
    assert deliver(lab, party) == 1
    assert waiting(lab) == []
    ids = {verify_signature(split_unverified(token), KEY.public)["jti"] for token in party.tokens}
    assert len(ids) == len(party.forms) == len(WAITS_S) + 1
    assert "logout.undelivered" in {event.kind for event in events_of(lab.store, "alice")}


def test_a_client_that_comes_back_is_told(lab: Lab) -> None:
    visitor, _ = signed_in(lab)
    sign_out(visitor)
    party = RelyingParty(503)
    deliver(lab, party)
    party.status = 204
    lab.now += WAITS_S[0]
    assert deliver(lab, party) == 1
    assert waiting(lab) == []


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1:9/x", "https://169.254.169.254/latest", "https://[::ffff:10.0.0.1]/", "https://10.0.0.1/"],
)
def test_an_address_inside_is_never_asked(lab: Lab, url: str) -> None:
    with_channel(lab, "web", url)
    visitor, _ = signed_in(lab)
    sign_out(visitor)
    assert asyncio.run(back_channel(lab, OutboundClient()).deliver()) == 1
    assert waiting(lab) == [("web", "alice")]


@pytest.mark.parametrize("url", ["https://app..example/x", f"https://{'a' * 64}.example/", "https://192.0.2.1:99999/x"])
def test_an_address_that_leads_nowhere_does_not_stop_the_deliverer(lab: Lab, url: str) -> None:
    with_channel(lab, "web", url)
    visitor, _ = signed_in(lab)
    sign_out(visitor)
    assert asyncio.run(back_channel(lab, OutboundClient()).deliver()) == 1
    assert waiting(lab) == [("web", "alice")]


def test_a_store_that_fails_during_a_delivery_does_not_stop_the_deliverer(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, _ = signed_in(lab)
    sign_out(visitor)
    looked, gone_on = list[int](), asyncio.Event()

    def fail(*_given: Any, **_more: Any) -> None:
        raise OperationalError("UPDATE", {}, ConnectionError("gone"))

    class Watched(BackChannel):
        async def deliver(self) -> int:
            looked.append(1)
            if len(looked) == 2:
                gone_on.set()
            return await super().deliver()

    monkeypatch.setattr("doorward.identity.logout_notices.failed", fail)
    monkeypatch.setattr("doorward.identity.delivering.LOOK_S", 0.0)
    channel = Watched(lab.store, key=lambda _: KEY, issuer=ISSUER, client=OutboundClient, clock=lambda: lab.now)
    with_channel(lab, "web", "https://10.0.0.1/")

    async def run() -> None:
        task = asyncio.ensure_future(channel.run())
        going_on = asyncio.ensure_future(gone_on.wait())
        await asyncio.wait({task, going_on}, return_when=asyncio.FIRST_COMPLETED)
        assert not task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example/x",
        "https://app.example/x#f",
        "https://u@app.example/",
        "/x",
        "javascript:1",
        "https:",
        "https://[::1/",
        "https://[app]/",
        "https://app.example:99999/",
    ],
)
def test_an_address_that_is_no_plain_https_url_cannot_be_registered(lab: Lab, url: str) -> None:
    with pytest.raises(PolicyError):
        add_client(lab.store, "other", now=lab.now, redirect_uris=[CALLBACK], backchannel_logout_uri=url)


def test_a_silent_client_does_not_keep_others_from_being_told(lab: Lab) -> None:
    with_channel(lab, "own", "https://own.example/backchannel")
    for _ in range(6):
        visitor, _ = signed_in(lab, "own")
        sign_out(visitor)
    visitor, _ = signed_in(lab, "web")
    sign_out(visitor)
    taken = [notice.client for notice in take_due(lab.store, now=lab.now)]
    assert sorted(taken) == ["own"] * 4 + ["web"]


def test_parallel_deliverers_tell_each_client_once(lab: Lab) -> None:
    for _ in range(4):
        visitor, _ = signed_in(lab)
        sign_out(visitor)
    gate = threading.Barrier(8)

    def take(_number: int) -> list[str]:
        gate.wait()
        return [notice.id for notice in take_due(lab.store, now=lab.now)]

    with ThreadPoolExecutor(8) as pool:
        taken = [name for names in pool.map(take, range(8)) for name in names]
    assert len(taken) == len(set(taken)) == 4


def test_what_a_dead_deliverer_took_comes_back(lab: Lab) -> None:
    visitor, _ = signed_in(lab)
    sign_out(visitor)
    assert len(take_due(lab.store, now=lab.now)) == 1
    assert take_due(lab.store, now=lab.now + LEASE_S - 1) == []
    assert len(take_due(lab.store, now=lab.now + LEASE_S)) == 1


def test_signing_out_while_a_code_is_redeemed_leaves_no_token_untold(lab: Lab) -> None:
    for _ in range(6):
        visitor = lab.visitor().signed_in()
        code = visitor.authorized("web")
        visitor.get("/account")
        gate = threading.Barrier(2)

        def redeem(gate: threading.Barrier = gate, code: str = code) -> Any:
            gate.wait()
            return lab.redeem(code).json()

        def leave(gate: threading.Barrier = gate, visitor: Visitor = visitor) -> Any:
            gate.wait()
            return visitor.send("/auth/logout")

        told = len(waiting(lab))
        with ThreadPoolExecutor(2) as pool:
            redeemed, _ = pool.submit(redeem), pool.submit(leave)
        tokens = redeemed.result()
        assert (len(waiting(lab)) > told) == ("access_token" in tokens)
        if "refresh_token" in tokens:
            assert lab.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_notices_do_not_stay_for_ever(lab: Lab) -> None:
    visitor, _ = signed_in(lab)
    sign_out(visitor)
    tidy(lab.store, now=lab.now + 86_400)
    assert waiting(lab) == []


def test_many_clients_that_do_not_answer_keep_none_from_being_told(lab: Lab) -> None:
    for number in range(20):
        name = f"dyn-{number}"
        add_client(lab.store, name, now=lab.now, redirect_uris=[CALLBACK], backchannel_logout_uri="https://x.example/")
        row = {"client": name, "user": "alice", "session": "s", "attempts": 0, "created_at": 0.0, "next_at": 0.0}
        with lab.store.begin() as connection:
            connection.execute(insert(logout_notices), [{"id": f"{name}-{each}", **row} for each in range(4)])
    visitor, _ = signed_in(lab)
    sign_out(visitor)
    assert "web" in {notice.client for notice in take_due(lab.store, now=lab.now)}
