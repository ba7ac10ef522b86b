"""Audit: no answer without a durable record of what was asked, by whom, and what was decided.

Threat:   an attack or an abuse leaves no trace, or a trace that its author could forge, flood or cut: log injection,
          secrets copied into logs, records lost in a crash (OWASP Top 10:2021 A09; API8:2023).
Standard: OWASP ASVS 5.0 V16.2 (what is logged), V16.3 (which events), V16.4.1 (log injection), V16.4.2 (protection
          from change).
Not here: writing, chaining, recovering and verifying (`doorward.audit`); alerts; the erasure of a person's records.
"""

from doorward.controls.audit.coalescing import Coalescing
from doorward.controls.audit.identity_event import identity_record
from doorward.controls.audit.policy import AuditPolicy
from doorward.controls.audit.record import Record
from doorward.controls.audit.recorder import Recorder
from doorward.controls.audit.records import Kind

__all__ = ["AuditPolicy", "Coalescing", "Kind", "Record", "Recorder", "identity_record"]
