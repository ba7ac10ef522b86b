"""The kind of a body: whether there is one where it is needed, in a media type, charset and coding that is declared."""

from doorward.controls.validate.body import body_mode
from doorward.controls.validate.judging import unfit
from doorward.controls.validate.media import DeclaredContent
from doorward.controls.validate.policy import ValidatePolicy
from doorward.exchange import Check, Exchange
from doorward.operation import Operation
from doorward.schemas.judge import Failure


def kind_check(operation: Operation, policy: ValidatePolicy) -> Check:
    """The check of what the header fields say about the body. It reads none of it.

    Errors of the check: Denied `validate.*`.
    """
    body = operation.request_body
    is_declared = body is not None and body_mode(operation, policy) != "none"
    declared = DeclaredContent(body.content) if body is not None and is_declared else None
    required = body is not None and body.required

    def check(exchange: Exchange) -> None:
        request = exchange.request
        if request.has_body:
            if declared is not None:
                declared.form(request.headers)
        elif required:
            raise unfit([Failure("#", "a body is required", False)])

    return check
