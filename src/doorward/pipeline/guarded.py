"""What is known when plans are made: the words of policy and description, brought together for each operation."""

from functools import cached_property

from doorward.controls import authenticate
from doorward.controls.authenticate import Credentials
from doorward.controls.forward import IdentitySigner
from doorward.controls.limits import Counters
from doorward.controls.minimise.cors import Cors
from doorward.operation import ApiDescription, Operation
from doorward.policy.document import Policy
from doorward.policy.values import ControlName, Mode


class Common:
    """What all plans of one pipeline are made of."""

    def __init__(
        self,
        policy: Policy,
        description: ApiDescription,
        *,
        credentials: Credentials,
        signer: IdentitySigner,
        counters: Counters,
        mask_key: bytes,
    ) -> None:
        self.policy, self.description = policy, description
        self.credentials, self.signer, self.counters, self.mask_key = credentials, signer, counters, mask_key

    @cached_property
    def cors(self) -> Cors | None:
        """Which pages may read answers; None where the policy lists no origins."""
        settings = self.policy.minimise.cors
        if settings is None:
            return None
        takes_proofs = any(
            authenticate.takes_tokens(each) and not self.policy.is_public(each) for each in self.description.operations
        )
        return Cors(settings, takes_proofs=takes_proofs)


class Guarded:
    """One operation, and what policy and description say about it.

    Errors: PolicyError for settings of the operation that cannot be read.
    """

    def __init__(self, operation: Operation, common: Common, *, learns: bool = False) -> None:
        """`learns`: nothing is known about the operation, so nothing is validated; what requests look like is noted."""
        self.operation, self.learns = operation, learns
        self.policy = policy = common.policy
        self.description, self.credentials = common.description, common.credentials
        self.signer, self.counters, self.mask_key = common.signer, common.counters, common.mask_key
        self.own = policy.operation_policy(operation)
        self.modes: dict[ControlName, Mode] = policy.modes_of(operation)
        if learns:
            self.modes["validate"] = "off"
        self.limits, self.validate = policy.limits_of(operation), policy.validate_of(operation)
        self.authenticate = policy.authenticate_of(operation)
        self.asks_callers = not (policy.is_public(operation) or (learns and not operation.security))
        """A credential is needed: the operation is not public."""
        self.takes_tokens = self.asks_callers and authenticate.takes_tokens(operation)
        self.takes_signatures = self.asks_callers and authenticate.takes_signatures(operation)
        self.proves_by_body = self.asks_callers and authenticate.proves_by_body(operation)
        self.is_encrypted = self.own.body == "jwe"
        self.content_bytes = self.authenticate.encrypted_body.max_bytes if self.is_encrypted else None
        """Most bytes in an encrypted body; None where bodies are in the clear."""

    def mode(self, control: ControlName) -> Mode:
        """The control's mode for this operation."""
        return self.modes.get(control, "enforce")

    @property
    def is_held(self) -> bool:
        """Whether a request that does not fit the description is refused."""
        return self.mode("validate") == "enforce"
