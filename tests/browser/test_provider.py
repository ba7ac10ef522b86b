"""The provider's pages in a real browser: what only a browser knows (CSP, Origin, SameSite, `__Host-`) holds."""

import asyncio
import base64
import http.server
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import trustme
import uvicorn
from tests.browser.chromium import PROGRAM, Page, chromium
from tests.identity.lab import CHALLENGE, KEY, NOW, PASSWORD, SECRET

from doorward.identity.app import IdentitySettings, create_app
from doorward.identity.clients import add_client
from doorward.identity.factors.totp import hotp, step_at
from doorward.identity.users import add_user
from doorward.store import Store, open_store

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed"),
    pytest.mark.timeout(180),
]


class Serving:
    """The provider over TLS on localhost, and a page of somebody else on 127.0.0.1, which is another site."""

    def __init__(self, store: Store, directory: Path) -> None:
        self.now, self.asked = NOW, []  # type: ignore[var-annotated]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.issuer = f"https://localhost:{self.listener.getsockname()[1]}"
        certificate = trustme.CA().issue_cert("localhost")
        key, chain = directory / "key.pem", directory / "chain.pem"
        certificate.private_key_pem.write_to_path(str(key))
        certificate.cert_chain_pems[0].write_to_path(str(chain))
        app = create_app(store, [KEY], IdentitySettings(issuer=self.issuer), secret=SECRET, clock=lambda: self.now)
        config = uvicorn.Config(
            app, log_config=None, lifespan="off", ssl_keyfile=str(key), ssl_certfile=str(chain), proxy_headers=False
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})
        self.other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._elsewhere())
        self.elsewhere = f"http://127.0.0.1:{self.other.server_address[1]}"
        self.other_thread = threading.Thread(target=self.other.serve_forever)

    def __enter__(self) -> Self:
        self.thread.start()
        self.other_thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.other.shutdown()
        self.other.server_close()
        self.thread.join()
        self.other_thread.join()

    def _elsewhere(self) -> type[http.server.BaseHTTPRequestHandler]:
        serving = self

        class Elsewhere(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                serving.asked.append(self.path)
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                page = f'<form method=post action="{serving.issuer}/auth/logout"><button>win a prize</button></form>'
                page += f'<iframe src="{serving.issuer}/auth/login"></iframe>' if "frame" in self.path else ""
                self.wfile.write(page.encode())

            def log_message(self, *_: Any) -> None:
                pass

        return Elsewhere

    def authorize(self, client: str) -> str:
        fields = {
            "client_id": client,
            "redirect_uri": f"{self.elsewhere}/callback",
            "response_type": "code",
            "scope": "openid",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "state": "s-1",
        }
        return f"{self.issuer}/oauth/authorize?{urlencode(fields)}"


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    add_user(store, "alice", now=NOW, password=PASSWORD)
    add_client(store, "cli", now=NOW, redirect_uris=["http://127.0.0.1/callback"], is_public=True, title="A tool")
    with Serving(store, tmp_path) as running:
        yield running
    store.close()


async def signed_in(page: Page, serving: Serving) -> None:
    await page.open(f"{serving.issuer}/account")
    await page.send("/auth/login", name="alice", password=PASSWORD)
    assert "Signed in as alice" in await page.text()


async def with_app(page: Page, serving: Serving) -> bytes:
    await page.send("/account/factors/start")
    assert await page.run("document.querySelector('.qr').naturalWidth") > 100
    key = re.search(r"([A-Z2-7]{4} ?){8}", await page.text())
    assert key is not None
    seed = base64.b32decode(key[0].replace(" ", ""))
    await page.send("/account/factors/finish", code=hotp(seed, step_at(serving.now)))
    assert await page.run("document.querySelectorAll('.codes li').length") == 10
    serving.now += 60
    return seed


def test_a_person_signs_in_adds_an_app_and_lets_a_client_in(serving: Serving, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with chromium(tmp_path / "profile") as page:
            await signed_in(page, serving)
            assert await page.run("document.cookie") == ""
            seed = await with_app(page, serving)
            await page.open(f"{serving.issuer}/account")
            await page.send("/auth/logout")
            await page.open(serving.authorize("cli"))
            await page.send("/auth/login", name="alice", password=PASSWORD)
            await page.send("/auth/factor", code=hotp(seed, step_at(serving.now)))
            assert "A tool (cli) asks for access as alice" in await page.text()
            await page.send("/auth/consent", button="allow")
            back = parse_qs(urlsplit(serving.asked[-1] if "code=" in serving.asked[-1] else serving.asked[-2]).query)
            assert (back["state"], back["iss"]) == (["s-1"], [serving.issuer])
            assert len(back["code"][0]) == 43

    asyncio.run(scenario())


def test_another_site_can_neither_send_our_forms_nor_frame_our_pages(serving: Serving, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with chromium(tmp_path / "profile") as page:
            await signed_in(page, serving)
            await page.open(f"{serving.elsewhere}/prize")
            await page.send("/auth/logout")
            assert "not ours" in await page.text()
            await page.open(f"{serving.issuer}/account")
            assert "Signed in as alice" in await page.text()
            await page.open(f"{serving.elsewhere}/frame")
            frames = (await page.call("Page.getFrameTree"))["frameTree"]["childFrames"]
            assert [frame["frame"]["url"] for frame in frames] == ["chrome-error://chromewebdata/"]

    asyncio.run(scenario())


def test_no_script_runs_on_our_pages(serving: Serving, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with chromium(tmp_path / "profile") as page:
            await page.open(f"{serving.issuer}/auth/login")
            await page.run(
                "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
                "const i = document.createElement('img'); i.setAttribute('onerror', 'window.ran = 2'); i.src = 'data:,';"
                "document.body.append(i)"
            )
            await page.run("new Promise(done => setTimeout(done, 0))")
            assert await page.run("window.ran") is None
            assert await page.run("getComputedStyle(document.querySelector('main')).maxWidth") == "544px"

    asyncio.run(scenario())
