"""Minimise: only what the API description declares leaves.

Threat:   an answer carries fields nobody meant to publish (OWASP API3:2023), stack traces, SQL error texts and server
          versions that help the next attack (API8:2023), or card numbers.
Standard: OWASP ASVS 5.0 V15.3.1 (return only the required subset), V13.4 (no internals), V14.2; RFC 9110; RFC 9457.
Not here: bodies that are neither JSON, JSON lines nor text pass as the description declares them, unread.
"""

from doorward.controls.minimise.policy import MinimisePolicy
from doorward.controls.minimise.release import LONG_BYTES, Release, compile_release

__all__ = ["LONG_BYTES", "MinimisePolicy", "Release", "compile_release"]
