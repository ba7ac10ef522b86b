"""Authorize: whether this caller may do this, to this object.

Threat:   a changed id shows another caller's object (OWASP API1:2023 Broken object level authorization); a role or a
          token reaches an operation it was not given (API5:2023 Broken function level authorization); a caller sets a
          property that is not his to set (API3:2023 Broken object property level authorization).
Standard: OWASP ASVS 5.0 V8.2.1, V8.2.2; RFC 6750 section 3.1.
Not here: who the caller is (authenticate); which members of the answer it may see (minimise).
"""

from doorward.controls.authorize.compiling import compile_check, roles_granting, unmatched_grants, unmatched_owners
from doorward.controls.authorize.owner import compile_place_check
from doorward.controls.authorize.policy import AuthorizePolicy, OwnerRule
from doorward.controls.authorize.properties import compile_property_check

__all__ = [
    "AuthorizePolicy",
    "OwnerRule",
    "compile_check",
    "compile_place_check",
    "compile_property_check",
    "roles_granting",
    "unmatched_grants",
    "unmatched_owners",
]
