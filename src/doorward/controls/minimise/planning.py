"""Compiles what is done with the answers of one operation, a status and media type at a time, as they come."""

from typing import Final

from doorward.controls.minimise.declared import declared_content, declared_response
from doorward.controls.minimise.plans import (
    JsonPlan,
    Means,
    Plan,
    RedirectingPlan,
    RefusingPlan,
    ReplacingPlan,
    TextPlan,
    UnreadPlan,
)
from doorward.controls.minimise.policy import MinimisePolicy
from doorward.controls.minimise.shape import Shape
from doorward.controls.minimise.values import ValueRules, lenient_judge
from doorward.exchange import Response
from doorward.media_types import JSON_LINES, is_json, is_xml
from doorward.operation import ApiDescription, MediaType, Operation, Schema
from doorward.schemas.judge import Judge

_TABLES: Final = frozenset({"text/csv", "text/tab-separated-values"})
_CODE_TEXTS: Final = frozenset({"text/event-stream", "text/javascript", "text/css"})
"""Never read as text: a stream without an end, and code, whose texts are nobody's data."""
_OF_WHOLE_ARRAYS: Final = frozenset({"minItems", "maxItems", "uniqueItems", "contains", "prefixItems"})
"""Keywords that a part of an array cannot be held to."""
_KEPT: Final = 64
"""Most plans kept: an upstream that invents media types must not fill the memory."""


class Planner:
    """The plans of one operation."""

    __slots__ = ("_declared", "_description", "_means", "_policy", "compiled", "spelled")

    def __init__(self, operation: Operation, policy: MinimisePolicy, description: ApiDescription, means: Means) -> None:
        self._declared, self._policy, self._description, self._means = operation.responses, policy, description, means
        self.compiled: dict[tuple[int, str], Plan] = {}
        """By status and media type."""
        self.spelled: dict[tuple[int, bytes], Plan] = {}
        """The same by the Content-Type as it came: an upstream writes it in few ways."""

    def plan(self, response: Response) -> Plan:
        """What is done with the response."""
        media_type = b""
        for name, value in response.headers:
            if name == b"content-type":
                media_type = value
                break
        key = (response.status, media_type)
        plan = self.spelled.get(key)
        if plan is None:
            plan = self._plan_of(response.status, media_type.partition(b";")[0].strip(b" \t").lower().decode("latin-1"))
            if len(self.spelled) < _KEPT:
                self.spelled[key] = plan
        return plan

    def _plan_of(self, status: int, media_type: str) -> Plan:
        plan = self.compiled.get((status, media_type))
        if plan is None:
            plan = self._compile(status, media_type)
            if len(self.compiled) < _KEPT:
                self.compiled[status, media_type] = plan
        return plan

    def _compile(self, status: int, media_type: str) -> Plan:
        declared = declared_response(self._declared, status)
        content = declared_content(declared, media_type) if declared is not None else None
        if status >= 500 and (declared is None or not self._policy.insecure_upstream_errors):
            plan: Plan = ReplacingPlan("upstream_error")
        elif declared is None:
            plan = self._undeclared(status, media_type, f"status {status} is not declared")
        elif content is None:
            what = f"media type {media_type[:64] or '(none)'} is not declared for status {status}"
            plan = self._undeclared(status, media_type, what)
        else:
            plan = self._of_content(status, media_type, content)
        plan.caching_is_declared = declared is not None and "cache-control" in declared.headers
        return plan

    def _undeclared(self, status: int, media_type: str, problem: str) -> Plan:
        if self._policy.insecure_undeclared_responses:
            return self._unfiltered(media_type)
        if status >= 400:
            return ReplacingPlan("upstream_error" if status >= 500 else "undeclared_error")
        return RedirectingPlan() if status >= 300 else RefusingPlan(problem)

    def _unfiltered(self, media_type: str) -> Plan:
        """Texts are cleaned wherever they stand."""
        if is_json(media_type):
            return JsonPlan(self._means, self._rules(None, None), None)
        if is_xml(media_type) or (media_type.startswith("text/") and media_type not in _CODE_TEXTS):
            return TextPlan(self._means.cleaning, is_table=media_type in _TABLES)
        return UnreadPlan()

    def _of_content(self, status: int, media_type: str, content: MediaType) -> Plan:
        shape = self._means.compiler.shape((content.schema,)) if content.schema is not None else None
        if is_json(media_type):
            rules = self._rules(shape, self._judge(content.schema, f"{content.pointer}/schema"))
            return JsonPlan(self._means, rules, self._elements(content, shape))
        each = shape.of_each() if shape is not None else None
        if each is None:
            return self._unfiltered(media_type)
        if media_type in JSON_LINES:
            rules = self._rules(each, None)
            return JsonPlan(self._means, rules, rules, is_lines=True)
        if media_type.endswith(("/json-seq", "+json-seq")):
            return self._undeclared(status, media_type, f"{media_type[:64]} cannot be filtered by its schema")
        return self._unfiltered(media_type)

    def _elements(self, content: MediaType, shape: Shape | None) -> ValueRules | None:
        """What the elements of an array must be that can be cut between them; None where it cannot."""
        if content.schema is None or shape is None or shape.takes != {list} or shape.is_free:
            return None
        schema = self._description.resolve(content.schema)
        if self._policy.values == "refuse" and schema.keys() & _OF_WHOLE_ARRAYS:
            return None
        element, items = shape.element(), schema.get("items")
        if element is None:
            return None
        judge = self._judge(items, f"{content.pointer}/schema/items") if isinstance(items, dict) else None
        return self._rules(element, judge)

    def _judge(self, schema: Schema | None, pointer: str) -> Judge | None:
        """The judge of values; one whose schema does not compile did not load where misfits are refused."""
        if schema is None or self._policy.values == "pass":
            return None
        return lenient_judge(schema, pointer, self._description)

    def _rules(self, shape: Shape | None, judge: Judge | None) -> ValueRules:
        return ValueRules(shape, judge, is_refused=self._policy.values == "refuse")
