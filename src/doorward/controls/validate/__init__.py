"""Validate: whether a request fits the API description. The description is the law; what it does not say is refused.

Threat:   undeclared members set what a client must not set (OWASP API3:2023 mass assignment); ambiguous or oversized
          JSON is read differently by us and by the upstream, or exhausts it (API4:2023, API8:2023).
Standard: OWASP ASVS 5.0 V2.2 (input validation), V1.5 (safe deserialisation); OpenAPI 3.1; RFC 8259; RFC 9110
          sections 8.3, 8.4 and 15.5.16.
Not here: whether a well-formed value means harm (inspect); how large a body may be (limits); the schema of XML.
"""

from doorward.controls.validate.antivirus import Settle, compile_scan
from doorward.controls.validate.arriving import Feed, Watch, compile_watch
from doorward.controls.validate.body import BodyMode, body_check, body_mode
from doorward.controls.validate.kind import kind_check
from doorward.controls.validate.learning import note_shape
from doorward.controls.validate.parameters import parameters_check
from doorward.controls.validate.policy import AntivirusPolicy, ArchivesPolicy, GraphqlPolicy, ValidatePolicy
from doorward.controls.validate.upload_sizes import largest_file_body

__all__ = [
    "AntivirusPolicy",
    "ArchivesPolicy",
    "BodyMode",
    "Feed",
    "GraphqlPolicy",
    "Settle",
    "ValidatePolicy",
    "Watch",
    "body_check",
    "body_mode",
    "compile_scan",
    "compile_watch",
    "kind_check",
    "largest_file_body",
    "note_shape",
    "parameters_check",
]
