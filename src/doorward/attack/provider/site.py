"""A gateway with its identity provider, put up for attacks on logins: people, clients, and what is known of them."""

import base64
import contextlib
import hashlib
import itertools
import re
import shutil
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import orjson

from doorward.attack.gateway_process import GatewayProcess
from doorward.attack.provider.breaches import BreachService
from doorward.attack.provider.browser import Browser, sent_back
from doorward.attack.wire import Answer, Connection, Target, request_bytes
from doorward.identity.clients import add_client
from doorward.identity.enrolling import finish_totp, make_reset, start_totp
from doorward.identity.factors.totp import STEP_S, hotp, step_at
from doorward.identity.sealing import KEY_FILE, load_or_make_secret
from doorward.identity.users import add_user
from doorward.store import open_store

ISSUER: Final = "https://127.0.0.1:8444"
CALLBACK: Final = "https://app.example/callback"
VERIFIER: Final = "v" * 43
CHALLENGE: Final = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
SPRAYED: Final = "harbour-sunrise-2026-again"
"""The password somebody tries everywhere, and one person has."""
BREACHED: Final = "a long sentence that leaked elsewhere"
"""A password that no local rule has anything against."""
PEOPLE: Final = ("guessed", "honest", "sprayed", "stuffed", "carol", "dave", "erin", "frank", "grace")
SLOW_S: Final = 5.0
"""Longer than the provider waits for a head or a body here, in seconds."""
_DESCRIPTION: Final = Path(__file__).parents[1] / "lab" / "openapi.yaml"
_POLICY: Final[dict[str, Any]] = {
    "api": "openapi.yaml",
    "listen": "127.0.0.1:0",
    "tls": {"certificate": ".doorward/tls/server.pem", "key": ".doorward/tls/server.key"},
    "issuer": {"listen": "127.0.0.1:0", "url": ISSUER},
    # the attackers come from many addresses, which this machine vouches for as a proxy does
    "transport": {"hosts": ["127.0.0.1"], "trusted_proxies": ["127.0.0.1/32"]},
    "limits": {"head_s": 3.0, "body_s": 3.0},
    "roles": {"reader": ["GET *"]},
    "upstream": "http://127.0.0.1:1",
}
_PATIENCE_S: Final = 10.0
_SEED: Final = re.compile(r"<p><code>([A-Z2-7 ]{16,64})</code></p>")


class ProviderSite:
    """The site in `directory`. `with` puts it up and takes it down."""

    def __init__(self, directory: Path, make_state: Callable[[Path], None]) -> None:
        self._directory = directory / "provider"
        self._directory.mkdir()
        make_state(self._directory / ".doorward")
        shutil.copyfile(_DESCRIPTION, self._directory / "openapi.yaml")
        self._breaches = BreachService(self._server_tls(), [BREACHED])
        looked_up = {
            "url": self._breaches.url,
            "insecure_networks": ["127.0.0.1/32"],
            "ca_file": ".doorward/tls/ca.pem",
            # a machine under load must not make a breach of it
            "timeout_s": 10,
            "unanswered": "refuse",
        }
        policy = {**_POLICY, "issuer": {**_POLICY["issuer"], "breached_passwords": looked_up}}
        (self._directory / "doorward.yaml").write_bytes(orjson.dumps(policy))
        self.passwords = {name: f"the password of {name} only" for name in PEOPLE} | {"sprayed": SPRAYED}
        self._addresses = itertools.count(1)
        self._fill()
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(self._breaches)
        self._process = self._open.enter_context(GatewayProcess(self._directory / "doorward.yaml"))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def provider(self) -> Target:
        """Where the provider listens."""
        return self._process.issuer_target

    def browser(self, address: str = "") -> Browser:
        """A new browser, at an address nobody used before unless one is named."""
        number = next(self._addresses)
        place = address or f"198.{18 + number // 250}.{number % 250}.7"
        return Browser(self._process.issuer_target, ISSUER, place)

    def signed_in(self, name: str, *, address: str = "") -> Browser:
        """A browser in which that person has signed in."""
        browser = self.browser(address)
        if not self.signs_in(browser, name, self.passwords[name]):
            raise RuntimeError(f"{name} cannot sign in: {browser.page.status}")
        return browser

    def signs_in(self, browser: Browser, name: str, password: str) -> bool:
        """Whether these open the account page."""
        browser.get("/auth/login")
        answer = browser.follow(browser.send("/auth/login", name=name, password=password))
        return is_account(answer)

    def code(self, browser: Browser, client: str = "spa", **fields: str) -> str:
        """The code that a client is sent for that browser's user; empty when none is."""
        asked = {
            "client_id": client,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid offline_access",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **fields,
        }
        answer = browser.get("/oauth/authorize", **{name: value for name, value in asked.items() if value})
        if browser.hidden("/auth/consent"):
            answer = browser.send("/auth/consent", answer="allow")
        return sent_back(answer, CALLBACK).get("code", "")

    def token(self, **fields: str) -> Answer:
        """The token endpoint's answer to that form."""
        return self.browser().post("/oauth/token", fields)

    def redeem(self, code: str, *, client: str = "spa", **fields: str) -> Answer:
        """The answer to a code, with the right verifier unless another one is given."""
        given = {"client_id": client, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, **fields}
        kept = {name: value for name, value in given.items() if value}
        return self.token(grant_type="authorization_code", code=code, **kept)

    def refresh(self, token: str, *, client: str = "spa") -> Answer:
        """The answer to a refresh token."""
        return self.token(grant_type="refresh_token", client_id=client, refresh_token=token)

    def tokens(self, browser: Browser) -> dict[str, Any]:
        """The tokens a public client gets for that browser's user."""
        found = self.redeem(self.code(browser)).json
        if not isinstance(found, dict) or "access_token" not in found:
            raise RuntimeError("no tokens are given")
        return found

    def is_taken(self, access_token: str) -> bool:
        """Whether the gateway takes that token: what lies behind it is away, which is its answer then."""
        target = self._process.target
        headers = (("Authorization", f"Bearer {access_token}"),)
        with Connection(target) as connection:
            connection.send(request_bytes("GET", "/notes", headers, b"", authority=target.authority))
            answer = connection.receive()
        return not (answer.denial or "").startswith("authenticate.")

    def is_void_soon(self, access_token: str) -> bool:
        """Whether the gateway stops taking that token within a moment."""
        deadline = time.monotonic() + _PATIENCE_S
        while self.is_taken(access_token):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def adds_app(self, browser: Browser) -> None:
        """Nothing; whoever is signed in there has an authenticator app from now on."""
        browser.get("/account")
        page = browser.send("/account/factors/start")
        shown = _SEED.search(page.text)
        if shown is None:
            raise RuntimeError(f"no app can be added: {page.status}")
        seed = base64.b32decode(shown[1].replace(" ", ""))
        done = browser.send("/account/factors/finish", code=hotp(seed, step_at(time.time())), label="phone")
        if done.status != 200:
            raise RuntimeError(f"the app is not taken: {done.status}")

    def one_time_code(self, *, steps_ago: int = 0) -> str:
        """A code of Carol's authenticator app."""
        now = time.time()
        left_s = STEP_S - now % STEP_S
        if left_s < 5:
            # what is right now must not be wrong when it arrives
            time.sleep(left_s)
        return hotp(self._seed, step_at(time.time()) - steps_ago)

    def reset_ticket(self, name: str) -> str:
        """The ticket of a link with which that person sets a password."""
        store = open_store(self._store_url)
        try:
            return make_reset(store, name, now=time.time())
        finally:
            store.close()

    def _server_tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls = self._directory / ".doorward" / "tls"
        context.load_cert_chain(tls / "server.pem", tls / "server.key")
        return context

    @property
    def _store_url(self) -> str:
        return f"sqlite:///{self._directory / '.doorward' / 'store.db'}"

    def _fill(self) -> None:
        store = open_store(self._store_url)
        now = time.time()
        for name, password in self.passwords.items():
            add_user(store, name, now=now, roles=["reader"], password=password)
        secret = load_or_make_secret(self._directory / ".doorward" / "keys" / KEY_FILE)
        before = now - 10 * STEP_S
        enrolment = start_totp(store, secret, "carol", now=before)
        finish_totp(store, secret, "carol", enrolment, hotp(enrolment.seed, step_at(before)), "phone", now=before)
        self._seed = enrolment.seed
        about: dict[str, Any] = {"now": now, "scopes": ["offline_access"], "redirect_uris": [CALLBACK]}
        for name in ("spa", "other"):
            add_client(store, name, is_public=True, is_trusted=True, **about)
        self.secrets = {name: add_client(store, name, **about)[1] for name in ("web", "batch")}
        store.close()


def is_account(answer: Answer) -> bool:
    """Whether that is a signed-in user's page."""
    return answer.status == 200 and "Your account" in answer.text
