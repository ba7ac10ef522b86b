"""A provider with a user and clients, browsers that visit it, and a clock that is handed in."""

import asyncio
import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from starlette.applications import Starlette
from tests.identity.authenticator import Authenticator

from doorward.controls.transport import TrustedProxies
from doorward.identity.app import IdentitySettings, create_app
from doorward.identity.clients import Client, add_client, check_secret
from doorward.identity.factors.totp import hotp, step_at
from doorward.identity.mail import outbox
from doorward.identity.mail.writing import Letter, Writer
from doorward.identity.sealing import ServerSecret
from doorward.identity.users import add_user
from doorward.jose import generate_key
from doorward.policy.sms import SmsPolicy
from doorward.store import Store

NOW = 1_800_000_000.0
ISSUER = "https://issuer.example"
SECRET = ServerSecret(b"s" * 32)
KEY = generate_key("ES256")
PASSWORD = "correct horse battery staple"
CALLBACK = "https://app.example/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


def owner_of_secret(store: Store, name: str, secret: str) -> Client | None:
    """The client of that name, if the secret is its own and it may call."""
    with store.begin() as connection:
        return check_secret(connection, name, secret)


class Lab:
    """One provider. `web` is confidential, `spa` public, `own` the operator's own."""

    def __init__(
        self,
        store: Store,
        issuer: str = ISSUER,
        proxies: TrustedProxies | None = None,
        *,
        sends_mail: bool = False,
        sms: SmsPolicy | None = None,
    ) -> None:
        self.store, self.now, self.issuer = store, NOW, issuer
        self.settings = IdentitySettings(
            issuer=issuer,
            proxies=lambda: proxies,
            sends_mail=lambda: sends_mail,
            sms=lambda: sms,
            resource=lambda: "https://api.example",
        )
        self.app = self.made_app()
        add_user(store, "alice", now=NOW, password=PASSWORD, roles=["reader"], claims={"account_id": "a-1"})
        scopes = ["orders:read", "orders:write", "offline_access"]
        kinds: dict[str, dict[str, Any]] = {"web": {}, "spa": {"is_public": True}, "own": {"is_trusted": True}}
        self.secrets = {
            name: add_client(
                store, name, now=NOW, scopes=scopes, redirect_uris=[CALLBACK], title=f"The {name}", **more
            )[1]
            for name, more in kinds.items()
        }

    def made_app(self) -> Starlette:
        """The provider as it starts, with this store and this clock."""
        return create_app(self.store, [KEY], self.settings, secret=SECRET, clock=lambda: self.now)

    def post_office(self) -> list[Letter]:
        """The mails that are due, as they would be sent now."""
        writer, letters = Writer(self.store, SECRET, self.issuer), []
        for mail in outbox.take_due(self.store, now=self.now):
            letter = writer.write(mail, now=self.now)
            outbox.done(self.store, mail, now=self.now)
            letters += [] if letter is None else [letter]
        return letters

    def with_address(self, email: str = "alice@mail.example") -> "Visitor":
        """A browser in which alice is signed in and has proved that address; nothing waits in the outbox."""
        visitor = self.visitor().signed_in()
        visitor.send("/account/email", email=email)
        self.open_link(self.post_office()[-1], visitor)
        self.post_office()
        visitor.get("/account")
        return visitor

    def open_link(self, letter: Letter, visitor: "Visitor | None" = None) -> httpx.Response:
        """The page after the button on the page that the link in a mail leads to was pressed."""
        found = re.search(rf"{re.escape(self.issuer)}(/auth/[a-z-]+)\?ticket=([\w-]{{43}})", letter.text)
        assert found is not None, letter.text
        who = visitor or self.visitor()
        page = who.get(found[1], ticket=found[2])
        return who.send(found[1]) if page.status_code == 200 else page

    def visitor(self, *, address: str = "192.0.2.1", **headers: Any) -> "Visitor":
        return Visitor(self, headers, address)

    def ask(
        self, method: str, path: str, cookies: httpx.Cookies | None = None, address: str = "192.0.2.1", **more: Any
    ) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(address, 40_000))
            async with httpx.AsyncClient(transport=transport, base_url=self.issuer, cookies=cookies) as http:
                answer = await http.request(method, path, **more)
                if cookies is not None:
                    cookies.clear()
                    cookies.update(http.cookies)
                return answer

        return asyncio.run(once())

    def authenticated(self, client: str) -> dict[str, str]:
        """The form fields by which a client says who it is."""
        secret = self.secrets[client]
        return {"client_id": client, **({"client_secret": secret} if secret else {})}

    def token(self, client: str = "web", **fields: str) -> httpx.Response:
        return self.post("/oauth/token", **{**self.authenticated(client), **fields})

    def post(self, path: str, headers: Any = None, **fields: Any) -> httpx.Response:
        return self.ask("POST", path, data=fields, headers=headers)

    def code(self, client: str = "web", **fields: str) -> str:
        return self.visitor().signed_in().authorized(client=client, **fields)

    def tokens(self, client: str = "web", **fields: str) -> dict[str, Any]:
        answer = self.redeem(self.code(client, **fields), client)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def redeem(self, code: str, client: str = "web", **fields: str) -> httpx.Response:
        given = {"code_verifier": VERIFIER, "redirect_uri": CALLBACK, **fields}
        return self.token(client, grant_type="authorization_code", code=code, **given)

    def refresh(self, token: str, client: str = "web", **fields: str) -> httpx.Response:
        return self.token(client, grant_type="refresh_token", refresh_token=token, **fields)


class Visitor:
    """One browser: its cookies, and the page it looks at."""

    def __init__(self, lab: Lab, headers: dict[str, str], address: str) -> None:
        self.lab, self.cookies, self.headers, self.address = lab, httpx.Cookies(), headers, address
        self.page: httpx.Response | None = None

    def get(self, path: str, **fields: str) -> httpx.Response:
        target = f"{path}?{urlencode(fields)}" if fields else path
        self.page = self.lab.ask("GET", target, self.cookies, headers=self.headers, address=self.address)
        return self.page

    def send(self, path: str, **fields: str) -> httpx.Response:
        """Send the form of the page that goes to that path, with these fields filled in."""
        return self.post(path, **{**self.hidden(path), **fields})

    def post(self, path: str, headers: Any = None, **fields: Any) -> httpx.Response:
        own = {"origin": self.lab.issuer, "sec-fetch-site": "same-origin"} if headers is None else headers
        self.page = self.lab.ask(
            "POST", path, self.cookies, data=fields, headers=self.headers | own, address=self.address
        )
        return self.page

    def hidden(self, path: str) -> dict[str, str]:
        assert self.page is not None
        form = re.search(rf'<form method="post" action="{re.escape(path)}">(.*?)</form>', self.page.text, re.DOTALL)
        assert form is not None, self.page.text
        found = re.findall(r'<input type="hidden" name="([a-z]+)"[^>]* value="([^"]*)">', form[1])
        return {name: html.unescape(value) for name, value in found if name != "username"}

    def follow(self, answer: httpx.Response) -> httpx.Response:
        """The page a redirect leads to, as long as it stays here."""
        while answer.status_code == 303 and answer.headers["location"].startswith("/"):
            answer = self.get(answer.headers["location"])
        self.page = answer
        return answer

    def sign_in(self, password: str = PASSWORD, name: str = "alice", **fields: str) -> httpx.Response:
        if self.page is None or "/auth/login" not in self.page.text:
            self.get("/auth/login")
        return self.send("/auth/login", name=name, password=password, **fields)

    def signed_in(self, **fields: str) -> "Visitor":
        answer = self.follow(self.sign_in(**fields))
        assert "Your account" in answer.text, answer.text
        return self

    def add_totp(self) -> tuple[bytes, list[str]]:
        """An authenticator app's seed and the recovery codes, as the account page gives them."""
        self.get("/account")
        answer = self.send("/account/factors/start")
        key = re.search(r"<p><code>([A-Z2-7 ]+)</code></p>", answer.text)
        assert key is not None
        seed = base64.b32decode(key[1].replace(" ", ""))
        answer = self.send("/account/factors/finish", code=hotp(seed, step_at(self.lab.now)), label="phone")
        codes = re.findall(r"<li><code>([a-z2-7-]+)</code></li>", answer.text)
        assert len(codes) == 10, answer.text
        self.lab.now += 60
        return seed, codes

    def options(self) -> dict[str, Any]:
        """What the page hands to the browser's passkeys."""
        assert self.page is not None
        found = re.search(r'data-options="([^"]*)"', self.page.text)
        assert found is not None, self.page.text
        return dict(json.loads(html.unescape(found[1])))

    def add_passkey(self, authenticator: Authenticator, label: str = "key") -> httpx.Response:
        self.get("/account/passkeys/add")
        return self.send("/account/passkeys/add", label=label, answer=authenticator.create(self.options()))

    def use_passkey(self, authenticator: Authenticator, path: str = "/auth/passkey", **query: str) -> httpx.Response:
        self.get(path, **query)
        return self.send(path, answer=authenticator.get(self.options()))

    def ask_authorization(self, client: str = "web", **fields: Any) -> httpx.Response:
        wanted = {
            "client_id": client,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid orders:read offline_access",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "state": "s-1",
            "nonce": "n-1",
            **fields,
        }
        return self.get("/oauth/authorize", **{name: value for name, value in wanted.items() if value is not None})

    def authorized(self, client: str = "web", **fields: str) -> str:
        """The code that comes back, consent given where it is asked for."""
        answer = self.ask_authorization(client, **fields)
        if answer.status_code == 200:
            answer = self.send("/auth/consent", answer="allow")
        return sent_back(answer)["code"]


def sent_back(answer: httpx.Response) -> dict[str, str]:
    """The parameters a redirect brings to the client."""
    assert answer.status_code == 303, answer.text
    location = answer.headers["location"]
    assert location.startswith(CALLBACK), location
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query, strict_parsing=True).items()}


def every_page(visitor: Visitor) -> Iterator[httpx.Response]:
    """Each page a signed-in user can see."""
    yield visitor.get("/auth/login")
    yield visitor.get("/account")
    yield visitor.ask_authorization(prompt="consent")
    yield visitor.get("/auth/reset", ticket="none")
