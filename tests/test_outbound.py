import asyncio
import contextlib
import ipaddress
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trustme

from doorward.outbound import RESOLVING_COUNT, OutboundClient, OutboundRefused

Answer = Callable[[str], bytes]


def answering(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    async def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return resolve


@contextlib.asynccontextmanager
async def server(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(head.decode()))
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        handlers = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*handlers)


def ok(body: bytes, *fields: str) -> Answer:
    head = "\r\n".join(["HTTP/1.1 200 OK", f"content-length: {len(body)}", *fields, "", ""])
    return lambda _request: head.encode() + body


def fetch(client: OutboundClient, url: str) -> bytes:
    return asyncio.run(client.get(url))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "fe80::1%lo",
        "fc00::1",
        "ff02::1",
        "2001:db8::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(OutboundRefused, match="not public"):
        fetch(OutboundClient(resolve=answering(address)), "https://keys.example/")


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_a_public_address_is_allowed(address: str) -> None:
    OutboundClient().checked_address([address], "keys.example")


def test_one_inner_address_among_public_ones_is_refused() -> None:
    with pytest.raises(OutboundRefused, match=r"10\.0\.0\.1"):
        OutboundClient().checked_address(["93.184.216.34", "10.0.0.1"], "keys.example")


def test_a_network_the_operator_allows_is_allowed_and_no_other() -> None:
    client = OutboundClient(allowed_networks=(ipaddress.ip_network("10.1.0.0/16"),))
    client.checked_address(["10.1.2.3"], "keys.example")
    client.checked_address(["::ffff:10.1.2.3"], "keys.example")
    with pytest.raises(OutboundRefused):
        client.checked_address(["10.2.2.3"], "keys.example")


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "localhost", "[::1]", "[::ffff:7f00:1]"]
)
def test_every_spelling_of_loopback_is_refused(host: str) -> None:
    with pytest.raises(OutboundRefused):
        fetch(OutboundClient(), f"https://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "http://keys.example/",
        "gopher://keys.example/",
        "file:///etc/passwd",
        "https://user@keys.example/",
        "https://keys.example@10.0.0.1/",
        "https://keys.example/#part",
        "https:///path",
        "keys.example",
        "https://[::1",
        "",
    ],
)
def test_a_url_that_is_not_plain_https_is_refused(url: str) -> None:
    with pytest.raises(OutboundRefused):
        fetch(OutboundClient(resolve=answering("93.184.216.34")), url)


@pytest.mark.parametrize(
    "url",
    [
        f"https://{'a' * 64}.example/",
        "https://example..com/",
        "https://.example/",
        "https://xn--/",
        "https://93.184.216.34:99999/",
        "https://93.184.216.34:65536/",
        "https://93.184.216.34:0/",
    ],
)
def test_a_url_that_leads_nowhere_is_refused_and_breaks_nothing(url: str) -> None:
    for client in (OutboundClient(), OutboundClient(resolve=answering("127.0.0.1"))):
        with pytest.raises(OutboundRefused):
            fetch(client, url)
        with pytest.raises(OutboundRefused):
            asyncio.run(client.post_form(url, {"a": "b"}))


def test_plain_http_is_for_loopback_only_even_when_allowed() -> None:
    client = OutboundClient(insecure_loopback_http=True, resolve=answering("93.184.216.34"))
    with pytest.raises(OutboundRefused, match="not https"):
        fetch(client, "http://keys.example/")


async def _get(client: OutboundClient, answer: Answer, path: str = "/keys") -> bytes:
    async with server(answer) as port:
        return await client.get(f"http://127.0.0.1:{port}{path}")


LOOPBACK = OutboundClient(insecure_loopback_http=True)


def test_a_document_comes_back_whole() -> None:
    assert asyncio.run(_get(LOOPBACK, ok(b'{"keys":[]}'))) == b'{"keys":[]}'


def test_a_document_of_the_largest_size_comes_back_and_a_larger_one_is_refused() -> None:
    client = OutboundClient(insecure_loopback_http=True, document_bytes=1000)
    assert len(asyncio.run(_get(client, ok(bytes(1000))))) == 1000
    with pytest.raises(OutboundRefused, match="larger than 1000 bytes"):
        asyncio.run(_get(client, ok(bytes(1001))))


def test_an_endless_document_is_cut_off() -> None:
    head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    endless = (head + "10000\r\n" + "x" * 0x10000 + "\r\n").encode() + b"10000\r\n" + bytes(0x10000) * 8
    with pytest.raises(OutboundRefused):
        asyncio.run(_get(LOOPBACK, lambda _request: endless))


def test_a_redirect_is_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"
    with pytest.raises(OutboundRefused, match="answered 302"):
        asyncio.run(_get(LOOPBACK, lambda _request: moved))


def test_a_compressed_document_is_refused() -> None:
    with pytest.raises(OutboundRefused, match="content encoding"):
        asyncio.run(_get(LOOPBACK, ok(b"x", "content-encoding: gzip")))


def test_a_server_that_says_nothing_costs_the_total_time_only() -> None:
    async def scenario() -> None:
        closed = asyncio.Event()

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            closed.set()

        silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        client = OutboundClient(insecure_loopback_http=True, total_s=0.2)
        with pytest.raises(OutboundRefused, match="did not answer within"):
            await client.get(f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/")
        await closed.wait()
        silent.close()

    asyncio.run(scenario())


def test_the_connection_goes_to_the_checked_address_under_the_original_name() -> None:
    async def scenario() -> None:
        authority = trustme.CA()
        ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("keys.example").configure_cert(ours)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        asked: list[str] = []

        def answer(request: str) -> bytes:
            asked.append(request)
            return ok(b"{}")(request)

        def client(name: str) -> tuple[OutboundClient, str]:
            loopback = (ipaddress.ip_network("127.0.0.0/8"),)
            found = OutboundClient(allowed_networks=loopback, tls=trusting, resolve=answering("127.0.0.1"))
            return found, f"https://{name}:{port}/jwks?v=1"

        async with server(answer, ours) as port:
            good, url = client("keys.example")
            assert await good.get(url) == b"{}"
            assert f"GET /jwks?v=1 HTTP/1.1\r\nHost: keys.example:{port}\r\n".lower() in asked[0].lower()
            other, url = client("other.example")
            with pytest.raises(OutboundRefused, match="certificate"):
                await other.get(url)

    asyncio.run(scenario())


def test_names_that_nobody_answers_for_take_no_thread_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes down an address chooses the name servers too; the loop's few threads have other things to do."""
    release = threading.Event()
    waiting = threading.Semaphore(0)

    def never(*_given: object, **_more: object) -> list[object]:
        waiting.release()
        release.wait(30)
        return []

    monkeypatch.setattr("socket.getaddrinfo", never)

    async def claim() -> None:
        client = OutboundClient(total_s=0.2)
        held = [asyncio.create_task(client.get(f"https://{n}.tarpit.example/")) for n in range(2 * RESOLVING_COUNT)]
        try:
            assert await asyncio.to_thread(waiting.acquire, True, 10)
            for task in held:
                with pytest.raises(OutboundRefused, match="within"):
                    await task
        finally:
            release.set()

    asyncio.run(claim())


def test_a_document_that_drips_is_given_up_in_time_however_it_drips() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    async def claim() -> None:
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = OutboundClient(insecure_loopback_http=True, total_s=0.3, document_bytes=1 << 30)
        with pytest.raises(OutboundRefused):
            await client.get(f"http://127.0.0.1:{port}/")
        server.close()

    asyncio.run(claim())
