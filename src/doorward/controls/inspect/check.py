"""Compiles one operation into the check of its free texts; and the check of a message, which has no description."""

from collections.abc import Callable

from doorward.controls.inspect.body_texts import BodyTexts, has_free_text
from doorward.controls.inspect.fields import Fields, pins_text, texts
from doorward.controls.inspect.head_texts import HeadTexts
from doorward.controls.inspect.judgement import Judgement, Rules
from doorward.controls.inspect.policy import InspectPolicy
from doorward.controls.inspect.wire_text import json_in
from doorward.exchange import UNPARSED, Check, Exchange
from doorward.operation import ApiDescription, Operation

MessageCheck = Callable[[Exchange, str], None]


def compile_check(
    operation: Operation, policy: InspectPolicy, description: ApiDescription, *, pins: bool = True
) -> Check | None:
    """The operation's check, or None when no part of a request to it can hold free text.

    `pins`: the description holds, because `validate` enforces it. Else nothing it pins counts as pinned.
    Errors: the check raises Denied `inspect.<threat>` with the field and the recognised construct as detail.
    """
    rules = Rules(policy, operation)
    free = [each for each in operation.parameters if not (pins and pins_text(each.schema or None, description))]
    content = operation.request_body.content if operation.request_body else {}
    # Undeclared query parameters are refused by validate, unless nobody holds the request to the description.
    if not rules.threats or (pins and not (free or has_free_text(content, description))):
        return None
    head = HeadTexts(free, description, pins=pins)
    body = BodyTexts(content, description, pins=pins)

    def check(exchange: Exchange) -> None:
        judgement = Judgement(rules, exchange.now)
        head.judge(exchange, judgement)
        if exchange.request.body:
            body.judge(exchange, judgement)

    return check


def compile_message_check(
    operation: Operation, policy: InspectPolicy, description: ApiDescription
) -> MessageCheck | None:
    """The check of one text message; None when every class is off. Errors of it: Denied `inspect.<threat>`."""
    rules = Rules(policy, operation)
    if not rules.threats:
        return None
    undescribed = Fields((), description)

    def check(exchange: Exchange, text: str) -> None:
        judgement = Judgement(rules, exchange.now)
        data = json_in(text.encode("utf-8", "replace"))
        if data is UNPARSED:
            judgement.judge("message", text)
            return
        for pointer, value, _ in texts(data, undescribed):
            judgement.judge(pointer, value)

    return check
