"""Compiles one operation into what its answers go through on their way out."""

from typing import Final

from doorward.controls.minimise.headers import HeaderRules
from doorward.controls.minimise.planning import Planner
from doorward.controls.minimise.plans import Means
from doorward.controls.minimise.policy import MinimisePolicy
from doorward.controls.minimise.shape import ShapeCompiler
from doorward.controls.minimise.texts import BIT_OF, CARDS, INTERNALS, SECRETS, Cleaning
from doorward.controls.minimise.values import content_judge
from doorward.exchange import Exchange, Response
from doorward.media_types import is_json
from doorward.operation import ApiDescription, Operation

LONG_BYTES: Final = 1_048_576
"""Longest body read whole where it could be read in pieces: texts by line, arrays by element."""


def compile_release(
    operation: Operation,
    policy: MinimisePolicy,
    description: ApiDescription,
    mask_key: bytes = b"",
    element_bytes: int = 10 * LONG_BYTES,
) -> "Release":
    """What the answers to this operation go through. `mask_key` keeps what is masked by a hash from being tried out.

    `element_bytes`: the largest element of an array, or line, of an answer that is filtered in pieces.

    Errors: PolicyError where `values: refuse` stands and a declared schema does not compile.
    """
    if policy.values == "refuse":
        for response in operation.responses.values():
            for content in response.content.values():
                if is_json(content.name):
                    content_judge(content, description)
    means = Means(ShapeCompiler(description), _cleaning(policy, mask_key), element_bytes)
    return Release(Planner(operation, policy, description, means), HeaderRules(policy))


def _cleaning(policy: MinimisePolicy, mask_key: bytes) -> Cleaning:
    kinds = (
        (0 if policy.insecure_card_numbers else CARDS)
        | (0 if policy.insecure_internals else INTERNALS)
        | (0 if policy.insecure_secrets else SECRETS)
        | sum(BIT_OF[kind] for kind in policy.masks)
    )
    return Cleaning(kinds, policy.masks, mask_key)


class Release:
    """The compiled release of one operation: ask `reads_body` when the head is there, then `apply`, for every answer.

    When `reads_body` says no, `apply` is called with `response.body` None, and the body is streamed after it.
    """

    __slots__ = ("_header_rules", "planner")

    def __init__(self, planner: Planner, header_rules: HeaderRules) -> None:
        self.planner, self._header_rules = planner, header_rules

    def reads_body(self, exchange: Exchange, response: Response) -> bool:
        """Whether `apply` needs the whole body; else it may be streamed."""
        if not _has_body(exchange, response):
            return False
        plan = self.planner.plan(response)
        return plan.reads_body or (plan.reads_short_body and _is_short(response))

    def streams(self, exchange: Exchange, response: Response) -> bool:
        """Whether a long body that `apply` would need whole can be filtered in pieces as well.

        Not for HTTP/1.0: its clients could not tell an answer that was broken off from a whole one.
        """
        if exchange.request.http_version == "1.0" or not _has_body(exchange, response):
            return False
        return self.planner.plan(response).is_cut

    def apply(self, exchange: Exchange) -> None:
        """Nothing; `exchange.response` holds what may leave, and the findings say what was taken out.

        Errors: Denied `minimise.response_schema` when the answer is not one the description declares.
        """
        response = exchange.response
        if response is None:
            return
        plan = self.planner.plan(response)
        if _has_body(exchange, response):
            plan.apply(exchange, response)
        self._header_rules.apply(exchange, response, is_json=plan.is_json, caching_is_declared=plan.caching_is_declared)


def _has_body(exchange: Exchange, response: Response) -> bool:
    # A 205 should have none (RFC 9110 15.3.6), but unlike 204 and 304 its framing allows one: it would leave unread.
    return exchange.request.method != "HEAD" and response.status not in {204, 304}


def _is_short(response: Response) -> bool:
    """Whether the answer says that its body is short enough to be read whole."""
    for name, value in response.headers:
        if name == b"content-length":
            return value.isdigit() and len(value) < 10 and int(value) <= LONG_BYTES
    return False
