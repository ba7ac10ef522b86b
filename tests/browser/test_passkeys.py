"""Passkeys in a real browser, with Chromium's virtual authenticators: statement ID-71 of the reference."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.browser.chromium import PROGRAM, Page, chromium
from tests.browser.test_provider import Serving, serving, signed_in

__all__ = ["serving"]
pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed"),
    pytest.mark.timeout(180),
]
PICTURES = os.environ.get("DOORWARD_PICTURES")


async def plug_in(page: Page, *, verifies_user: bool = True) -> str:
    """The id of a new authenticator, the only one."""
    await page.call("WebAuthn.enable", enableUI=False)
    options = {
        "protocol": "ctap2",
        "transport": "internal" if verifies_user else "usb",
        "hasResidentKey": verifies_user,
        "hasUserVerification": verifies_user,
        "isUserVerified": verifies_user,
    }
    return str((await page.call("WebAuthn.addVirtualAuthenticator", options=options))["authenticatorId"])


async def credentials(page: Page, authenticator: str) -> list[dict[str, Any]]:
    answer = await page.call("WebAuthn.getCredentials", authenticatorId=authenticator)
    return list(answer["credentials"])


async def add_passkey(page: Page, serving: Serving, label: str = "my computer") -> None:
    await page.open(f"{serving.issuer}/account/passkeys/add")
    await look(page, "add")
    await page.send("/account/passkeys/add", label=label)


async def sign_out(page: Page, serving: Serving) -> None:
    await page.open(f"{serving.issuer}/account")
    await page.send("/auth/logout")


async def refused_by_the_browser(page: Page, path: str) -> str:
    """What the page says when the browser gives no passkey."""
    await page.run(f"document.querySelector('form[action$=\"{path}\"] button').click()")
    async with asyncio.timeout(90):
        while await page.run("document.getElementById('failure').hidden"):  # noqa: ASYNC110 - the page has no event of it
            await asyncio.sleep(0.05)
    return str(await page.run("document.getElementById('failure').textContent"))


async def look(page: Page, name: str) -> None:
    if PICTURES:
        await page.picture(Path(PICTURES) / f"passkey-{name}.png")


def test_a_person_adds_a_passkey_and_signs_in_with_it_alone(serving: Serving, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with chromium(tmp_path / "profile") as page:
            await signed_in(page, serving)
            authenticator = await plug_in(page)
            await add_passkey(page, serving)
            assert await page.run("document.querySelectorAll('.codes li').length") == 10
            (credential,) = await credentials(page, authenticator)
            assert (credential["isResidentCredential"], credential["rpId"]) == (True, "localhost")
            await page.open(f"{serving.issuer}/account")
            assert "my computer" in await page.text()
            await look(page, "account")
            await sign_out(page, serving)
            await page.open(f"{serving.issuer}/auth/login")
            await look(page, "login")
            await page.open(f"{serving.issuer}/auth/passkey")
            await look(page, "sign-in")
            await page.send("/auth/passkey")
            assert "Signed in as alice" in await page.text()
            # the same again: the counter grew, so nothing is suspected
            await sign_out(page, serving)
            await page.open(f"{serving.issuer}/auth/passkey")
            await page.send("/auth/passkey")
            assert "Signed in as alice" in await page.text()
            assert "there may be a copy of it" not in await page.text()

    asyncio.run(scenario())


def test_a_second_factor_after_the_password_needs_no_user_verification_but_alone_it_does(
    serving: Serving, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with chromium(tmp_path / "profile") as page:
            await signed_in(page, serving)
            await plug_in(page, verifies_user=False)
            await add_passkey(page, serving, "a key without a PIN")
            await sign_out(page, serving)
            await page.open(f"{serving.issuer}/auth/login")
            await page.send("/auth/login", name="alice", password="correct horse battery staple")
            assert "Second factor" in await page.text()
            await look(page, "factor")
            await page.send("/auth/factor/passkey")
            assert "Signed in as alice" in await page.text()
            await sign_out(page, serving)
            await page.open(f"{serving.issuer}/auth/passkey")
            assert "gave no passkey" in await refused_by_the_browser(page, "/auth/passkey")
            await look(page, "refused")

    asyncio.run(scenario())


def test_a_cloned_passkey_is_noticed_and_its_user_not_locked_out(serving: Serving, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with chromium(tmp_path / "profile") as page:
            await signed_in(page, serving)
            authenticator = await plug_in(page)
            await add_passkey(page, serving)
            (copy,) = await credentials(page, authenticator)
            for _ in range(2):
                await sign_out(page, serving)
                await page.open(f"{serving.issuer}/auth/passkey")
                await page.send("/auth/passkey")
            assert "there may be a copy of it" not in await page.text()
            await page.call("WebAuthn.removeVirtualAuthenticator", authenticatorId=authenticator)
            clone = await plug_in(page)
            await page.call("WebAuthn.addCredential", authenticatorId=clone, credential=copy)
            await sign_out(page, serving)
            await page.open(f"{serving.issuer}/auth/passkey")
            await page.send("/auth/passkey")
            assert "Signed in as alice" in await page.text()
            assert "there may be a copy of it" in await page.text()

    asyncio.run(scenario())


def test_an_answer_made_for_us_is_not_taken_twice_nor_made_elsewhere(serving: Serving, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with chromium(tmp_path / "profile") as page:
            await signed_in(page, serving)
            await plug_in(page)
            await add_passkey(page, serving)
            await sign_out(page, serving)
            await page.open(f"{serving.issuer}/auth/passkey")
            options = await page.run("document.querySelector('button[data-options]').dataset.options")
            # keep what the browser sends, and send it again afterwards
            await page.run(
                "HTMLFormElement.prototype.submit = function() { sessionStorage.setItem('kept', this.elements.answer.value);"
                " HTMLFormElement.prototype.requestSubmit.call(document.querySelector('form')); };"
                "document.querySelector('form').addEventListener('submit', event => {"
                " if (sessionStorage.getItem('kept')) event.stopImmediatePropagation(); }, true)"
            )
            await page.send("/auth/passkey")
            assert "Signed in as alice" in await page.text()
            await sign_out(page, serving)
            await page.open(f"{serving.issuer}/auth/passkey")
            await page.run("document.querySelector('[name=answer]').value = sessionStorage.getItem('kept');")
            page._loaded.clear()
            await page.run("HTMLFormElement.prototype.submit.call(document.querySelector('form'))")
            await page._wait()
            assert "This did not work" in await page.text()
            # elsewhere, with our challenge and our name: the browser itself says no
            await page.open(f"{serving.elsewhere}/prize")
            said = await page.call(
                "Runtime.evaluate",
                expression=_ASKED_ELSEWHERE % json.dumps(json.loads(options)["challenge"]),
                awaitPromise=True,
                returnByValue=True,
            )
            assert said["result"]["value"] in {"SecurityError", "TypeError", "no credentials here"}

    asyncio.run(scenario())


_ASKED_ELSEWHERE = """(async () => {
  if (!navigator.credentials) return "no credentials here";
  const challenge = Uint8Array.from(atob(%s.replaceAll("-", "+").replaceAll("_", "/")), c => c.charCodeAt(0));
  try { await navigator.credentials.get({publicKey: {challenge, rpId: "localhost"}}); return "answered"; }
  catch (error) { return error.name; }
})()"""
