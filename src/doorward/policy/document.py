"""What an operator may write: the policy as a tree of models. Reading the file is `policy.loading`'s."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias, TypeVar, cast

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from doorward.controls.audit.policy import AuditPolicy
from doorward.controls.authenticate.policy import AuthenticatePolicy, IssuerPolicy, ProofDemand, local_issuer
from doorward.controls.authorize.policy import AuthorizePolicy, OwnerRule
from doorward.controls.forward.policy import ForwardPolicy
from doorward.controls.inspect.policy import InspectPolicy
from doorward.controls.limits.policy import LimitsPolicy
from doorward.controls.minimise.policy import MinimisePolicy
from doorward.controls.transport.policy import TransportPolicy, WebSocketPolicy
from doorward.controls.validate.policy import GraphqlPolicy, ValidatePolicy
from doorward.operation import Operation
from doorward.policy.issuer import AdminSettings, IssuerSettings
from doorward.policy.messages import first_mistake
from doorward.policy.tls import TlsSettings
from doorward.policy.values import Address, HttpUrl, Network, PolicyPath, beside_the_policy

ControlName: TypeAlias = Literal["transport", "limits", "authenticate", "authorize", "validate", "inspect", "minimise"]
"""The controls that have a mode. `forward` and `audit` have none: a request is forwarded and recorded, or refused."""
OperationControl: TypeAlias = Literal["limits", "authenticate", "authorize", "validate", "inspect", "minimise"]
"""The controls whose mode one operation may change; `transport` is done before it is known which operation it is."""
_LIMITS_OF_OPERATIONS: Final = frozenset({"per_caller", "quota", "body_bytes", "cost"})
Mode: TypeAlias = Literal["enforce", "observe", "off"]

_Model = TypeVar("_Model", bound=BaseModel)
_CONFIG: Final = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
_OPERATION_KEY: Final = re.compile(r"[A-Z]+ /[^\s]*")


def _with_files(issuer: IssuerPolicy, info: ValidationInfo) -> IssuerPolicy:
    settings = issuer.introspection
    if settings is None:
        return issuer
    files = {"secret_file": settings.secret_file, "key_file": settings.key_file, "ca_file": settings.ca_file}
    found = {name: str(beside_the_policy(Path(file), info)) for name, file in files.items() if file is not None}
    return issuer.model_copy(update={"introspection": settings.model_copy(update=found)})


def _operation_key(text: str) -> str:
    if not _OPERATION_KEY.fullmatch(text):
        raise ValueError("does not name an operation: write METHOD /path, such as GET /orders/{order_id}")
    return text


OperationKey = Annotated[str, AfterValidator(_operation_key)]
"""`GET /orders/{order_id}`: method and path template as the API description writes it."""


class OperationPolicy(BaseModel):
    """What differs for one operation. The same may stand in the API description under `x-doorward`."""

    model_config = _CONFIG

    public: bool | None = None
    """True: no credential is needed. False: one is needed although the description marks it public."""
    modes: dict[OperationControl, Mode] = {}
    """Modes of controls for this operation; they win over the global ones."""
    limits: LimitsPolicy | None = None
    """`per_caller`, `quota` and `body_bytes` that differ; what is not written stays as it is globally."""
    validate_: ValidatePolicy | None = Field(default=None, alias="validate")
    """Settings of `validate` that differ; what is not written stays as it is globally."""
    graphql: GraphqlPolicy | None = None
    """Says that the operation takes GraphQL requests, and what one of them may ask for."""
    websocket: WebSocketPolicy | None = None
    """Lets a WebSocket be opened with this operation (a GET), and says what it may do."""
    proof: ProofDemand | None = None
    """As `authenticate.proof`, for this operation. What the description says here can only demand a proof, never do
    without one that the policy demands."""
    body: Literal["jwe"] | None = None
    """`jwe`: bodies of requests and answers are encrypted messages (JWE), between the client and the gateway, whatever
    ends TLS in between. The description goes on to say what is in them. Beside it the caller needs a credential:
    encryption proves nobody."""
    sign_answers: bool | None = None
    """True: the gateway signs each answer (RFC 9421), refusals too, so that a client knows it is whole and to its own
    question. Its body is held whole, so it must not be a stream without an end."""

    @field_validator("limits")
    @classmethod
    def _only_what_can_differ(cls, limits: LimitsPolicy | None) -> LimitsPolicy | None:
        # A setting that would change nothing is worse than none: whoever wrote it believes in it.
        without_effect = limits.model_fields_set - _LIMITS_OF_OPERATIONS if limits else None
        if without_effect:
            raise ValueError(f"{min(without_effect)} holds for the whole gateway: write it under the global limits")
        return limits


class Policy(BaseModel):
    """The operator's document, `doorward.yaml`."""

    model_config = _CONFIG

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
    issuer: IssuerSettings = IssuerSettings()
    """Doorward's own identity provider."""
    admin: AdminSettings | None = None
    """The admin API. None: there is none."""
    issuers: tuple[Literal["local"] | IssuerPolicy, ...] = ("local",)
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
    def _keys_can_be_found(
        cls, issuers: tuple[Literal["local"] | IssuerPolicy, ...]
    ) -> tuple[Literal["local"] | IssuerPolicy, ...]:
        for issuer in issuers:
            if issuer == "local" or not issuer.signs:
                continue
            if not issuer.jwks_url and not issuer.issuer.startswith("https://"):
                raise ValueError(
                    f"{issuer.issuer} is no https URL that could be asked for its keys: write its jwks_url"
                )
        return issuers

    @field_validator("issuers")
    @classmethod
    def _files_of_issuers_are_beside_the_policy(
        cls, issuers: tuple[Literal["local"] | IssuerPolicy, ...], info: ValidationInfo
    ) -> tuple[Literal["local"] | IssuerPolicy, ...]:
        return tuple(issuer if issuer == "local" else _with_files(issuer, info) for issuer in issuers)

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
        files = {"ca_file": policy.ca_file, "certificate": policy.certificate, "key": policy.key}
        found = {name: str(beside_the_policy(Path(file), info)) for name, file in files.items() if file is not None}
        return policy.model_copy(update=found) if found else policy

    @field_validator("limits")
    @classmethod
    def _shared_files_are_beside_the_policy(cls, policy: LimitsPolicy, info: ValidationInfo) -> LimitsPolicy:
        shared = policy.shared
        if shared is None or shared.ca_file is None:
            return policy
        found = shared.model_copy(update={"ca_file": str(beside_the_policy(Path(shared.ca_file), info))})
        return policy.model_copy(update={"shared": found})

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
        found = {**_written(self.authenticate_), "issuers": issuers, "hosts": self.transport.hosts}
        if self.hosts > 1:
            # A proof with a nonce is good on the host alone that made it, and needs no memory but that one's.
            found["proof_nonce"] = "required"
        return _made(AuthenticatePolicy, found)

    def authenticate_of(self, operation: Operation) -> AuthenticatePolicy:
        """`authenticate` as it stands for this operation."""
        proof = self.operation_policy(operation).proof
        if proof is None or proof == self.authenticate.proof:
            return self.authenticate
        return self.authenticate.model_copy(update={"proof": proof})

    @cached_property
    def authorize(self) -> AuthorizePolicy:
        """Roles and owners as the control takes them. Errors: PolicyError for a grant or owner rule it refuses."""
        return _made(AuthorizePolicy, {"roles": self.roles, "owners": self.owners})

    @cached_property
    def forward(self) -> ForwardPolicy:
        """How the upstream is reached, its address included."""
        return _made(ForwardPolicy, {**_written(self.forward_), "upstream": self.upstream})

    def operation_policy(self, operation: Operation) -> OperationPolicy:
        """What differs for this operation: the policy's word first, the description's `x-doorward` second.

        Errors: PolicyError when `x-doorward` holds something that is not a setting.
        """
        described = described_policy(operation)
        written = self.operations.get(operation_key(operation))
        if written is None:
            return described
        return _made(
            OperationPolicy,
            {
                "public": described.public if written.public is None else written.public,
                "modes": {**described.modes, **written.modes},
                "limits": _merged(described.limits, written.limits),
                "validate": _merged(described.validate_, written.validate_),
                "graphql": written.graphql or described.graphql,
                "websocket": written.websocket or described.websocket,
                "proof": written.proof or described.proof,
                "body": written.body or described.body,
                "sign_answers": described.sign_answers if written.sign_answers is None else written.sign_answers,
            },
        )

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
        return _merged(self.limits, self.operation_policy(operation).limits) or self.limits

    def validate_of(self, operation: Operation) -> ValidatePolicy:
        """`validate` as it stands for this operation."""
        return _merged(self.validate_, self.operation_policy(operation).validate_) or self.validate_


def operation_key(operation: Operation) -> str:
    """How a policy names an operation: `GET /orders/{order_id}`."""
    return f"{operation.method} {operation.template}"


def described_policy(operation: Operation) -> OperationPolicy:
    """The operation's `x-doorward` member as settings. Errors: PolicyError, naming the member."""
    if not operation.extension:
        return _NOTHING
    key = f"{operation_key(operation)} x-doorward"
    try:
        # By way of JSON: only then does pydantic's strict mode take a list for a tuple, as a document must.
        described = OperationPolicy.model_validate_json(orjson.dumps(operation.extension))
    except ValidationError as error:
        raise first_mistake(error, OperationPolicy, key) from None
    return described.model_copy(update={"proof": None}) if described.proof == "if_bound" else described


def _made(model: type[_Model], data: Mapping[str, Any]) -> _Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise first_mistake(error, model) from None


def _written(model: BaseModel) -> dict[str, Any]:
    """The settings that were written down, so that defaults stay the model's own."""
    return {name: getattr(model, name) for name in model.model_fields_set}


def _merged(under: _Model | None, over: _Model | None) -> _Model | None:
    if under is None or over is None:
        return over or under
    return under.model_copy(update={name: getattr(over, name) for name in over.model_fields_set})


_NOTHING: Final = OperationPolicy()
