"""What requests are judged by, and the denial of one that does not fit."""

from collections.abc import Mapping
from typing import Any

from doorward.controls.validate.policy import ValidatePolicy
from doorward.denial import Denied
from doorward.operation import Schema
from doorward.schemas.judge import Failure, Judge


def request_judge(schema: Schema, document: Mapping[str, Any], policy: ValidatePolicy, pointer: str) -> Judge:
    """The judge of what clients send. Errors: PolicyError, its key the JSON pointer of what does not compile."""
    refuses = policy.read_only_properties == "refuse"
    return Judge(
        schema,
        document,
        pointer,
        closes=not policy.allow_unknown_properties,
        excused="readOnly" if refuses else None,
        refuses_excused=refuses,
    )


def unfit(failures: list[Failure]) -> Denied:
    """The denial of a body that does not fit: pointers and keywords for the client, never a value."""
    code = "validate.unknown_property" if any(each.is_undeclared for each in failures) else "validate.schema"
    errors = [{"pointer": each.pointer, "detail": each.detail} for each in failures]
    detail = "; ".join(f"{each.pointer}: {each.detail}" for each in failures)
    return Denied(code, detail[:1000], public={"errors": errors})
