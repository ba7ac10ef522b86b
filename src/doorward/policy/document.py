"""What an operator may write: the policy as a tree of models. Reading the file is `policy.loading`'s."""

from functools import cached_property
from pathlib import Path
from typing import Literal, Self, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from doorward.controls.audit.policy import AuditPolicy
from doorward.controls.authenticate.policy import AuthenticatePolicy, IssuerPolicy, local_issuer
from doorward.controls.authorize.policy import AuthorizePolicy, OwnerRule
from doorward.controls.forward.policy import ForwardPolicy
from doorward.controls.inspect.policy import InspectPolicy
from doorward.controls.limits.policy import LimitsPolicy
from doorward.controls.minimise.policy import MinimisePolicy
from doorward.controls.transport.policy import TransportPolicy
from doorward.controls.validate.policy import ValidatePolicy
from doorward.operation import Operation
from doorward.policy.issuer import AdminSettings, IssuerSettings
from doorward.policy.modelling import made, merged, written
from doorward.policy.operation_policy import OperationKey, OperationPolicy, described_policy, operation_key
from doorward.policy.store import StoreSettings
from doorward.policy.tls import TlsSettings
from doorward.policy.values import Address, ControlName, HttpUrl, Mode, Network, PolicyPath, with_files

_Issuer: TypeAlias = Literal["local"] | IssuerPolicy


class Policy(BaseModel):
    """The operator's document, `doorward.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    api: PolicyPath
    """The API description: an OpenAPI 3.0, 3.1 or 3.2 document, JSON or YAML."""
    upstream: HttpUrl
    """Where the guarded API runs: `http://127.0.0.1:8000`."""
    listen: Address = "127.0.0.1:8443"
    """Address of the gateway. Loopback until told otherwise, so that trying it out exposes nothing."""
    tls: TlsSettings | None = None
    """Certificate and key of the gateway. Needed unless `insecure_plain_http` is set."""
    insecure_plain_http: bool = False
    """Serves without TLS: everybody on the way can read and change everything. Only behind a TLS terminator."""
    plain_redirect: Address | None = None
    """Address that answers plain HTTP with 308 to https for GET and HEAD, and refuses the rest. None: no such port."""
    workers: int = Field(default=1, ge=1, le=256)
    """Number of worker processes. One serves thousands of requests a second; more than the CPU cores slow it down."""
    # A text, not a Path: the default is validated like the rest, as JSON, where strict mode takes texts only.
    state: PolicyPath = Field(default=cast("Path", ".doorward"), validate_default=True)
    """Directory for keys, store and audit trail (mode 0700)."""
    store: StoreSettings | None = None
    """A PostgreSQL database for users, clients, keys, sessions and tokens. None: a SQLite file in `state`. Takes effect
    at the next start."""
    issuer: IssuerSettings = IssuerSettings()
    """Doorward's own identity provider."""
    admin: AdminSettings | None = None
    """The admin API. None: there is none."""
    issuers: tuple[_Issuer, ...] = ("local",)
    """Who may vouch for a caller: `local`, or an external issuer."""
    insecure_issuer_networks: tuple[Network, ...] = ()
    """Networks from which the keys of external issuers and of clients may be fetched although they are not public
    (loopback, private). None by default: a `jwks_url` that leads inside turns the gateway into a way in (server-side
    request forgery)."""
    roles: dict[str, tuple[str, ...]] = {}
    """Role to grants (`"*"`, `GET *`, `POST /orders`, `GET /orders/*`). What no role grants, nobody may do."""
    owners: dict[str, str | OwnerRule] = {}
    """Where an id of an object stands to the caller's claim that must equal it: `/accounts/{id}: caller.account_id`,
    `GET /statements?account: caller.account_id`, `POST /transfers#/from: caller.account_id`."""
    insecure_undescribed: bool = False
    """Lets requests pass that the API description lacks, while it is being written: inspected, limited, and recorded
    with the names and types of what they carry, for `doorward learn`. Callers need what the description's own
    `security` asks for and a role that grants all paths (`"*"`, `GET *`); where it asks for nothing, anybody may."""
    public: tuple[OperationKey, ...] = ()
    """Operations that need no credential."""
    limits: LimitsPolicy = LimitsPolicy()
    """How much one address and one caller may ask for."""
    transport: TransportPolicy = TransportPolicy()
    """How strictly a request is read."""
    authenticate_: AuthenticatePolicy = Field(default=AuthenticatePolicy(), alias="authenticate")
    """How callers prove who they are."""
    validate_: ValidatePolicy = Field(default=ValidatePolicy(), alias="validate")
    """How strictly a request must fit the API description."""
    inspect: InspectPolicy = InspectPolicy()
    """Which kinds of harmful content are looked for."""
    forward_: ForwardPolicy = Field(default=ForwardPolicy(), alias="forward")
    """How the upstream is reached and what it is told."""
    minimise: MinimisePolicy = MinimisePolicy()
    """What may leave in a response."""
    audit: AuditPolicy = AuditPolicy()
    """How exchanges are recorded."""
    modes: dict[ControlName, Mode] = {}
    """Control to `enforce` (the default), `observe` (record what it would have refused) or `off`."""
    operations: dict[OperationKey, OperationPolicy] = {}
    """What differs for single operations, by `METHOD /path`."""

    @model_validator(mode="after")
    def _tls_or_said_otherwise(self) -> Self:
        if self.tls is None and not self.insecure_plain_http:
            raise ValueError("tls is missing: write tls: {certificate: ..., key: ...}")
        if self.tls is not None and self.tls.acme is not None and self.plain_redirect is None:
            raise ValueError('tls.acme needs plain_redirect: ":80", where the ACME server asks for its proof')
        if self.tls is None and self.issuer.mtls_listen is not None:
            raise ValueError("issuer.mtls_listen needs tls: without it nobody can show a certificate")
        if self.transport.client_certificate and (self.tls is None or not self.tls.asks_clients):
            raise ValueError(
                "transport.client_certificate needs tls.client_ca or tls.local_ca: who vouches for clients?"
            )
        return self

    @field_validator("issuers")
    @classmethod
    def _issuers_can_be_asked(cls, issuers: tuple[_Issuer, ...], info: ValidationInfo) -> tuple[_Issuer, ...]:
        return tuple(issuer if issuer == "local" else _askable(issuer, info) for issuer in issuers)

    @field_validator("authenticate_")
    @classmethod
    def _issuers_stand_above(cls, policy: AuthenticatePolicy) -> AuthenticatePolicy:
        if policy.issuers:
            raise ValueError("issuers do not stand here: write them as `issuers:` at the top")
        if policy.hosts:
            raise ValueError("hosts do not stand here: write them as `transport: {hosts: ...}`")
        return policy

    @field_validator("forward_")
    @classmethod
    def _upstream_stands_above(cls, policy: ForwardPolicy, info: ValidationInfo) -> ForwardPolicy:
        if policy.upstream:
            raise ValueError("the upstream does not stand here: write it as `upstream:` at the top")
        return with_files(policy, info, "ca_file", "certificate", "key")

    @field_validator("limits")
    @classmethod
    def _shared_files_are_beside_the_policy(cls, policy: LimitsPolicy, info: ValidationInfo) -> LimitsPolicy:
        if policy.shared is None:
            return policy
        return policy.model_copy(update={"shared": with_files(policy.shared, info, "ca_file")})

    def run_by(self, workers: int) -> Self:
        """The policy with the number of workers that there really are: it is read once, when the gateway starts."""
        return self if workers == self.workers else self.model_copy(update={"workers": workers})

    @property
    def counts_together(self) -> bool:
        """Whether a worker's own counts are not all there is."""
        return self.workers > 1 or self.limits.shared is not None

    @property
    def hosts(self) -> int:
        """Gateways that share their counts, and what was used once."""
        return 1 if self.limits.shared is None else self.limits.shared.hosts

    @property
    def memory(self) -> tuple[int, str]:
        """How many hosts remember together what was used once, and where; empty for one, which remembers by itself."""
        shared = self.limits.shared
        return (1, "") if shared is None or self.hosts == 1 else (self.hosts, f"{shared.url} {shared.prefix}")

    @property
    def remembers_together(self) -> bool:
        """Whether what a worker itself has seen used once is not all there is."""
        return self.workers > 1 or self.hosts > 1

    @cached_property
    def authenticate(self) -> AuthenticatePolicy:
        """How callers prove who they are, the accepted issuers included. Errors: PolicyError when two are the same."""
        issuers = tuple(local_issuer(self.issuer.url) if issuer == "local" else issuer for issuer in self.issuers)
        found = {**written(self.authenticate_), "issuers": issuers, "hosts": self.transport.hosts}
        if self.hosts > 1:
            # A proof with a nonce is good on the host alone that made it, and needs no memory but that one's.
            found["proof_nonce"] = "required"
        return made(AuthenticatePolicy, found)

    def authenticate_of(self, operation: Operation) -> AuthenticatePolicy:
        """`authenticate` as it stands for this operation."""
        proof = self.operation_policy(operation).proof
        if proof is None or proof == self.authenticate.proof:
            return self.authenticate
        return self.authenticate.model_copy(update={"proof": proof})

    @cached_property
    def authorize(self) -> AuthorizePolicy:
        """Roles and owners as the control takes them. Errors: PolicyError for a grant or owner rule it refuses."""
        return made(AuthorizePolicy, {"roles": self.roles, "owners": self.owners})

    @cached_property
    def forward(self) -> ForwardPolicy:
        """How the upstream is reached, its address included."""
        return made(ForwardPolicy, {**written(self.forward_), "upstream": self.upstream})

    def operation_policy(self, operation: Operation) -> OperationPolicy:
        """What differs for this operation: the policy's word first, the description's `x-doorward` second.

        Errors: PolicyError when `x-doorward` holds something that is not a setting.
        """
        described = described_policy(operation)
        written_here = self.operations.get(operation_key(operation))
        return described if written_here is None else written_here.over(described)

    def modes_of(self, operation: Operation) -> dict[ControlName, Mode]:
        """Mode of every control whose mode was written, for this operation."""
        modes = dict(self.modes)
        modes.update(self.operation_policy(operation).modes.items())
        return modes

    def is_public(self, operation: Operation) -> bool:
        """Whether the operator said that this operation needs no credential."""
        said = self.operation_policy(operation).public
        return operation_key(operation) in self.public if said is None else said

    def limits_of(self, operation: Operation) -> LimitsPolicy:
        """`limits` as it stands for this operation."""
        return merged(self.limits, self.operation_policy(operation).limits) or self.limits

    def validate_of(self, operation: Operation) -> ValidatePolicy:
        """`validate` as it stands for this operation."""
        return merged(self.validate_, self.operation_policy(operation).validate_) or self.validate_


def _askable(issuer: IssuerPolicy, info: ValidationInfo) -> IssuerPolicy:
    if issuer.signs and not issuer.jwks_url and not issuer.issuer.startswith("https://"):
        raise ValueError(f"{issuer.issuer} is no https URL that could be asked for its keys: write its jwks_url")
    if issuer.introspection is None:
        return issuer
    asked = with_files(issuer.introspection, info, "secret_file", "key_file", "ca_file")
    return issuer.model_copy(update={"introspection": asked})
