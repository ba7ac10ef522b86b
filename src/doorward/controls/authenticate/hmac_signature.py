"""Callers by plain HMAC over time and body: webhooks, and partners that do not speak RFC 9421.

The body is part of the proof, so whoever calls is known only when it is there. Each signature is accepted once.
"""

import hashlib
from typing import Final

from doorward.controls.authenticate.challenge import signature_refusal
from doorward.controls.authenticate.credentials import Credentials, SignatureKey
from doorward.controls.authenticate.policy import AuthenticatePolicy, HmacSignaturePolicy
from doorward.controls.authenticate.replay import use_once
from doorward.denial import Denied
from doorward.exchange import Caller, Exchange, SingleUse
from doorward.signatures import SignatureRefused
from doorward.signatures.webhook import MacKey, ReceivedMac, mac_fits, mac_key, received_mac

_NOBODYS: Final[MacKey] = mac_key(bytes(32), "hmac-sha256")
"""Computed with when nobody's key counts, so that the answer takes as long as for a wrong signature."""


class HmacSignatureMechanism:
    """Finds and proves the HMAC of a request whose body is complete."""

    __slots__ = ("_credentials", "_policy", "_realm", "_span_s")

    def __init__(self, scheme: str, policy: AuthenticatePolicy, credentials: Credentials) -> None:
        self._policy: HmacSignaturePolicy = policy.hmac_of(scheme)
        self._span_s = policy.hmac_span_s
        self._credentials, self._realm = credentials, policy.realm

    def __call__(self, exchange: Exchange) -> Caller | None:
        """Who signed the request; None when it is not signed. Errors: Denied `authenticate.signature_*`."""
        request = exchange.request
        try:
            received = received_mac(
                self._policy.form, request.headers, method=request.method, target=request.target, body=request.body
            )
            return None if received is None else self._prove(exchange, received)
        except SignatureRefused as error:
            raise self._refusal(error.reason, error.problem) from error

    def missing(self, detail: str) -> Denied:
        """The denial of a request without a signature."""
        return self._refusal("missing", detail)

    def _prove(self, exchange: Exchange, received: ReceivedMac) -> Caller:
        self._require_fresh(received, exchange.complete_at)
        fitting: tuple[SignatureKey, bytes] | None = None
        for key in self._candidates(received):
            fits = mac_fits(received, key.mac or _NOBODYS)
            if fits is not None and fitting is None and key.mac is not None:
                fitting = key, fits
        if fitting is None:
            mac_fits(received, _NOBODYS)
            raise SignatureRefused("invalid", "the signature fits no key that counts")
        key, mac = fitting
        problem = key.refused(exchange)
        if problem:
            raise SignatureRefused("invalid", problem)
        ahead_s, behind_s = self._span_s
        use_once(
            exchange,
            SingleUse(
                proof=hashlib.blake2b(key.caller.credential_id.encode("utf-8") + b"\0" + mac, digest_size=16).digest(),
                usable_from=received.time - ahead_s,
                until=received.time + behind_s,
                refusal=self._refusal("replayed", f"key {key.caller.credential_id}: this signature was used before"),
            ),
        )
        return key.caller

    def _require_fresh(self, received: ReceivedMac, now: float) -> None:
        if not received.time - self._policy.clock_skew_s <= now <= received.time + self._policy.max_age_s:
            raise SignatureRefused("expired", f"made {now - received.time:.0f} s ago")

    def _candidates(self, received: ReceivedMac) -> tuple[SignatureKey, ...]:
        """The key it names, or those of the caller the policy names: two while they are rotated."""
        if self._policy.form == "doorward":
            key = self._credentials.signature_keys.get(received.key_id)
            is_ours = key is not None and (not self._policy.caller or key.caller.subject == self._policy.caller)
            return (key,) if key is not None and is_ours else ()
        return self._credentials.macs_of.get(self._policy.caller, ())

    def _refusal(self, reason: str, detail: str) -> Denied:
        return signature_refusal(reason, detail, self._realm, b"")
