"""A real browser for tests: headless Chromium, driven by its DevTools protocol. No driver, no library beside aiohttp."""

import asyncio
import base64
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

PROGRAM: Final = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
PATIENCE_S: Final = 40.0


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._loaded = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[self._number] = answer
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        async with asyncio.timeout(PATIENCE_S):
            return await answer

    async def open(self, url: str) -> None:
        """Go there and wait until the page has loaded."""
        self._loaded.clear()
        await self.call("Page.navigate", url=url)
        await self._wait()

    async def send(self, action: str, **fields: str) -> None:
        """Fill in the form that goes to a path, press its button, wait for the page that comes back.

        `button`: the value of the button to press, where there are several.
        """
        button = fields.pop("button", "")
        filled = "".join(
            f"form.querySelector('[name={name}]').value = {json.dumps(value)};" for name, value in fields.items()
        )
        press = f"form.querySelector('button{f'[value={button}]' if button else ''}').click()"
        self._loaded.clear()
        await self.run(
            f"{{const form = document.querySelector('form[action$={json.dumps(action)}]'); {filled} {press}}}"
        )
        await self._wait()

    async def run(self, script: str) -> Any:
        """What a script in the page gives back."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def text(self) -> str:
        return str(await self.run("document.body.innerText"))

    async def picture(self, path: Path) -> None:
        answer = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(answer["data"]))

    async def close(self) -> None:
        self._reading.cancel()
        await self._socket.close()

    async def _wait(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._loaded.wait()

    async def _read(self) -> None:
        async for message in self._socket:
            data = json.loads(message.data)
            if data.get("method") == "Page.loadEventFired":
                self._loaded.set()
            elif "id" in data:
                self._answers.pop(data["id"]).set_result(data.get("result", {}))


@asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[Page]:
    """A tab of a fresh browser that believes every certificate."""
    assert PROGRAM is not None
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    arguments += [
        "--ignore-certificate-errors",
        "--disable-site-isolation-trials",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "about:blank",
    ]
    process = await asyncio.create_subprocess_exec(
        PROGRAM, *arguments, stdout=subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while not (line := (await process.stderr.readline()).decode()).startswith("DevTools listening on"):
                assert line or process.returncode is None, "Chromium ended at once"
        draining = asyncio.create_task(process.stderr.read())
        port = line.split("/")[2].rpartition(":")[2]
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{port}/json") as answer:
                (target,) = [found for found in await answer.json() if found["type"] == "page"]
            page = Page(await http.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0))
            await page.call("Page.enable")
            yield page
            await page.close()
        draining.cancel()
    finally:
        process.kill()
        await process.wait()
