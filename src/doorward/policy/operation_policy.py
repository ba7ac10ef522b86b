"""What differs for one operation: what the operator may write about it, and how that joins the description's word."""

import re
from typing import Annotated, Final, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from doorward.controls.authenticate.policy import ProofDemand
from doorward.controls.limits.policy import LimitsPolicy
from doorward.controls.transport.policy import WebSocketPolicy
from doorward.controls.validate.policy import GraphqlPolicy, ValidatePolicy
from doorward.operation import Operation
from doorward.policy.messages import first_mistake
from doorward.policy.modelling import merged
from doorward.policy.values import Mode, OperationControl

_LIMITS_OF_OPERATIONS: Final = frozenset({"per_caller", "quota", "body_bytes", "cost"})
_OPERATION_KEY: Final = re.compile(r"[A-Z]+ /[^\s]*")


def _operation_key(text: str) -> str:
    if not _OPERATION_KEY.fullmatch(text):
        raise ValueError("does not name an operation: write METHOD /path, such as GET /orders/{order_id}")
    return text


OperationKey = Annotated[str, AfterValidator(_operation_key)]
"""`GET /orders/{order_id}`: method and path template as the API description writes it."""


class OperationPolicy(BaseModel):
    """What differs for one operation. The same may stand in the API description under `x-doorward`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

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

    def over(self, described: "OperationPolicy") -> "OperationPolicy":
        """These settings, and where they say nothing those of the description."""
        said = {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}
        said["modes"] = {**described.modes, **self.modes}
        said["limits"] = merged(described.limits, self.limits)
        said["validate_"] = merged(described.validate_, self.validate_)
        return described.model_copy(update=said)


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


_NOTHING: Final = OperationPolicy()
