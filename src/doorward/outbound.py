"""The one client for URLs that somebody wrote down: fetches a small document without becoming a proxy into the inside.

The name is resolved once, every address it has is judged, and the connection goes to a judged address: a second
answer of the name server (DNS rebinding) changes nothing. It must not be used for the upstream, which is the
operator's own network.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias, TypeVar
from urllib.parse import urlencode

import httpx

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]

_Result = TypeVar("_Result")
DOCUMENT_BYTES: Final = 256 * 1024
TOTAL_S: Final = 5.0
RESOLVING_COUNT: Final = 16
"""Names looked up at once."""
_TAKEN: Final = frozenset({200, 204})
_FORM: Final[Mapping[str, str]] = {"content-type": "application/x-www-form-urlencoded"}
_PORT_MOST: Final = 65_535
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class OutboundRefused(Exception):
    """The document was not fetched: the URL is not allowed, or the other side did not behave. The text says which."""


_RESOLVERS: Final = ThreadPoolExecutor(RESOLVING_COUNT, thread_name_prefix="resolver")


async def resolve_by_system(host: str, port: int) -> list[str]:
    """Every address of a host, by the system's resolver.

    In threads of its own: whoever gives us a name may see to it that its servers never answer, and a thread waits for
    them long after nobody else does. The loop has few threads (uvloop two for names), and others need them.
    """
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, ask)
    return [str(address[4][0]) for address in found]


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; values of a field that comes several times are joined by commas."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundClient:
    """Fetches over HTTPS from public addresses; everything else has to be allowed by the operator.

    Source: OWASP SSRF prevention cheat sheet; CVE-2026-26998 (an unbounded answer of an identity provider).
    """

    allowed_networks: tuple[Network, ...] = ()
    """Networks that are fetched from although they are not public."""
    insecure_loopback_http: bool = False
    """Also plain `http`, and loopback addresses. For tests and development."""
    document_bytes: int = DOCUMENT_BYTES
    """Largest document, in bytes."""
    total_s: float = TOTAL_S
    """Time for everything together, name resolution included, in seconds."""
    tls: ssl.SSLContext | None = None
    """Trust other than the public certificate authorities; must verify names."""
    kept: httpx.AsyncBaseTransport | None = None
    """Connections that outlive a request (`outbound_kept`), with trust of their own; None: each request has its own.
    The name is resolved and judged for each request all the same."""
    resolve: Resolve = field(default=resolve_by_system)

    async def get(self, url: str, *, accept: str = "application/json") -> bytes:
        """The document at `url`. Redirects are not followed, proxies of the environment are not used.

        Errors: OutboundRefused, for everything that can go wrong.
        """
        return await self._ask(url, "GET", {"accept": accept})

    async def post_form(self, url: str, fields: Mapping[str, str]) -> None:
        """Nothing, once whoever listens at `url` has taken the form; what it answers beside that counts for nothing.

        Errors: OutboundRefused, also for an answer that is not 200 or 204.
        """
        content = urlencode(fields).encode("ascii")
        await self._ask(url, "POST", _FORM, content)

    async def ask_form(self, url: str, fields: Mapping[str, str], headers: Mapping[str, str], *, answer: str) -> bytes:
        """The document that whoever listens at `url` answers to the form with, of the media type `answer`.

        Errors: OutboundRefused, also for an answer that is not 200 or of another type.
        """
        content = urlencode(fields).encode("ascii")
        return await self._ask(url, "POST", {**headers, **_FORM, "accept": answer}, content, answer=answer)

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> "OutboundAnswer":
        """Whatever `url` answers, of any status: for protocols that say in status and fields what is meant.

        Errors: OutboundRefused, when nothing of an allowed size came from an allowed place in time.
        """

        async def asked() -> OutboundAnswer:
            async with self._opened(url, method, headers, content) as response:
                body = await self._whole(url, response)
                return OutboundAnswer(response.status_code, dict(response.headers), body)

        return await self._within(url, asked())

    async def _ask(
        self, url: str, method: str, headers: Mapping[str, str], content: bytes | None = None, *, answer: str = ""
    ) -> bytes:
        return await self._within(url, self._asked(url, method, headers, content, answer))

    async def _within(self, url: str, asked: Awaitable[_Result]) -> _Result:
        try:
            async with asyncio.timeout(self.total_s):
                return await asked
        except TimeoutError:
            raise OutboundRefused(f"{url} did not answer within {self.total_s} s") from None
        except (httpx.HTTPError, OSError, UnicodeError) as error:
            # UnicodeError: a host that is no name, from whichever of resolver and library looks at it first
            raise OutboundRefused(f"{url} cannot be asked: {type(error).__name__}: {error}") from error

    async def _asked(
        self, url: str, method: str, headers: Mapping[str, str], content: bytes | None, answer: str
    ) -> bytes:
        async with self._opened(url, method, headers, content) as response:
            if answer and response.headers.get("content-type", "").partition(";")[0].strip().lower() != answer:
                raise OutboundRefused(f"{url} answered {response.status_code} with something else than {answer}")
            if content is not None and not answer:
                if response.status_code not in _TAKEN:
                    raise OutboundRefused(f"{url} answered {response.status_code}")
                return b""
            return await self._read(url, response)

    @contextlib.asynccontextmanager
    async def _opened(
        self, url: str, method: str, headers: Mapping[str, str], content: bytes | None
    ) -> AsyncIterator[httpx.Response]:
        target = self._checked_url(url)
        port = target.port or (443 if target.scheme == "https" else 80)
        pinned = self.checked_address(await self.resolve(target.host, port), target.host)
        if target.scheme == "http" and not pinned.is_loopback:
            raise OutboundRefused(f"{url} is not https")
        async with (
            self._client() as client,
            client.stream(
                method,
                target.copy_with(host=str(pinned)),
                headers={**headers, "host": target.netloc.decode(), "accept-encoding": "identity"},
                content=content,
                extensions={"sni_hostname": target.host},
            ) as response,
        ):
            yield response

    def _client(self) -> httpx.AsyncClient:
        # to make trust takes milliseconds, so only where a connection will need it
        verify = True if self.kept else self.tls or ssl.create_default_context()
        return httpx.AsyncClient(
            verify=verify, transport=self.kept, trust_env=False, follow_redirects=False, timeout=self.total_s
        )

    async def _read(self, url: str, response: httpx.Response) -> bytes:
        if response.status_code != 200:
            raise OutboundRefused(f"{url} answered {response.status_code}")
        return await self._whole(url, response)

    async def _whole(self, url: str, response: httpx.Response) -> bytes:
        if "content-encoding" in response.headers:
            raise OutboundRefused(f"{url} answered with a content encoding nobody asked for")
        document = bytearray()
        async for piece in response.aiter_raw():
            document += piece
            if len(document) > self.document_bytes:
                raise OutboundRefused(f"{url} is larger than {self.document_bytes} bytes")
        return bytes(document)

    def _checked_url(self, url: str) -> httpx.URL:
        try:
            target = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise OutboundRefused(f"{url!r} is not a URL: {error}") from error
        if target.scheme != "https" and not (target.scheme == "http" and self.insecure_loopback_http):
            raise OutboundRefused(f"{url!r} is not https")
        if target.userinfo or target.fragment or not target.host:
            raise OutboundRefused(f"{url!r} must have a host, and neither user information nor a fragment")
        if target.port is not None and not 0 < target.port <= _PORT_MOST:
            raise OutboundRefused(f"{url!r} has no port that there is")
        return target

    def checked_address(self, texts: list[str], host: str) -> Address:
        """The first of a host's addresses, once all of them are allowed. Errors: OutboundRefused.

        One forbidden address among good ones is an attack or a mistake, so it is not skipped.
        """
        if not texts:
            raise OutboundRefused(f"{host} has no address")
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
        for address in addresses:
            if not self._is_allowed(inner_address(address)):
                raise OutboundRefused(f"{host} has the address {address}, which is not public")
        return addresses[0]

    def _is_allowed(self, address: Address) -> bool:
        if any(address in network for network in self.allowed_networks):
            return True
        if address.is_loopback:
            return self.insecure_loopback_http
        return address.is_global and not address.is_multicast and not address.is_reserved


def inner_address(address: Address) -> Address:
    """The IPv4 address that an IPv6 address only wraps (mapped, NAT64, 6to4, Teredo), or the address itself.

    Source: RFC 4291 section 2.5.5, RFC 6052, RFC 3056, RFC 4380.

    >>> str(inner_address(ipaddress.ip_address("::ffff:127.0.0.1")))
    '127.0.0.1'
    """
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64 or address.packed[:12] == bytes(12):
        # `::1` and `::` stay what they are; other addresses of `::/96` are the deprecated IPv4-compatible form.
        low = int.from_bytes(address.packed[12:])
        return address if low <= 1 else ipaddress.IPv4Address(low)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)
