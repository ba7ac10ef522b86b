"""OpenID Connect Core, Basic OP: code flow, `client_secret_basic`."""

from typing import Any

from tests.conformance.ground import Ground, landed, stayed, went_on
from tests.conformance.scorecard import module, not_applicable
from tests.identity.lab import CALLBACK, CHALLENGE, Visitor

from doorward.jose import split_unverified

_ASKED = {
    "client_id": "web",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid",
    "state": "s-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def _agreed(ground: Ground) -> Visitor:
    """A signed-in person who has agreed to everything before."""
    visitor = ground.person()
    visitor.authorized()
    return visitor


def _succeeds(ground: Ground, **asked: Any) -> dict[str, Any]:
    """The whole flow with this in the request."""
    tokens = ground.whole(**asked)
    assert ground.userinfo(tokens["access_token"])["sub"] == tokens["claims"]["sub"]
    return tokens


@module("oidcc-server")
def server(ground: Ground) -> None:
    """The whole code flow succeeds; ID token and UserInfo are valid."""
    tokens = _succeeds(ground)
    assert tokens["token_type"] == "Bearer"
    assert tokens["claims"]["nonce"] == "n-1"


@module("oidcc-response-type-missing")
def response_type_missing(ground: Ground) -> None:
    """Without response_type: unsupported_response_type or invalid_request."""
    back = landed(ground.visitor().ask_authorization(response_type=None))
    assert back["error"] in {"unsupported_response_type", "invalid_request"}
    assert back["state"] == "s-1"


@module(
    "oidcc-idtoken-signature",
    fails="a client that names no algorithm gets ES256; `kid` and key set are as asked for",
)
def idtoken_signature(ground: Ground) -> None:
    """A client that names no algorithm gets an ID token signed with RS256, with a kid of the key set."""
    token = ground.whole()["id_token"]
    assert split_unverified(token).jws.algorithm == "RS256"


@module("oidcc-idtoken-unsigned", note="`none` is offered nowhere, and nothing makes it appear")
def idtoken_unsigned(ground: Ground) -> None:
    """An ID token without signature is not to be had."""
    told = ground.metadata()
    assert "none" not in told["id_token_signing_alg_values_supported"]
    assert split_unverified(ground.whole(id_token_signed_response_alg="none")["id_token"]).jws.algorithm != "none"


@module("oidcc-userinfo-get")
def userinfo_get(ground: Ground) -> None:
    """UserInfo by GET with the token in the header."""
    _succeeds(ground)


@module("oidcc-userinfo-post-header")
def userinfo_post_header(ground: Ground) -> None:
    """UserInfo by POST with the token in the header."""
    tokens = ground.whole()
    answer = ground.ask("POST", "/oauth/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert answer.json()["sub"] == tokens["claims"]["sub"]


@module("oidcc-userinfo-post-body")
def userinfo_post_body(ground: Ground) -> None:
    """UserInfo by POST with the token in the form body."""
    tokens = ground.whole()
    assert ground.post("/oauth/userinfo", access_token=tokens["access_token"]).json()["sub"] == tokens["claims"]["sub"]


@module("oidcc-ensure-request-without-nonce-succeeds-for-code-flow")
def without_nonce(ground: Ground) -> None:
    """A code flow without nonce yields a code, and an ID token without one."""
    assert "nonce" not in _succeeds(ground, nonce=None)["claims"]


@module("oidcc-scope-profile")
def scope_profile(ground: Ground) -> None:
    """Scope profile is accepted; its claims come from UserInfo."""
    told = ground.userinfo(ground.whole(scope="openid profile")["access_token"])
    assert told == {"sub": "alice", "preferred_username": "alice", "name": "Alice Ling"}


@module("oidcc-scope-email")
def scope_email(ground: Ground) -> None:
    """Scope email is accepted; email comes from UserInfo."""
    told = ground.userinfo(ground.whole(scope="openid email")["access_token"])
    assert told == {"sub": "alice", "email": "alice@example.com"}


@module("oidcc-scope-address")
def scope_address(ground: Ground) -> None:
    """Scope address is accepted; the address comes from UserInfo, as an object."""
    told = ground.userinfo(ground.whole(scope="openid address")["access_token"])
    assert told == {"sub": "alice", "address": {"formatted": "1 Main Street"}}


@module("oidcc-scope-phone")
def scope_phone(ground: Ground) -> None:
    """Scope phone is accepted; phone_number comes from UserInfo."""
    told = ground.userinfo(ground.whole(scope="openid phone")["access_token"])
    assert told == {"sub": "alice", "phone_number": "+1 555 0100"}


@module("oidcc-scope-all")
def scope_all(ground: Ground) -> None:
    """Address, email, phone and profile together."""
    tokens = ground.whole(scope="openid address email phone profile")
    assert set(tokens["scope"].split()) == {"openid", "address", "email", "phone", "profile"}
    assert {"name", "email", "address", "phone_number"} < set(ground.userinfo(tokens["access_token"]))


@module("oidcc-alternate-happy-flow")
def alternate_happy_flow(ground: Ground) -> None:
    """Scopes and query parameters in another order: the same result."""
    visitor = _agreed(ground)
    visitor.get("/oauth/authorize", **dict(reversed((_ASKED | {"scope": "profile openid"}).items())))
    answer = visitor.send("/auth/consent", answer="allow")
    tokens = ground.traded(went_on(answer)["code"]).json()
    assert ground.userinfo(tokens["access_token"])["sub"] == "alice"


@module("oidcc-display-page")
def display_page(ground: Ground) -> None:
    """display=page causes no error."""
    _succeeds(ground, display="page")


@module("oidcc-display-popup")
def display_popup(ground: Ground) -> None:
    """display=popup causes no error."""
    _succeeds(ground, display="popup")


@module("oidcc-prompt-login")
def prompt_login(ground: Ground) -> None:
    """With prompt=login the user must log in again; auth_time is later."""
    visitor = _agreed(ground)
    first = ground.whole(visitor)["claims"]["auth_time"]
    ground.now += 2
    answer = visitor.follow(visitor.ask_authorization(prompt="login"))
    assert 'name="password"' in answer.text
    answer = visitor.follow(visitor.sign_in())
    assert ground.opened(ground.traded(went_on(answer)["code"]).json()["id_token"])["auth_time"] > first


@module("oidcc-prompt-none-not-logged-in")
def prompt_none_not_logged_in(ground: Ground) -> None:
    """prompt=none without a login session: login_required by redirect."""
    assert landed(ground.visitor().ask_authorization(prompt="none"))["error"] == "login_required"


@module("oidcc-prompt-none-logged-in")
def prompt_none_logged_in(ground: Ground) -> None:
    """prompt=none with a login session: no interaction, same sub and auth_time."""
    visitor = _agreed(ground)
    first = ground.whole(visitor)["claims"]
    ground.now += 2
    back = went_on(visitor.ask_authorization(prompt="none"))
    again = ground.opened(ground.traded(back["code"]).json()["id_token"])
    assert (again["sub"], again["auth_time"]) == (first["sub"], first["auth_time"])


@module("oidcc-max-age-1")
def max_age_1(ground: Ground) -> None:
    """Second request after more than a second with max_age=1: login again, auth_time present and later."""
    visitor = _agreed(ground)
    first = ground.whole(visitor)["claims"]["auth_time"]
    ground.now += 2
    visitor.follow(visitor.ask_authorization(max_age="1"))
    answer = visitor.follow(visitor.sign_in())
    assert ground.opened(ground.traded(went_on(answer)["code"]).json()["id_token"])["auth_time"] > first


@module("oidcc-max-age-10000")
def max_age_10000(ground: Ground) -> None:
    """max_age=10000 soon after login: no new login, same auth_time and sub."""
    visitor = _agreed(ground)
    first = ground.whole(visitor)["claims"]
    again = ground.opened(ground.traded(went_on(visitor.ask_authorization(max_age="10000"))["code"]).json()["id_token"])
    assert (again["sub"], again["auth_time"]) == (first["sub"], first["auth_time"])


@module("oidcc-ensure-request-with-unknown-parameter-succeeds")
def unknown_parameter(ground: Ground) -> None:
    """An unknown parameter is ignored."""
    _succeeds(ground, extra="foobar")


@module("oidcc-id-token-hint")
def id_token_hint(ground: Ground) -> None:
    """prompt=none with id_token_hint: succeeds at once, same sub."""
    visitor = _agreed(ground)
    first = ground.whole(visitor)
    back = went_on(visitor.ask_authorization(prompt="none", id_token_hint=first["id_token"]))
    assert ground.opened(ground.traded(back["code"]).json()["id_token"])["sub"] == first["claims"]["sub"]


@module("oidcc-login-hint")
def login_hint(ground: Ground) -> None:
    """login_hint causes no error."""
    _succeeds(ground, login_hint="alice")


@module("oidcc-ui-locales")
def ui_locales(ground: Ground) -> None:
    """ui_locales causes no error."""
    _succeeds(ground, ui_locales="se")


@module("oidcc-claims-locales")
def claims_locales(ground: Ground) -> None:
    """claims_locales causes no error."""
    _succeeds(ground, claims_locales="se")


@module("oidcc-ensure-request-with-acr-values-succeeds")
def acr_values(ground: Ground) -> None:
    """acr_values succeeds; the ID token carries one of them as acr when it is true."""
    wanted = ground.metadata()["acr_values_supported"]
    assert _succeeds(ground, acr_values=" ".join(wanted))["claims"]["acr"] in wanted


@module("oidcc-codereuse")
def codereuse(ground: Ground) -> None:
    """A code used twice at once: invalid_grant."""
    code = ground.person().authorized()
    assert ground.traded(code).status_code == 200
    assert ground.traded(code).json()["error"] == "invalid_grant"


@module("oidcc-codereuse-30seconds")
def codereuse_30seconds(ground: Ground) -> None:
    """A code used again after 30 s: invalid_grant, and the first access token is revoked."""
    code = ground.person().authorized()
    token = ground.traded(code).json()["access_token"]
    ground.now += 30
    assert ground.is_active(token)
    assert ground.traded(code).json()["error"] == "invalid_grant"
    assert not ground.is_active(token)


@module("oidcc-ensure-registered-redirect-uri")
def registered_redirect_uri(ground: Ground) -> None:
    """Unregistered redirect_uri: an error page, no redirect."""
    stayed(ground.visitor().ask_authorization(redirect_uri=f"{CALLBACK}/other"))


@module("oidcc-ensure-post-request-succeeds")
def post_request(ground: Ground) -> None:
    """An authorization request by POST succeeds."""
    visitor = _agreed(ground)
    answer = ground.ask("POST", "/oauth/authorize", visitor.cookies, data=_ASKED)
    assert ground.traded(went_on(answer)["code"]).status_code == 200


@module("oidcc-server-client-secret-post")
def client_secret_post(ground: Ground) -> None:
    """The whole flow with client_secret_post."""
    tokens = ground.tokens()
    assert ground.userinfo(tokens["access_token"])["sub"] == ground.opened(tokens["id_token"])["sub"]


@module("oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", note="refused")
def request_uri_unsigned(ground: Ground) -> None:
    """request_uri to an unsigned JWT: processed, or request_uri_not_supported."""
    answer = ground.person().ask_authorization(request_uri="https://app.example/request.jwt")
    assert landed(answer)["error"] == "request_uri_not_supported"
    assert ground.metadata()["request_uri_parameter_supported"] is False


@module("oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", note="refused")
def request_object_unsigned(ground: Ground) -> None:
    """An unsigned request object by value: processed, or request_not_supported; never silently ignored."""
    answer = ground.person().ask_authorization(request="eyJhbGciOiJub25lIn0.e30.")
    assert landed(answer)["error"] == "request_not_supported"


not_applicable(
    __name__,
    "oidcc-claims-essential",
    "The claims parameter asks for name as essential: success, name returned.",
    "the `claims` parameter is not offered and ignored (`claims_parameter_supported` is absent, so false); name comes "
    "with scope profile",
)


@module("oidcc-ensure-request-object-with-redirect-uri", note="refused before either is read")
def request_object_with_redirect_uri(ground: Ground) -> None:
    """Different redirect_uri inside and outside the request object: the inner one is used, or an error."""
    inner = "eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmkiOiJodHRwczovL2V2aWwuZXhhbXBsZS8ifQ."
    assert landed(ground.person().ask_authorization(request=inner))["error"] == "request_not_supported"
    stayed(ground.person().ask_authorization(request=inner, redirect_uri="https://evil.example/"))


@module("oidcc-refresh-token")
def refresh_token(ground: Ground) -> None:
    """A refresh works, and the token is bound to its client."""
    token = ground.whole()["refresh_token"]
    assert ground.refresh(token, "own").json()["error"] == "invalid_grant"
    again = ground.post("/oauth/token", headers=ground.basic(), grant_type="refresh_token", refresh_token=token)
    assert again.status_code == 200
    assert ground.userinfo(again.json()["access_token"])["sub"] == "alice"


@module("oidcc-ensure-request-with-valid-pkce-succeeds")
def valid_pkce(ground: Ground) -> None:
    """A request with valid PKCE succeeds."""
    _succeeds(ground)
