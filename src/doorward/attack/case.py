"""An attack and its twin, as data. A leaf: controls describe their attacks with it and import nothing else of ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from doorward.attack.wire import Answer

KeyKind = Literal["valid", "expired", "revoked", "unknown", "elsewhere"]
"""Of an API key; one from elsewhere may be used from other networks only."""
Who = Literal["anonymous", "reader", "writer", "admin", "nobody", "api_key"]
"""Whose credential the runner adds: nobody's; a caller who may read; one who may write; one who may do all;
an authenticated caller without any role; an API key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request, as data. The runner adds Host, the credential of `who` and Content-Length."""

    method: str = "GET"
    target: str = "/"
    """Path and query as they go on the wire."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    who: Who = "anonymous"
    raw: bytes = b""
    """When set, sent as is on a connection of its own; `{host}`, `{authorization}`, `{path}` are filled in
    (`{authorization}` becomes the whole header line with its CRLF, or nothing)."""
    times: int = 1
    """How often it is sent; the last answer counts."""
    pause_s: float = 0.0
    """For raw asks: time between the first half and the rest (slow clients)."""
    plain: bool = False
    """Over plain TCP instead of TLS."""
    finish: Callable[["Ask", str], "Ask"] | None = None
    """What is left to do when the host is known, just before it is sent: signing."""
    echoes: str = ""
    """What the twin's answer must give back; where the API does not, nothing can be learnt, and the attack does not
    apply."""
    lab: str = ""
    """Which stage of the laboratory takes it; only `Samples.lab` sets it. Empty: the target under attack."""

    def with_header(self, name: str, value: str) -> "Ask":
        """The same request with one more header field."""
        return replace(self, headers=(*self.headers, (name, value)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proving:
    """How a request with a token bound to a key is proved (DPoP): well, unless something is said."""

    scheme: Literal["DPoP", "Bearer"] = "DPoP"
    is_bound: bool = True
    """Whether the token is bound at all."""
    is_demanded: bool = False
    """The operation must be one that takes no token without a proof."""
    count: int = 1
    """How many proofs come with the request."""
    by_thief: bool = False
    """Made with another key than the token is bound to."""
    header: Mapping[str, object] = field(default_factory=dict)
    claims: Mapping[str, object] = field(default_factory=dict)
    """Members of the proof that differ; None removes one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """How a request is signed: well, unless something is said."""

    components: tuple[str, ...] = ("@method", "@authority", "@path", "@query")
    covers_body: bool = True
    created_ago_s: int | None = 0
    """None: it does not say when."""
    expires_in_s: int | None = None
    has_nonce: bool = True
    key_id: str = ""
    """Instead of the signer's own."""
    algorithm: str = ""
    """Claimed; the signature is made with the key's own."""
    spoilt: bool = False
    """The signature is made up."""
    doubled: bool = False
    """There are two of them."""
    mislabelled: bool = False
    after: Callable[[Ask], Ask] | None = None
    """Changes the request after it was signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """How a body is encrypted (JWE): well, unless something is said."""

    key: Literal["gateway", "own", "stranger"] = "gateway"
    """Whose key it is encrypted to."""
    members: Mapping[str, object] = field(default_factory=dict)
    """Members of the header that differ; None removes one."""
    header: Mapping[str, object] = field(default_factory=dict)
    """Members that are changed after it was encrypted."""
    spoilt: bool = False
    """Changed on the way."""
    instead: bytes = b""
    """Sent in its place."""
    who: Who = "writer"
    """Who sends it; the writer made it."""
    times: int = 1


class Samples(Protocol):
    """Valid requests to the API under attack, made from its description and policy.

    Each method returns None when the API has no such operation: the attack is then reported as not applicable.
    """

    def read(self) -> Ask | None:
        """A request that a reader may make and that changes nothing."""

    def write(self) -> Ask | None:
        """A state-changing request with a JSON body, by a caller who may make it."""

    def privileged(self, who: Who) -> Ask | None:
        """A request that needs a role the reader lacks, made by `who`."""

    def protected(self) -> Ask | None:
        """A request, made with a reader's credential, to an operation that asks for one."""

    def scoped(self, *, has_scope: bool) -> Ask | None:
        """A request to an operation that demands a scope, with or without it."""

    def owned(self, *, own: bool) -> Ask | None:
        """A request for an object with an owner rule: the caller's own, or another's."""

    def named(self, *, own: bool) -> Ask | None:
        """A request whose query or body names an object with an owner rule: the caller's own, or another's."""

    def named_in_graphql(self, *, own: bool) -> Ask | None:
        """A GraphQL request for a field whose argument names an object: the caller's own, or another's."""

    def text(self, value: str) -> Ask | None:
        """A valid request that carries `value` in a free text field of its body or, failing that, a parameter."""

    def query_text(self, value: str) -> Ask | None:
        """A valid request that carries `value` in a free text query parameter."""

    def containing(self, kind: str, value: str) -> Ask | None:
        """A valid request that carries `value` in a member said to hold that kind (`x-doorward: {contains: sql}`)."""

    def echoed(self, kind: str, value: str) -> Ask | None:
        """A valid request that carries `value` in a free text member which the answer declares too.

        Only where the policy masks that kind of personal data (`minimise.mask`).
        """

    def body_value(self, pointer_kind: Literal["number", "string", "extra"], value: object) -> Ask | None:
        """The valid write request with one member of that kind replaced by `value` (`extra`: an undeclared one)."""

    def bodiless(self) -> Ask | None:
        """A request to an operation that declares no body."""

    def streamed(self) -> Ask | None:
        """A request whose declared body no control reads (binary upload)."""

    def graphql(self, query: str) -> Ask | None:
        """A GraphQL request, where the policy says that an operation takes them."""

    def guarded_property(self, who: Who) -> Ask | None:
        """A valid request by `who` that sets a member which only some roles may set (`x-doorward-roles`)."""

    def body_of(self, media_type: str) -> Ask | None:
        """A valid request whose body is of this type (`multipart/form-data`, `application/xml`)."""

    def upload(
        self, media_type: str, content: bytes, *, looked_into: Literal["", "archives", "antivirus"] = ""
    ) -> Ask | None:
        """A valid upload but for one file, which is of this type and has this content.

        `looked_into`: only to an operation whose policy opens archives, or has files scanned.
        """

    def sized_upload(self, *, beyond: int) -> Ask | None:
        """A valid upload with a file so many bytes beyond the bound of its field; None where no field has one."""

    def token(self, who: Who) -> str | None:
        """A valid compact JWT of that caller."""

    def forge(self, *, header: dict[str, object], claims: dict[str, object], valid_signature: bool) -> str | None:
        """The reader's token with header and claims changed (None removes one).

        Signed with the issuer's real key when `valid_signature`; None when that key is not at hand.
        """

    def api_key(self, kind: KeyKind) -> Ask | None:
        """A request by API key of that kind."""

    def secret(self, kind: Literal["valid", "wrong", "unknown"]) -> Ask | None:
        """A request by HTTP Basic: with a client's secret, with another one, or with the name of no client."""

    def bound(self, proving: Proving) -> Ask | None:
        """A request with a token bound to a key, proved like that."""

    def signed(self, signing: Signing, *, has_body: bool) -> Ask | None:
        """A request to an operation that takes nothing but signatures (RFC 9421), signed like that."""

    def webhook(self, signing: Signing) -> Ask | None:
        """A request with a body to an operation that takes plain HMAC signatures, signed like that."""

    def sealed(self, sealing: Sealing) -> Ask | None:
        """A request with an encrypted body, to an operation that takes nothing else, encrypted like that."""

    def lab(self, behaviour: str) -> Ask | None:
        """A request to the laboratory's misbehaving upstream; None outside the laboratory. See `attack.lab`."""


Send: TypeAlias = Callable[[Samples], Ask | None]
"""Makes a request, by samples of the API under attack."""


def changed(send: Send, **members: Any) -> Send:
    """The same request in which these members are others."""

    def send_changed(samples: Samples) -> Ask | None:
        ask = send(samples)
        return None if ask is None else replace(ask, **members)

    return send_changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A request a control must stop, and the nearest harmless one it must let pass.

    The attack counts as stopped when the answer carries the problem type of `earns` (or, with `earns_close`,
    when the connection is closed without an answer; or, with `is_harmless`, when the answer came without its harm); the
    twin passes when no denial answers it.
    """

    id: str
    """`control.what_it_tries`, unique."""
    name: str
    earns: str
    """The denial code; of an attack by an answer that is cleaned, the finding in the record."""
    threat: str
    """In words of the OWASP API Security Top 10 (2023), with its id: `API1:2023 Broken object level authorization`."""
    source: str
    """RFC, CVE, catalogue row or paper it comes from."""
    send: Send
    twin: Send
    earns_close: bool = False
    is_harmless: "Callable[[Answer], bool] | None" = None
    """Set for an answer that may leave once what does harm is taken out: whether it is."""

    @property
    def control(self) -> str:
        """The control that must stop it."""
        return self.earns.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What attacks on one control share that are listed together; what differs is said of each."""

    control: str
    threat: str
    earns: str = ""
    """What the codes they earn begin with."""
    twin: Send | None = None
    """Of those that bring none."""

    def attack(self, name: str, what: str, earns: str, source: str, send: Send, twin: Send | None = None) -> Attack:
        """One of them. Errors: TypeError for one without a twin."""
        twin = twin or self.twin
        if twin is None:
            raise TypeError(f"{self.control}.{name} has no twin")
        return Attack(
            id=f"{self.control}.{name}",
            name=what,
            earns=f"{self.control}.{self.earns}{earns}",
            threat=self.threat,
            source=source,
            send=send,
            twin=twin,
        )
