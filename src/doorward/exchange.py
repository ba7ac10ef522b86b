"""One request and its response, and the facts found about them so far. Plain slotted data; no I/O, no decisions."""

from collections.abc import Callable, Iterator, KeysView, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias

from doorward.denial import Denied
from doorward.operation import Operation

Header: TypeAlias = tuple[bytes, bytes]
CallerKind = Literal["user", "client", "api_key", "signature", "certificate"]


class _Unparsed:
    __slots__ = ()

    def __repr__(self) -> str:
        return "UNPARSED"


UNPARSED: Final = _Unparsed()
"""The body was not (yet) read as JSON; distinct from a body that is `null`."""


class Headers:
    """Header fields in order of arrival, names in lower case; the one accessor for header values.

    >>> fields = Headers([(b"host", b"a"), (b"accept", b"x"), (b"accept", b"y")])
    >>> fields.get(b"accept"), fields.all(b"accept"), b"cookie" in fields
    (b'x', [b'x', b'y'], False)
    """

    __slots__ = ("_first", "items", "memo")

    def __init__(self, items: list[Header]) -> None:
        self.items = items
        self.memo: dict[Any, Any] = {}
        """What a control found out about these fields, under a key of its own: the next request of a connection often
        has the same ones. Fields are never changed, so what was found holds."""
        first: dict[bytes, bytes] = {}
        for name, value in items:
            first.setdefault(name, value)
        self._first = first

    def get(self, name: bytes) -> bytes | None:
        """The first value of a field, or None. Fields that may come once only are held to that by `transport`."""
        return self._first.get(name)

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a field, in order."""
        if name not in self._first:
            return []
        return [value for field_name, value in self.items if field_name == name]

    @property
    def names(self) -> KeysView[bytes]:
        """Every name, once."""
        return self._first.keys()

    @property
    def has_repeats(self) -> bool:
        """Whether some field came more than once."""
        return len(self._first) != len(self.items)

    def __contains__(self, name: bytes) -> bool:
        return name in self._first

    def __iter__(self) -> Iterator[Header]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


class Request:
    """What was asked. `path` and `query` are the bytes that are decided on *and* forwarded."""

    __slots__ = ("body", "has_body", "headers", "http_version", "method", "path", "query", "scheme", "target")

    def __init__(
        self,
        method: str,
        target: bytes,
        path: bytes,
        query: bytes,
        headers: Headers,
        scheme: Literal["http", "https"] = "https",
        http_version: str = "1.1",
        has_body: bool = False,
        body: bytes = b"",
    ) -> None:
        self.method = method
        self.target = target
        """The request target as it came; kept for the record only."""
        self.path = path
        """Raw path; `transport` replaces it once by its canonical form."""
        self.query = query
        """Raw query without the question mark; empty when there is none."""
        self.headers = headers
        self.scheme: Literal["http", "https"] = scheme
        self.http_version = http_version
        self.has_body = has_body
        """The head announces a body (Content-Length above 0, or chunked)."""
        self.body = body
        """The whole body, once read; empty while it is streamed."""


class Response:
    """What the upstream answered. `minimise` changes it in place."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: list[Header], body: bytes | None = None) -> None:
        self.status = status
        self.headers = headers
        """Names in lower case, in order."""
        self.body = body
        """The whole body when a control reads it; None while it is streamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """The certificate a client proved in its handshake: chain, validity and purpose were checked then.

    It may have expired or been revoked since.
    """

    thumbprint: str
    """SHA-256 of the DER form, base64url without padding: as `x5t#S256` has it (RFC 8705 section 3.1)."""
    subject: str
    """The distinguished name (RFC 4514)."""
    dns_names: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    """SPIFFE ids, for one."""
    emails: tuple[str, ...] = ()
    serial: str = ""
    """Hexadecimal, at least 32 digits. Unique for an authority."""
    authority: str = ""
    """Whose signature it has: SHA-256 of the authority's public key, hexadecimal. Names can be shared, keys not."""
    anchor: str = ""
    """The authority at the end of its chain, which is trusted by itself: named like `authority`, and often the same."""
    fingerprint: str = ""
    """SHA-256 of the DER form, hexadecimal."""
    expires_at: float = float("inf")
    """Unix seconds."""
    list_uris: tuple[str, ...] = ()
    """Where its authority publishes its revocation lists: names of parts of it, for Doorward never fetches one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a connection comes from."""

    address: str
    port: int = 0
    tls_version: str | None = None
    """As `ssl` names it (`TLSv1.3`); None on a plain connection."""
    via: str = ""
    """The listed proxies that vouch for the address, nearest to the client first; empty when it is the peer's own."""
    certificate: ClientCertificate | None = None
    """The peer's own; None when it showed none, and for a client that a listed proxy speaks for."""
    shown_names: frozenset[bytes] | None = None
    """Names of the certificate that was shown to the client, where there are several; None: every Host fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is calling, proved. Only `authenticate` makes one."""

    subject: str
    kind: CallerKind
    issuer: str
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict)
    """All verified claims of the token; for an API key the claims stored with it."""
    credential_id: str = ""
    """The token's `jti` or the key's id: names the credential without revealing it."""
    expires_at: float = float("inf")
    """Unix seconds after which the proof is void."""

    @property
    def key(self) -> str:
        """One text for this caller across issuers: what limits count by."""
        return f"{self.issuer}|{self.subject}"


def claim_at(claims: Mapping[str, Any], path: str) -> object:
    """The claim of that name, or the one a dotted path leads to; None when there is none.

    A name with dots wins.

    >>> claim_at({"realm_access": {"roles": ["clerk"]}}, "realm_access.roles")
    ['clerk']
    >>> claim_at({"https://example.com/roles": ["admin"]}, "https://example.com/roles")
    ['admin']
    """
    if path in claims:
        return claims[path]
    value: object = claims
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleUse:
    """A proof that may be used once. `authenticate` notes it, and uses it up before anything else is done."""

    proof: bytes
    """What tells it from all others, of 16 bytes."""
    usable_from: float
    """First moment at which it could have been accepted, Unix seconds."""
    until: float
    """Last such moment."""
    ahead_s: float = 0.0
    """How much of that time lies before the moment at which the proof says it was made, in seconds. Both bounds are of
    the policy in force, and another policy may draw them closer or wider around that moment."""
    holder: str = ""
    """Whose it is, so that nobody takes all the room there is to remember proofs; empty: anybody's."""
    here: bool = False
    """No other host would accept it: what is in it was given out by this one."""
    refusal: Denied
    """For who comes with it a second time."""
    unknown: Denied | None = None
    """For when nobody can tell, and the client can do something about it; None: 503."""


_NO_VALUES: Final[Mapping[str, str]] = {}


class BodyFilter(Protocol):
    """Filters a body piece by piece. Errors of both: Denied, in the middle of the answer."""

    def feed(self, data: bytes) -> bytes:
        """What may leave now; empty when more is needed first."""

    def end(self) -> bytes:
        """What may leave at the end."""

    def findings(self) -> list[str]:
        """What was done so far, as it stands in the record."""


class Exchange:
    """One request, its response and the facts found so far; handed from control to control.

    Made once a request: no dataclass, because the constructor that one gets is never compiled.
    """

    __slots__ = (
        "answer_headers",
        "body_filter",
        "bytes_in",
        "bytes_out",
        "caller",
        "complete_at",
        "delay_s",
        "denied",
        "fault",
        "file_names",
        "findings",
        "graphql",
        "id",
        "json_body",
        "now",
        "on_end",
        "operation",
        "parameters",
        "passed",
        "path_values",
        "policy_version",
        "request",
        "response",
        "scopes_demanded",
        "seal_answer",
        "single_use",
        "source",
        "ticks",
        "uploads",
        "upstream_ms",
    )

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - what it is called everywhere
        now: float,
        ticks: float,
        source: Source,
        request: Request,
        response: Response | None = None,
        operation: Operation | None = None,
        path_values: Mapping[str, str] = _NO_VALUES,
        caller: Caller | None = None,
        policy_version: str = "",
    ) -> None:
        self.id = id
        """Request id: 32 lower-case hex digits, made by the gateway, never taken from the client."""
        self.now = now
        """Wall clock when the head was complete, Unix seconds. The only clock a control may use, but for the next."""
        self.complete_at = now
        """Wall clock when a body that is read whole was complete; until then `now`. For proofs that a body is part of:
        it may come much later than the head."""
        self.ticks = ticks
        """Monotonic clock at the same moment, seconds: for rates and durations."""
        self.source = source
        self.request = request
        self.response = response
        self.operation = operation
        self.path_values = path_values
        """Path parameters of the matched operation, percent-decoded once."""
        self.parameters: dict[tuple[str, str], Any] = {}
        """Validated parameters by (location, name), in the type the description gives them."""
        self.body_filter: BodyFilter | None = None
        """What the body of a streamed answer goes through on its way out."""
        self.file_names: tuple[tuple[str, str], ...] = ()
        """Names of uploaded files, each after the name of its field."""
        self.uploads: tuple[tuple[str, bytes], ...] = ()
        """Uploaded files, each after the name of its field, until they are scanned; empty where no scanner is named."""
        self.json_body: Any = UNPARSED
        self.graphql: list[tuple[str, dict[str, Any]]] | None = None
        """The fields that a GraphQL request asks for, each with its arguments; None: no such request was read."""
        self.caller = caller
        self.scopes_demanded: tuple[frozenset[str], ...] | None = None
        """Scope sets of the `security` alternatives the credentials meet: `authorize` wants one of them granted.
        None: `authenticate` has not spoken."""
        self.single_use: list[SingleUse] = []
        """Proofs of the caller that may be used once and are not used up yet."""
        self.seal_answer: Callable[[Exchange, Response], None] | None = None
        """Encrypts whatever answer leaves, a refusal included, to the caller; set once the caller named a key."""
        self.findings: list[str] = []
        """Facts for the record that refuse nobody, such as `transport.forwarded` or `minimise.undeclared_field:3`."""
        self.answer_headers: list[Header] = []
        """Added to whatever answer leaves, a refusal included (RateLimit and its like)."""
        self.delay_s = 0.0
        """Time the request is held back before it goes on, in seconds: throttling. The mount waits, no control does."""
        self.on_end: list[Callable[[], None]] = []
        """Called by the mount, once each, when nothing of the exchange is left under way: gives back what was
        taken."""
        self.passed = 0
        """Checks of the head behind it; more than 0 before the first only when one of them was Pending."""
        self.denied: Denied | None = None
        """The denial that was answered, if any."""
        self.fault = ""
        """What broke on our side, if anything did; for the record, never for the client."""
        self.upstream_ms = 0.0
        self.bytes_in = 0
        self.bytes_out = 0
        self.policy_version = policy_version


class Pending(Exception):
    """A check cannot say yet: somebody had to be asked. No verdict, and nothing a client ever sees."""

    def __init__(self, ask: Callable[[Callable[[], None]], None]) -> None:
        super().__init__("a check waits for an answer")
        self.ask = ask
        """Call it with what is to be called once, when the check can be run again. It may call back at once."""


Check: TypeAlias = Callable[[Exchange], None]
"""One compiled step of a control. It returns (having added facts) or raises Denied; it never waits. A check that needs
an answer from elsewhere raises Pending, having changed nothing, and is run again."""
