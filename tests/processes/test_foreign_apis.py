"""APIs nobody here described: `doorward init`, a user and `doorward run` put a guard before each that holds."""

import contextlib
import http.client
import http.server
import json
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from tests.warming import warm

from doorward.attack.asking import draft
from doorward.attack.case import Ask
from doorward.attack.gateway_process import GatewayProcess
from doorward.attack.values import NoSampleError, sample
from doorward.denial import Denied
from doorward.media_types import is_json
from doorward.operation import ApiDescription, MediaType, Operation
from doorward.policy.openapi import load_description
from doorward.policy.routing import Router

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DATA = Path(__file__).parents[1] / "data" / "openapi"
NAMES = ("carbone", "openapi_generator", "open_policy_agent")
PATIENCE_S = 60.0
ATTACK_S = 560.0
LEAST_STOPPED = 40
"""Every API has an operation for at least so many attacks."""


class Mock(http.server.ThreadingHTTPServer):
    """An API that answers each declared operation with the least its description allows, and keeps what it saw."""

    def __init__(self, description: ApiDescription) -> None:
        super().__init__(("127.0.0.1", 0), MockHandler)
        self._description = description
        self._router = Router([(each.method, each.path, each) for each in description.operations])
        self.seen: list[tuple[str, str]] = []
        """Method and target of every request, in order."""
        self._thread = threading.Thread(target=self.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def find(self, method: str, target: str) -> Operation | None:
        try:
            return self._router.find(method, target.partition("?")[0].encode("latin-1"))[0]
        except Denied:
            return None

    def answer(self, method: str, target: str) -> tuple[int, str, bytes]:
        """Status, media type and body."""
        operation = self.find(method, target)
        if operation is None:
            return 404, "", b""
        status, response = next(
            (int(status), each) for status, each in operation.responses.items() if status.startswith("2")
        )
        if not response.content:
            return status, "", b""
        return status, *self._least(next(iter(response.content.values())))

    def _least(self, media: MediaType) -> tuple[str, bytes]:
        if is_json(media.name) or media.name == "*/*":
            return "application/json", json.dumps(sample(media.schema or {}, self._description.resolve)).encode()
        return media.name, b"doorward"


class MockHandler(http.server.BaseHTTPRequestHandler):
    """One connection to the mock."""

    protocol_version = "HTTP/1.1"
    server: Mock

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_any(self) -> None:
        self.server.seen.append((self.command, self.path))
        self._read_body()
        status, media_type, body = self.server.answer(self.command, self.path)
        self.send_response(status)
        if media_type:
            self.send_header("Content-Type", media_type)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_any  # noqa: N815

    def _read_body(self) -> None:
        if self.headers.get("Transfer-Encoding") != "chunked":
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline(), 16):
            self.rfile.read(size + 2)
        self.rfile.readline()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name the base class gave it
        """Say nothing."""


class Guarded:
    """One API behind a real gateway that was set up by commands alone."""

    def __init__(self, directory: Path, description: ApiDescription, mock: Mock) -> None:
        self.directory, self.description, self.mock = directory, description, mock
        self.token, self.url = "", ""

    def command(self, *words: str, timeout_s: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "doorward", *words]
        return subprocess.run(
            command, cwd=self.directory, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def must(self, *words: str) -> str:
        done = self.command(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout.strip()

    def ask(self, method: str, target: str, headers: dict[str, str] | None = None, *, token: bool = True) -> int:
        context = ssl.create_default_context(cafile=self.directory / ".doorward" / "tls" / "ca.pem")
        place = urlsplit(self.url)
        connection = http.client.HTTPSConnection(str(place.hostname), place.port, context=context, timeout=PATIENCE_S)
        own = {"Authorization": f"Bearer {self.token}"} if token else {}
        try:
            connection.request(method, target, headers={**own, **(headers or {})})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def reads(self) -> list[Ask]:
        """A valid request to each declared GET of which one can be made."""
        found = []
        for operation in self.description.operations:
            with contextlib.suppress(NoSampleError):
                if operation.method == "GET":
                    found.append(draft(operation, self.description).ask("reader"))
        return found


@contextlib.contextmanager
def guarding(name: str, directory: Path) -> Iterator[Guarded]:
    document = DATA / f"{name}.json"
    description = load_description(document)
    with Mock(description) as mock:
        made = Guarded(directory, description, mock)
        made.must("init", "--openapi", str(document), "--upstream", f"http://127.0.0.1:{mock.server_port}")
        warm(directory / ".doorward")
        policy = directory / "doorward.yaml"
        text = policy.read_text().replace("listen: 127.0.0.1:8443", "listen: 127.0.0.1:0")
        issuer = "issuer: {insecure_development_tokens: true, listen: 127.0.0.1:0}"
        policy.write_text(re.sub(r"# issuer: \{insecure_development_tokens: true\}", issuer, text))
        made.must("check")
        made.must("user", "add", "ann", "--role", "reader")
        made.token = made.must("token", "--user", "ann")
        with GatewayProcess(policy) as gateway:
            made.url = gateway.url
            yield made


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Guarded]]:
    """All of them beside each other."""
    with contextlib.ExitStack() as open_:
        with ThreadPoolExecutor(len(NAMES)) as pool:
            each = [guarding(name, tmp_path_factory.mktemp(name)) for name in NAMES]
            made = dict(zip(NAMES, pool.map(open_.enter_context, each), strict=True))
        yield made


@pytest.fixture(scope="module")
def attacked(site: dict[str, Guarded]) -> dict[str, subprocess.CompletedProcess[str]]:
    """What came of attacking each, all at the same time: an attack waits, most of the time, for rate limits to pass."""

    def attack(one: Guarded) -> subprocess.CompletedProcess[str]:
        return one.command("attack", "--target", one.url, "--json", timeout_s=ATTACK_S)

    with ThreadPoolExecutor(len(NAMES)) as pool:
        return dict(zip(NAMES, pool.map(attack, site.values()), strict=True))


@pytest.fixture(params=NAMES)
def guarded(request: pytest.FixtureRequest, site: dict[str, Guarded]) -> Guarded:
    return site[request.param]


def test_every_declared_read_reaches_the_upstream_with_a_credential(guarded: Guarded) -> None:
    reads = guarded.reads()
    assert len(reads) >= 3
    for read in reads:
        before = len(guarded.mock.seen)
        expected = guarded.mock.answer("GET", read.target)[0]
        assert (read.target, guarded.ask("GET", read.target, dict(read.headers))) == (read.target, expected)
        assert guarded.mock.seen[before:] == [("GET", read.target)]


def test_nothing_else_reaches_the_upstream(guarded: Guarded) -> None:
    read = guarded.reads()[0]
    joint = "&" if "?" in read.target else "?"
    before = len(guarded.mock.seen)
    assert guarded.ask("GET", read.target, dict(read.headers), token=False) == 401
    assert guarded.ask("GET", "/doorward/undeclared") == 404
    assert guarded.ask("GET", f"{read.target}{joint}doorward_undeclared=1", dict(read.headers)) == 400
    assert guarded.mock.seen[before:] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_attack_gets_through_and_the_trail_is_intact(
    site: dict[str, Guarded], attacked: dict[str, subprocess.CompletedProcess[str]], name: str
) -> None:
    guarded, done = site[name], attacked[name]
    report: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    failed = [each for each in report.get("attacks", ()) if each["applicable"] and not each["twin_passed"]]
    assert (done.returncode, [(each["id"], each["note"]) for each in failed]) == (0, []), done.stderr
    assert report["summary"]["got_through"] == 0
    assert report["summary"]["held"] >= LEAST_STOPPED
    undeclared = [each for each in guarded.mock.seen if guarded.mock.find(*each) is None]
    assert undeclared == []
    guarded.must("audit", "verify")
