"""What an operator may write about forward."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

_ADDRESS: Final = r"^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):([1-9][0-9]{0,4})$"
TargetAddress = Annotated[str, StringConstraints(pattern=_ADDRESS)]
FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]


class HealthPolicy(BaseModel):
    """How targets are asked whether they are well."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]{0,1023}$")]
    """What is asked for with GET, as `/healthz`. Any 2xx means well."""
    interval_s: float = Field(default=5.0, ge=0.1, le=3_600.0)
    """Seconds between two questions to a target, by each worker."""
    timeout_s: float = Field(default=1.0, ge=0.05, le=60.0)
    """Seconds an answer may take."""
    unhealthy_after: int = Field(default=2, ge=1, le=100)
    """Bad answers in a row after which a target gets no requests."""
    healthy_after: int = Field(default=2, ge=1, le=100)
    """Good answers in a row after which it gets them again."""


class AdaptivePolicy(BaseModel):
    """How many requests a target is given at once, found from how its latency answers to load."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    least: int = Field(default=4, ge=1, le=10_000)
    """Requests of one worker that a target is always given. `connections` is the most."""
    tolerance: float = Field(default=2.0, ge=1.0, le=100.0)
    """How many times as long as without load an answer may take before a target is given less. Wide where operations
    differ much: a burst of slow ones is no overload."""


class ForwardPolicy(BaseModel):
    """How the upstream is reached and what it is told."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    upstream: str = ""
    """Where the API runs, as `http://127.0.0.1:8000` or `https://orders.internal/v1`; a path is put in front of every
    request's. Filled from the policy's own `upstream`."""
    host: Literal["upstream", "client"] = "upstream"
    """Whose Host the upstream sees. `upstream` by default: a Host the client chose has poisoned caches and links."""

    connect_s: float = Field(default=1.0, ge=0.01, le=60.0)
    """Seconds to reach the upstream, TLS included. Beyond it: 502."""
    response_s: float = Field(default=30.0, ge=0.1, le=3_600.0)
    """Seconds from the request's last byte to the response's, in all. Beyond it: 504."""
    targets: tuple[TargetAddress, ...] = Field(default=(), max_length=64, strict=False)
    """Addresses (`host:port`) that serve the upstream together; by default the one in its URL. Each request goes to the
    one of two, drawn by chance, that is expected to answer first. Scheme, Host, path and the name in the certificate
    stay the URL's."""
    health: HealthPolicy | None = None
    """Asks every target whether it is well. Without it a target is judged by how requests end."""
    breaker_failures: int = Field(default=5, ge=0, le=1_000)
    """Failed requests in a row (no connection, no whole answer in time; with several targets also 502, 503, 504) after
    which a target is left alone for a while. 0: never."""
    breaker_s: float = Field(default=1.0, ge=0.05, le=600.0)
    """Seconds it is left alone; then one request tries it. Twice as long after each failed try, at most 60 times."""
    connections: int = Field(default=64, ge=1, le=10_000)
    """Most connections of one worker to a target."""
    connection_s: float = Field(default=300.0, ge=1.0, le=86_400.0)
    """Seconds after which a connection is replaced by a new one: load balancers behind a name see new ones only."""
    resolve_s: float = Field(default=30.0, ge=1.0, le=86_400.0)
    """Seconds between two lookups of a target's name. The last good answer serves up to 5 minutes longer."""
    waiting: int = Field(default=256, ge=0, le=100_000)
    """Most requests of one worker that may wait for one of them. Beyond it: 503 with Retry-After."""
    waiting_s: float = Field(default=1.0, ge=0.01, le=600.0)
    """Seconds a request may wait for one; a tenth of it once the queue has not been empty for as long. Beyond it: 503.
    A queue is for bursts: an answer that comes late is one nobody waits for any more."""
    adaptive: AdaptivePolicy | None = None
    """Finds out how many requests a target can take at once, and lets the others wait or turns them away. Without it
    the limit is `connections`: what is slow by nature is not taken for overloaded."""
    idle_s: float = Field(default=4.0, ge=0.0, le=600.0)
    """Seconds an unused connection is kept. Below the upstream's own keep-alive (uvicorn: 5 s), or requests meet a
    connection that is just being closed."""
    retries: Literal[0, 1] = 1
    """How often an idempotent request is sent again when its connection broke before the answer's first byte: to
    another target, or if there is none to the same when the connection was a kept one, which may have been just
    closing. Never more than once, and never for POST or PATCH."""
    retry_percent: int = Field(default=10, ge=0, le=100)
    """Most requests sent a second time, per hundred: a failing upstream must not get twice the load."""
    response_bytes: int = Field(default=10 * 1024 * 1024, ge=1024, le=1024 * 1024 * 1024)
    """Largest response held in memory to be filtered, in bytes. Beyond it: 502."""

    ca_file: str | None = None
    """PEM file with the authorities that may vouch for an `https` upstream; the system's by default."""
    certificate: str | None = None
    """PEM file with the certificate that Doorward shows an `https` upstream (mutual TLS)."""
    key: str | None = None
    """PEM file with its private key."""
    insecure_unverified_tls: bool = False
    """Accepts any certificate of the upstream: whoever can answer at its address can then read and forge everything."""

    identity_header: FieldName = "doorward-caller"
    """Field that tells the upstream who is calling: a JWT signed with `keys/upstream.json`. What a client sends under
    this name never arrives. Nothing is added for an anonymous request."""
    identity_token_s: float = Field(default=30.0, ge=2.0, le=3_600.0)
    """Seconds such a token is valid: the longest a stolen one is of use. It is signed once in half that time."""
    identity_audience: str = Field(default="upstream", min_length=1, max_length=255)
    """The token's `aud`: what the upstream must expect in it."""
    identity_claims: list[str] = Field(default_factory=list, max_length=16)
    """Claims of the caller's own credential to put into it (`account_id`), beside `sub`, `kind`, `roles`, `scope`."""
    pass_credentials: bool = False
    """Hands the client's own credential on as well. Off by default: an upstream that logs it, leaks it."""
