"""Whether a new password is known from data breaches, asked of a range service: nobody there learns which it is.

Threat:   a password that leaked elsewhere and is long and odd enough for every local rule: stuffing tries it first.
Standard: NIST SP 800-63B-4 section 3.1.1.2; OWASP ASVS 5.0 6.2.12; the range API of Have I Been Pwned (k-anonymity).
How:      five hexadecimal digits of the password's SHA-1 leave, twenty bits that about a thousand known passwords
          share; padding hides how many there are. Lines of the answer are all compared, in constant time.
Not:      asked at logins, and kept for nobody: passwords are set too seldom for a cache to help, and what it held would
          be prefixes of people's passwords. Nor written down: no reason, log line or event holds a digit of the hash.
"""

import asyncio
import hashlib
import hmac
import re
import ssl
from ipaddress import ip_network
from typing import Final

from doorward.identity.passwords import WeakPassword, normal_form
from doorward.outbound import OutboundClient, OutboundRefused
from doorward.policy.breaches import BreachedPasswordsPolicy

PREFIX_DIGITS: Final = 5
ANSWER_BYTES: Final = 256 * 1024
"""Longest answer, in bytes; the longest of Have I Been Pwned has about 100 KiB."""
_LINE: Final = re.compile(rb"([0-9A-Fa-f]{35}):([0-9]{1,12})\r?")
_ASKED: Final = {"accept": "text/plain", "add-padding": "true", "user-agent": "doorward"}


class NotLookedUp(WeakPassword):
    """Nobody could say whether a password is known: it is refused, or judged without, as the policy has it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "it cannot be looked up now whether this password is known from data breaches",
            key="password",
            hint="try again in a few minutes",
        )
        self.reason = reason
        """Why, for the operator; nothing of the password is in it."""


class _Unanswered(Exception):
    """The service said nothing that can be used; the text says why, and holds nothing of the hash."""


async def require_unbreached(policy: BreachedPasswordsPolicy, password: str) -> None:
    """Nothing, for a password that is not known. Errors: WeakPassword for one that is; NotLookedUp."""
    try:
        count = await _times_seen(policy, password)
    except _Unanswered as error:
        raise NotLookedUp(str(error)) from None
    if count >= policy.count_least:
        raise WeakPassword(
            "this password is known from data breaches",
            key="password",
            hint="wherever else it is used, change it there too",
        )


async def _times_seen(policy: BreachedPasswordsPolicy, password: str) -> int:
    digest = hashlib.sha1(normal_form(password).encode(), usedforsecurity=False).hexdigest().upper()
    try:
        # in a thread: reading the authorities takes long enough to keep others waiting
        tls = await asyncio.to_thread(ssl.create_default_context, cafile=policy.ca_file)
    except OSError:
        raise _Unanswered("ca_file cannot be read") from None
    client = OutboundClient(
        allowed_networks=tuple(map(ip_network, policy.insecure_networks)),
        document_bytes=ANSWER_BYTES,
        total_s=policy.timeout_s,
        tls=tls,
    )
    try:
        answer = await client.exchange("GET", f"{policy.url.rstrip('/')}/{digest[:PREFIX_DIGITS]}", _ASKED)
    except OutboundRefused:
        # its text names the address, and with it the prefix
        raise _Unanswered("nothing of an allowed size came in time from an allowed place") from None
    if answer.status != 200:
        raise _Unanswered(f"it answered {answer.status}")
    if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/plain":
        raise _Unanswered("it answered with something else than text")
    return await asyncio.to_thread(count_in, answer.body, digest[PREFIX_DIGITS:].encode())


def count_in(answer: bytes, suffix: bytes) -> int:
    """How often the password with that suffix (upper case) was seen, by a range; 0 when it is not in it, or padding.

    Every line is looked at, whichever it is. Errors: _Unanswered for what is no range.
    """
    count = 0
    for line in answer.removesuffix(b"\n").split(b"\n"):
        found = _LINE.fullmatch(line)
        if found is None:
            raise _Unanswered("it answered with something else than a range")
        count = max(count, hmac.compare_digest(found[1].upper(), suffix) * int(found[2]))
    return count
