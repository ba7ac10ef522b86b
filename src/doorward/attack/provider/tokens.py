"""Attacks on codes and tokens: replay, theft, downgrade, redirection, guessing; and the clients that do it right."""

from typing import Final

from doorward.attack.provider.browser import sent_back
from doorward.attack.provider.case import LoginAttack
from doorward.attack.provider.site import CALLBACK, ProviderSite
from doorward.attack.wire import Answer

_TRICKS: Final = (
    "https://app.example/callback/",
    "https://app.example/callback/../callback",
    "https://app.example/callback?next=https://evil.example",
    "https://app.example/callback#x",
    "https://app.example/%63allback",
    "https://app.example@evil.example/callback",
    "https://app.example.evil.example/callback",
    "https://app.example:443/callback",
    "http://app.example/callback",
    "https://APP.example/callback",
    "https://app.example/callback%0d%0aset-cookie:a=b",
    "//evil.example/callback",
    "javascript:alert(1)",
)


def _refresh_replayed(site: ProviderSite) -> str:
    stolen = site.tokens(site.signed_in("dave"))["refresh_token"]
    second = _member(site.refresh(stolen), "refresh_token")
    third = _member(site.refresh(second), "refresh_token")
    held = _member(site.refresh(stolen), "access_token")
    return held or _member(site.refresh(third), "access_token")


def _refreshed(site: ProviderSite) -> str:
    token = site.tokens(site.signed_in("dave"))["refresh_token"]
    for _ in range(3):
        answer = site.refresh(token)
        token = _member(answer, "refresh_token")
        if not token:
            return _said(answer)
    return ""


def _code_replayed(site: ProviderSite) -> str:
    code = site.code(site.signed_in("dave"))
    first = _member(site.redeem(code), "access_token")
    held = _member(site.redeem(code), "access_token")
    # whoever was first may have been the thief: what came of the code is void
    return held or ("" if site.is_void_soon(first) else "the tokens of the first use")


def _redeemed(site: ProviderSite) -> str:
    token = _member(site.redeem(site.code(site.signed_in("dave"))), "access_token")
    return "" if token and site.is_taken(token) else "no token the gateway takes"


def _injected(site: ProviderSite) -> str:
    return _member(site.redeem(site.code(site.signed_in("dave")), client="other"), "access_token")


def _without_challenge(site: ProviderSite) -> str:
    browser = site.signed_in("dave")
    code = site.code(browser, code_challenge="", code_challenge_method="")
    return _member(site.redeem(code, code_verifier=""), "access_token") if code else ""


def _plain_challenge(site: ProviderSite) -> str:
    browser = site.signed_in("dave")
    code = site.code(browser, code_challenge="v" * 43, code_challenge_method="plain")
    return _member(site.redeem(code), "access_token") if code else ""


def _wrong_verifier(site: ProviderSite) -> str:
    return _member(site.redeem(site.code(site.signed_in("dave")), code_verifier="w" * 43), "access_token")


def _redirected(site: ProviderSite) -> str:
    browser = site.signed_in("erin")
    for uri in _TRICKS:
        site.code(browser, redirect_uri=uri)
        if browser.page.header("location") is not None:
            return f"a redirect for {uri}"
    return ""


def _sent_back(site: ProviderSite) -> str:
    code = site.code(site.signed_in("erin"))
    return "" if code else "no code for the registered URI"


def _doubled(site: ProviderSite) -> str:
    browser = site.signed_in("erin")
    site.code(browser)
    rest = f"response_type=code&redirect_uri={CALLBACK}&code_challenge={'c' * 43}&code_challenge_method=S256"
    answer = browser.get(f"/oauth/authorize?client_id=spa&client_id=other&{rest}")
    return "a code" if sent_back(answer, CALLBACK).get("code") else ""


def _stolen_token(site: ProviderSite) -> str:
    browser = site.signed_in("dave")
    token = site.tokens(browser)["access_token"]
    browser.get("/account")
    browser.send("/auth/logout")
    return "" if site.is_void_soon(token) else "a token that outlives its session"


def _own_token(site: ProviderSite) -> str:
    token = site.tokens(site.signed_in("dave"))["access_token"]
    return "" if site.is_taken(token) else "a token that is refused"


def _guessed_secret(site: ProviderSite) -> str:
    for number in range(10):
        _as_client(site, "web", f"guess{number}")
    return _member(_as_client(site, "web", site.secrets["web"]), "access_token")


def _own_secret(site: ProviderSite) -> str:
    answer = _as_client(site, "batch", site.secrets["batch"])
    return "" if _member(answer, "access_token") else _said(answer)


def _as_client(site: ProviderSite, name: str, secret: str) -> Answer:
    # one address: guesses at a client are counted by both
    fields = {"grant_type": "client_credentials", "client_id": name, "client_secret": secret, "scope": ""}
    return site.browser("203.0.113.99").post("/oauth/token", fields)


def _member(answer: Answer, name: str) -> str:
    found = answer.json
    return str(found.get(name, "")) if isinstance(found, dict) else ""


def _said(answer: Answer) -> str:
    return f"{answer.status} {_member(answer, 'error')}".strip()


TOKENS: Final = (
    LoginAttack(
        id="token.refresh_replay",
        name="use a stolen refresh token after its owner did",
        earns="invalid_grant",
        source="RFC 9700 4.14.2; Keycloak CVE-2026-1035",
        attack=_refresh_replayed,
        twin=_refreshed,
    ),
    LoginAttack(
        id="token.code_replay",
        name="redeem a code a second time",
        earns="invalid_grant",
        source="RFC 6749 4.1.2; OAuth 2.1 4.1.3",
        attack=_code_replayed,
        twin=_redeemed,
    ),
    LoginAttack(
        id="token.code_injection",
        name="redeem another client's code",
        earns="invalid_grant",
        source="RFC 9700 4.5",
        attack=_injected,
        twin=_redeemed,
    ),
    LoginAttack(
        id="token.without_challenge",
        name="leave PKCE away",
        earns="invalid_request",
        source="RFC 9700 4.8 PKCE downgrade",
        attack=_without_challenge,
        twin=_redeemed,
    ),
    LoginAttack(
        id="token.plain_challenge",
        name="use PKCE with the verifier in plain sight",
        earns="invalid_request",
        source="RFC 7636 7.2",
        attack=_plain_challenge,
        twin=_redeemed,
    ),
    LoginAttack(
        id="token.wrong_verifier",
        name="redeem a stolen code without its verifier",
        earns="invalid_grant",
        source="RFC 7636 4.6",
        attack=_wrong_verifier,
        twin=_redeemed,
    ),
    LoginAttack(
        id="token.redirection",
        name="have the code sent elsewhere, in thirteen spellings",
        earns="a page",
        source="RFC 9700 4.1; OAuth 2.1 2.3.1",
        attack=_redirected,
        twin=_sent_back,
    ),
    LoginAttack(
        id="token.doubled_parameter",
        name="name two clients in one request",
        earns="invalid_request",
        source="RFC 6749 3.1; Keycloak CVE-2026-9689",
        attack=_doubled,
        twin=_sent_back,
    ),
    LoginAttack(
        id="token.stolen_token",
        name="use a stolen access token after its owner signed out",
        earns="authenticate.token_revoked",
        source="OWASP ASVS 5.0 7.4.1; CWE-613",
        attack=_stolen_token,
        twin=_own_token,
    ),
    LoginAttack(
        id="token.guessed_secret",
        name="guess a client's secret",
        earns="429",
        source="RFC 6749 2.3.1; OWASP ASVS 5.0 6.3.1",
        attack=_guessed_secret,
        twin=_own_secret,
    ),
)
