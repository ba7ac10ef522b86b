"""Limits by size: of a head, whole or still growing, and of an operation's body."""

from typing import Final

from doorward.controls.limits.policy import LimitsPolicy
from doorward.denial import Denied
from doorward.errors import PolicyError
from doorward.operation import Operation

_MOST_BODY_BYTES: Final = 1024 * 1024 * 1024


def check_head_size(policy: LimitsPolicy, head_bytes: int, *, target_bytes: int = 0, header_count: int = 0) -> None:
    """Nothing, when a request head is within the limits; callable as it grows, with what is known so far.

    Errors: Denied `limits.target_size` (first: it says most), `limits.header_size`.
    Source: RFC 9110 section 15.5.15, RFC 6585 section 5.
    """
    if target_bytes > policy.target_bytes:
        raise Denied("limits.target_size", f"request target above {policy.target_bytes} bytes")
    if head_bytes > policy.head_bytes:
        raise Denied("limits.header_size", f"request head above {policy.head_bytes} bytes")
    if header_count > policy.header_count:
        raise Denied("limits.header_size", f"more than {policy.header_count} header fields")


def body_bytes(operation: Operation, policy: LimitsPolicy) -> int:
    """Largest body of an operation, in bytes: its own `x-doorward` `body_bytes`, else the policy's; 0 without a body.

    Errors: PolicyError when the description's value is not a whole number from 0 to 1 GiB.
    """
    if operation.request_body is None:
        return 0
    own = operation.extension.get("body_bytes", policy.body_bytes)
    if isinstance(own, bool) or not isinstance(own, int) or not 0 <= own <= _MOST_BODY_BYTES:
        raise PolicyError(
            f"{own!r} is not a number of bytes",
            key=f"{operation.method} {operation.template}: x-doorward.body_bytes",
            hint="write a whole number from 0 to 1073741824",
        )
    return own
