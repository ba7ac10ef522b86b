"""Inspect: whether anything in the request is meant to do harm.

Threat:   text that the API hands on to a database, a browser, a shell, the file system, a directory, a template engine,
          a parser or another machine, and that changes what those do (OWASP API8:2023, API7:2023; CWE-20 and below).
Standard: OWASP ASVS 5.0 V1.2, V1.3; catalogue rows B11 (no uninspected tail) and B16 (linear time).
Not here: whether the text fits the description (validate); sizes (limits). It lowers the risk of a hole in the API, it
          does not close the hole: parameterised queries and output encoding stay the API's duty.
"""

from doorward.controls.inspect.check import MessageCheck, compile_check, compile_message_check
from doorward.controls.inspect.judging import warm
from doorward.controls.inspect.policy import Exclusion, InspectPolicy
from doorward.controls.inspect.verdict import Threat, Verdict

__all__ = [
    "Exclusion",
    "InspectPolicy",
    "MessageCheck",
    "Threat",
    "Verdict",
    "compile_check",
    "compile_message_check",
    "warm",
]
