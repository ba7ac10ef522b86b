"""Limits: whether this address and this caller ask for no more than they may.

Threat:   one client takes what is meant for all: floods, slow requests, oversized heads and bodies, memory filled
          by many bodies at once (OWASP API4:2023 Unrestricted resource consumption).
Standard: OWASP ASVS 5.0 V2.4, V4.2; RFC 6585 (429, 431); draft-ietf-httpapi-ratelimit-headers.
Not here: the clocks and the reading, which are the gateway's; nesting and member counts of JSON (validate);
          limits of the upstream (forward).
"""

from doorward.controls.limits.buckets import Bucket, Link, SharedBucket, SharedSlots
from doorward.controls.limits.checks import address_check, caller_check
from doorward.controls.limits.counters import Counters
from doorward.controls.limits.ledger import Ledger, SlotLedger
from doorward.controls.limits.load import Load
from doorward.controls.limits.meters import Gcra, Tally
from doorward.controls.limits.policy import LimitsPolicy, Priority, RulePolicy, SharedPolicy
from doorward.controls.limits.pressure import Pressure, shed_check
from doorward.controls.limits.quota import Quota
from doorward.controls.limits.rate import Rate
from doorward.controls.limits.rules import named_operations, rules_check
from doorward.controls.limits.size import body_bytes, check_head_size

__all__ = [
    "Bucket",
    "Counters",
    "Gcra",
    "Ledger",
    "LimitsPolicy",
    "Link",
    "Load",
    "Pressure",
    "Priority",
    "Quota",
    "Rate",
    "RulePolicy",
    "SharedBucket",
    "SharedPolicy",
    "SharedSlots",
    "SlotLedger",
    "Tally",
    "address_check",
    "body_bytes",
    "caller_check",
    "check_head_size",
    "named_operations",
    "rules_check",
    "shed_check",
]
