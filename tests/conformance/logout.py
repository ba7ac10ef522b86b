"""OpenID Connect: logout by the client, by the back channel, by the front channel, and session management."""

import asyncio
from typing import Any

from sqlalchemy import update
from tests.conformance.ground import Ground, landed
from tests.conformance.scorecard import module, not_applicable
from tests.identity.lab import KEY, Visitor
from tests.identity.relying_party import RelyingParty, trusting_client

from doorward.identity.oauth.backchannel import BackChannel
from doorward.jose import Expected, encode_segment, generate_key, sign_jwt, split_unverified, verify_jwt
from doorward.store import clients

_BYE = "https://app.example/bye"
_R = "oidcc-rp-initiated-logout"


def _register(ground: Ground, **columns: Any) -> None:
    with ground.store.begin() as connection:
        connection.execute(update(clients).where(clients.c.name == "web").values(**columns))


def _signed_in(ground: Ground) -> tuple[Visitor, str]:
    """A person at the client, and the client's ID token."""
    _register(ground, post_logout_redirect_uris=[_BYE])
    visitor = ground.person()
    return visitor, ground.whole(visitor)["id_token"]


def _is_signed_in(visitor: Visitor) -> bool:
    return "error" not in landed(visitor.ask_authorization(prompt="none"))


def _not_sent(visitor: Visitor, **fields: str) -> None:
    """The request redirects nowhere; the person may still sign out by the page's button."""
    answer = visitor.get("/oauth/logout", **fields)
    assert "location" not in answer.headers
    assert _BYE not in answer.text
    visitor.page = answer
    assert "Signed out" in visitor.send("/auth/end-session").text
    assert not _is_signed_in(visitor)


@module(f"{_R}-discovery-endpoint-verification")
def discovery(ground: Ground) -> None:
    """Metadata have end_session_endpoint."""
    assert ground.metadata()["end_session_endpoint"] == f"{ground.issuer}/oauth/logout"


@module(_R)
def logout(ground: Ground) -> None:
    """Logs out, redirects to post_logout_redirect_uri; prompt=none afterwards fails."""
    visitor, hint = _signed_in(ground)
    answer = visitor.get("/oauth/logout", id_token_hint=hint, post_logout_redirect_uri=_BYE, state="s-1")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{_BYE}?state=s-1")
    assert landed(visitor.ask_authorization(prompt="none"))["error"] == "login_required"


@module(f"{_R}-bad-post-logout-redirect-uri")
def bad_destination(ground: Ground) -> None:
    """Unregistered post_logout_redirect_uri: no redirect."""
    visitor, hint = _signed_in(ground)
    _not_sent(visitor, id_token_hint=hint, post_logout_redirect_uri="https://evil.example/bye")


@module(f"{_R}-modified-id-token-hint")
def modified_hint(ground: Ground) -> None:
    """id_token_hint changed to alg none: no redirect."""
    visitor, hint = _signed_in(ground)
    head = encode_segment(b'{"alg":"none","typ":"JWT"}').decode()
    unsigned = f"{head}.{hint.split('.')[1]}."
    _not_sent(visitor, id_token_hint=unsigned, post_logout_redirect_uri=_BYE)


@module(f"{_R}-no-id-token-hint")
def no_hint(ground: Ground) -> None:
    """post_logout_redirect_uri without a hint: no redirect."""
    visitor, _ = _signed_in(ground)
    _not_sent(visitor, post_logout_redirect_uri=_BYE)


@module(f"{_R}-no-params", note="after the person confirms: a link on another site must not sign people out")
def no_parameters(ground: Ground) -> None:
    """No parameters: logs out, shows a page."""
    visitor, _ = _signed_in(ground)
    _not_sent(visitor)


@module(f"{_R}-no-post-logout-redirect-uri")
def hint_only(ground: Ground) -> None:
    """Hint only: logs out, shows a page."""
    visitor, hint = _signed_in(ground)
    assert "Signed out" in visitor.get("/oauth/logout", id_token_hint=hint).text
    assert not _is_signed_in(visitor)


@module(f"{_R}-no-state")
def no_state(ground: Ground) -> None:
    """No state: redirects without state."""
    visitor, hint = _signed_in(ground)
    answer = visitor.get("/oauth/logout", id_token_hint=hint, post_logout_redirect_uri=_BYE)
    assert answer.headers["location"] == _BYE


@module(f"{_R}-only-state", note="after the person confirms")
def only_state(ground: Ground) -> None:
    """State only: logs out, shows a page."""
    visitor, _ = _signed_in(ground)
    _not_sent(visitor, state="s-1")


@module(f"{_R}-query-added-to-post-logout-redirect-uri")
def query_added(ground: Ground) -> None:
    """?foo=bar added to the registered URI: no redirect."""
    visitor, hint = _signed_in(ground)
    _not_sent(visitor, id_token_hint=hint, post_logout_redirect_uri=f"{_BYE}?foo=bar")


@module(f"{_R}-bad-id-token-hint")
def foreign_hint(ground: Ground) -> None:
    """Hint signed by someone else: no redirect."""
    visitor, hint = _signed_in(ground)
    forged = sign_jwt(generate_key("ES256"), dict(split_unverified(hint)._claims), "JWT")
    _not_sent(visitor, id_token_hint=forged, post_logout_redirect_uri=_BYE)


@module("oidcc-backchannel-logout-discovery-endpoint-verification")
def back_channel_discovery(ground: Ground) -> None:
    """Metadata have backchannel_logout_supported, backchannel_logout_session_supported, end_session_endpoint, sid."""
    told = ground.metadata()
    assert told["backchannel_logout_supported"] is told["backchannel_logout_session_supported"] is True
    assert told["end_session_endpoint"]
    assert "sid" in told["claims_supported"]


@module("oidcc-backchannel-rp-initiated-logout")
def back_channel(ground: Ground) -> None:
    """A valid logout token reaches backchannel_logout_uri; prompt=none afterwards fails."""
    party = RelyingParty()

    async def delivered() -> Visitor:
        async with party.serving():
            _register(ground, backchannel_logout_uri=party.url)
            visitor, hint = await asyncio.to_thread(_signed_in, ground)
            await asyncio.to_thread(visitor.get, "/oauth/logout", id_token_hint=hint)
            outbound = trusting_client()
            channel = BackChannel(
                ground.store, key=lambda _: KEY, issuer=ground.issuer, client=lambda: outbound, clock=lambda: ground.now
            )
            assert await channel.deliver() == 1
            return visitor

    visitor = asyncio.run(delivered())
    expected = Expected(issuer=ground.issuer, audience="web", types=frozenset({"logout+jwt"}))
    claims = verify_jwt(split_unverified(party.tokens[0]), KEY.public, expected, now=ground.now)
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert "nonce" not in claims
    assert not _is_signed_in(visitor)


for _name, _summary, _reason in (
    (
        "oidcc-frontchannel-logout-discovery-endpoint-verification",
        "Metadata have the frontchannel members and end_session_endpoint.",
        "front-channel logout is not offered: browsers keep cookies from frames of other sites; the back channel is",
    ),
    (
        "oidcc-frontchannel-rp-initiated-logout",
        "frontchannel_logout_uri is loaded; prompt=none afterwards fails.",
        "front-channel logout is not offered",
    ),
    (
        "oidcc-session-management-discovery-endpoint-verification",
        "Metadata have check_session_iframe and end_session_endpoint.",
        "session management is not offered: its frame needs cookies that browsers withhold, and pages that may be framed",
    ),
    (
        "oidcc-session-management-rp-initiated-logout",
        "The state of the login session in check_session_iframe changes on logout.",
        "session management is not offered",
    ),
):
    not_applicable(__name__, _name, _summary, _reason)
