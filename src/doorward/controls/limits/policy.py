"""What an operator may write about limits."""

from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator, model_validator

from doorward.controls.limits.quota import Quota
from doorward.controls.limits.rate import Rate

_PART: Final = r"^(caller|credential|role|address|operation|header:[a-zA-Z0-9-]{1,64})$"


Priority: TypeAlias = Literal["high", "normal", "low"]


class RulePolicy(BaseModel):
    """One more limit: who shares a count, on which operations, how much."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    """What records and refusals call it."""
    by: tuple[Annotated[str, StringConstraints(pattern=_PART)], ...] = Field(default=(), max_length=8, strict=False)
    """What requests of one count have in common: any of `caller`, `credential` (API key or token id), `role` (the set
    of roles), `address` (IPv6 by /64), `operation`, `header:NAME`. Empty: all requests share one count. A request that
    lacks a part is not counted by this rule; a header is the client's to choose, so never let it stand alone."""
    operations: tuple[str, ...] = Field(default=(), max_length=256, strict=False)
    """Operations it speaks of, as `GET /orders/{order_id}`; empty: all."""
    roles: tuple[str, ...] = Field(default=(), max_length=64, strict=False)
    """Only callers with one of these roles; empty: everybody."""
    rate: Rate | None = None
    """So many requests a time, weighed by the operation's `cost`. Beyond it: 429, or held back."""
    concurrency: int | None = Field(default=None, ge=1, le=1_000_000)
    """So many exchanges under way at a time. Beyond it: 429."""
    throttle_s: float = Field(default=0.0, ge=0.0, le=60.0)
    """Longest time, in seconds, that a request beyond the rate is held back for its turn; 0: it is refused."""
    throttled: int = Field(default=16, ge=1, le=10_000)
    """Most requests of one count that are held back at a time. Beyond it: 429."""

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.rate is None and self.concurrency is None:
            raise ValueError("limits nothing: write `rate` or `concurrency`")
        if self.throttle_s and self.rate is None:
            raise ValueError("throttle_s holds requests back for a `rate`, and there is none")
        return self


class SharedPolicy(BaseModel):
    """Where several gateways count together: a Valkey or Redis server."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    url: Annotated[str, StringConstraints(pattern=r"^(redis|rediss|valkey|valkeys)://[^@/?#]+(:[0-9]+)?(/[0-9]+)?$")]
    """As `rediss://valkey.internal:6379/0`; with `s` over TLS. Without a password: that is `password`."""
    username: str | None = None
    """Of an ACL user; none for the default user."""
    password: SecretStr | None = Field(default=None, exclude=True)
    """As `${VALKEY_PASSWORD}` or `file:valkey.password`. Workers never get it."""
    ca_file: str | None = None
    """PEM certificates that may vouch for the server; none: those of the system."""
    hosts: int = Field(default=2, ge=1, le=1_000)
    """Gateways that count together. When the server is lost, each gives out its share of every limit."""
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:_-]{1,64}$")] = "doorward"
    """Begins every key; gateways of different APIs on one server need different ones."""


class LimitsPolicy(BaseModel):
    """How much one address and one caller may ask for."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    per_address: Rate | None = Rate.parse("1200/minute")
    """Requests an address may send, refused ones included (IPv6 by /64). `null` counts no addresses: for a gateway
    that sees all clients through one load balancer. Default 20 a second: a page load of a busy office passes."""
    per_caller: Rate | None = Rate.parse("600/minute")
    """Requests an authenticated caller may send, whatever address they come from. `null` sets no rate."""
    quota: dict[str, Quota] = Field(default_factory=dict)
    """Role -> requests a calendar hour, day or month (UTC) for each caller with that role, as `reader: 10000/day`.
    A caller with several of these roles has the largest of their quotas. A role not named here has none."""

    rules: tuple[RulePolicy, ...] = Field(default=(), max_length=64, strict=False)
    """Limits of your own, all of which must agree. Written at the top only; `cost` differs by operation."""

    @field_validator("rules")
    @classmethod
    def _names_differ(cls, rules: tuple[RulePolicy, ...]) -> tuple[RulePolicy, ...]:
        names = [rule.name for rule in rules]
        if len(set(names)) != len(names):
            raise ValueError("two rules have one name")
        return rules

    shared: SharedPolicy | None = None
    """Counts rates and quotas together with other gateways. Written at the top only; takes effect at the next start."""

    cost: int = Field(default=1, ge=1, le=1_000)
    """What one request counts in `rules` with a rate: an export may weigh as much as fifty reads."""

    priority: Priority = "normal"
    """Who is turned away first when memory, the trail's disk or the processor runs short: `low` first, `high` never.
    Of requests that wait for the upstream, those of higher priority go first."""
    memory_bytes: int | None = Field(default=None, ge=64 * 1024 * 1024, le=1024 * 1024 * 1024 * 1024)
    """Memory one worker may use, in bytes: at 85 % of it requests begin to be turned away. The bound of a control group
    is heeded without being named here."""

    head_bytes: int = Field(default=16 * 1024, ge=1024, le=256 * 1024)
    """Largest request head (request line and fields), in bytes. Beyond it: 431. As h11; Tomcat takes 8 KiB."""
    target_bytes: int = Field(default=8 * 1024, ge=256, le=64 * 1024)
    """Longest request target, in bytes. Beyond it: 414. RFC 9112 section 3 asks for at least 8,000."""
    header_count: int = Field(default=100, ge=8, le=1_000)
    """Most header fields. Beyond it: 431. As Apache and h11."""
    body_bytes: int = Field(default=1024 * 1024, ge=0, le=1024 * 1024 * 1024)
    """Largest request body, in bytes, read or streamed. Beyond it: 413. As nginx."""
    buffered_bytes: int = Field(default=256 * 1024 * 1024, ge=64 * 1024, le=64 * 1024 * 1024 * 1024)
    """Most bytes of request bodies, and of answers that slow clients leave waiting, that one worker holds at a time.
    Beyond it: 503, or the slow client is broken off, rather than the kernel's out-of-memory killer."""

    head_s: float = Field(default=10.0, ge=0.1, le=300.0)
    """Seconds from a head's first byte to its last, in all, not per read. Beyond it: 408."""
    body_s: float = Field(default=30.0, ge=0.1, le=3_600.0)
    """Seconds from the end of the head to the end of the body, in all. Beyond it: 408."""
    idle_s: float = Field(default=60.0, ge=0.1, le=3_600.0)
    """Seconds a kept-alive connection may wait for its next request; then it is closed without an answer."""

    write_s: float = Field(default=30.0, ge=0.1, le=3_600.0)
    """Seconds a client may leave an answer waiting without taking any of it; then the connection, or the stream, is
    broken off (hostile input D2)."""

    connections: int = Field(default=10_000, ge=1, le=1_000_000)
    """Most open client connections of one worker. Beyond it: 503, then close."""
    connections_per_address: int = Field(default=256, ge=1, le=1_000_000)
    """Most open connections from one address (IPv6 by /64) to one worker. Beyond it: 503, then close."""
