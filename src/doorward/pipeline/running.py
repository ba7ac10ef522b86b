"""One exchange through the plans: called by whoever moves its bytes. It waits for nothing."""

from collections.abc import Mapping
from types import MappingProxyType

from doorward.controls.audit import Recorder
from doorward.controls.authenticate import AnswerSigner
from doorward.controls.authenticate.resource_metadata import ResourceMetadata
from doorward.controls.minimise.cors import Cors, is_preflight
from doorward.denial import Denied
from doorward.exchange import Check, Exchange, Pending, Response
from doorward.pipeline.plan import Plan
from doorward.policy.document import Policy
from doorward.policy.routing import Router


class Pipeline:
    """All plans of one policy. Immutable: a reload makes a new one, exchanges under way keep the old."""

    __slots__ = ("_address", "_cors", "_first", "_metadata", "_router", "_signer", "_signs", "_undescribed", "policy",
                 "recorder", "version")  # fmt: skip

    def __init__(
        self,
        *,
        policy: Policy,
        version: str,
        address: tuple[Check, ...],
        gate: tuple[Check, ...],
        router: Router[Plan],
        recorder: Recorder,
        signer: AnswerSigner | None = None,
        signed: frozenset[str] = frozenset(),
        cors: Cors | None = None,
        undescribed: Mapping[str, Plan] = MappingProxyType({}),
        metadata: ResourceMetadata | None = None,
    ) -> None:
        """`signer` signs the answers to the operations whose ids are `signed`.

        `gate` is run before a plan is looked for, behind `address`. `undescribed`: plans by method, where what the
        description lacks may pass.
        """
        self.policy, self.version, self.recorder = policy, version, recorder
        self._address, self._router = address, router
        self._undescribed = undescribed
        # Not `_signed`: compiled, it would be a word that C compilers keep for themselves.
        self._signer, self._signs = signer if signed else None, signed
        self._metadata = metadata
        self._cors = cors
        self._first = address + gate

    def count_address(self, exchange: Exchange) -> None:
        """Nothing, once its address is within its limits. Errors: Denied.

        First of all, and for heads that cannot be read too: a flood of malformed requests is a flood.
        """
        exchange.policy_version = self.version
        try:
            for check in self._address:
                check(exchange)
        except Pending:
            return  # such a request is refused anyway, and does not wait for it

    def preflight(self, exchange: Exchange) -> Response | None:
        """The answer to a question about the API and not to it, else None.

        A browser's question whether it may ask, where the policy lists origins; and who vouches for callers.
        Errors: Denied, when the path is not described. Pending, as `admit_head`.
        """
        metadata = self._metadata
        if metadata is not None and metadata.answers(exchange):
            exchange.policy_version = self.version
            _pass(self._first, exchange, 0)
            return metadata.response()
        cors = self._cors
        if cors is None or not is_preflight(exchange):
            return None
        exchange.policy_version = self.version
        _pass(self._first, exchange, 0)
        methods = self._router.methods(exchange.request.path)
        return None if "OPTIONS" in methods else cors.preflight(exchange, methods)

    def admit_head(self, exchange: Exchange) -> Plan:
        """The plan of the operation asked for, once everything that needs no body has agreed.

        Errors: Denied. Pending: to be called again once that is over; it goes on where it stopped.
        """
        exchange.policy_version = self.version
        _pass(self._first, exchange, 0)
        request = exchange.request
        try:
            plan, exchange.path_values = self._router.find(request.method, request.path)
        except Denied as denied:
            fallback = self._undescribed.get(request.method)
            if fallback is None or denied.code not in {"validate.path_unknown", "validate.method"}:
                raise
            plan = fallback
        exchange.operation = plan.operation
        if request.has_body and plan.body_mode == "none":
            raise Denied("transport.unexpected_body", f"{plan.operation.id} declares no body")
        _pass(plan.head, exchange, len(self._first))
        return plan

    def admit_body(self, exchange: Exchange, plan: Plan) -> None:
        """Nothing, once everything that needs the body has agreed.

        Errors: Denied. Pending, only where the plan `waits_with_body`: as `admit_head`.
        """
        if plan.waits_with_body:
            _pass(plan.body, exchange, len(self._first) + len(plan.head))
            return
        for check in plan.body:
            check(exchange)

    def seal_answer(self, exchange: Exchange, response: Response) -> None:
        """Nothing; the answer, a refusal too, is encrypted to the caller, then signed, where the policy says so.

        The last that is done to it.
        """
        if exchange.seal_answer is not None:
            exchange.seal_answer(exchange, response)
        if self._signer is not None and exchange.operation is not None and exchange.operation.id in self._signs:
            self._signer.sign(exchange, response)


def _pass(checks: tuple[Check, ...], exchange: Exchange, before: int) -> None:
    """Run those of the checks that are not behind the exchange yet; `before` others come before them."""
    behind = exchange.passed - before
    for check in checks[behind:] if behind > 0 else checks:
        check(exchange)
        exchange.passed += 1
