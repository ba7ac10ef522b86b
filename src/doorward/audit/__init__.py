"""The audit trail on disk: written before any answer leaves, recovered after a crash, verified by its readers.

The records are built by `doorward.controls.audit`; `docs/audit-trail.md` describes promise and format.
"""
