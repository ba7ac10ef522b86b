"""Limits by size: of a head, whole or still growing, and of an operation's body."""

from doorward.controls.limits.policy import LimitsPolicy
from doorward.denial import Denied
from doorward.operation import Operation


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
    """Largest body of an operation, in bytes; 0 when the description gives it none."""
    return 0 if operation.request_body is None else policy.body_bytes
