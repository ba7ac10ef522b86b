"""Callers by plain HMAC over time and body: webhooks, and partners that do not speak RFC 9421.

The body is part of the proof, so whoever calls is known only when it is there. What its head can be refused for is
judged before. Each signature is accepted once.
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
from doorward.signatures.components import authority_text
from doorward.signatures.webhook import MacKey, ReceivedMac, mac_fits, mac_key, received_mac

_NOBODYS: Final = mac_key(bytes(32), "hmac-sha256")


class HmacSignatureMechanism:
    """Finds and proves the HMAC of a request whose body is complete."""

    __slots__ = ("_credentials", "_policy", "_realm", "_span_s")

    def __init__(self, scheme: str, policy: AuthenticatePolicy, credentials: Credentials) -> None:
        self._policy: HmacSignaturePolicy = policy.hmac_of(scheme)
        self._span_s = policy.hmac_span_s(scheme)
        self._credentials, self._realm = credentials, policy.realm

    def announces(self, exchange: Exchange) -> bool:
        """Whether the head says that the request is signed. Errors: Denied, for what no body could make right."""
        try:
            received = self._received(exchange, b"")
            if received is None:
                return False
            self._require_fresh(received, exchange.now)
            if not self._names_key:
                # Somebody who names a key must not learn here, before they send a body, whether there is one.
                self._usable(received, exchange)
        except SignatureRefused as error:
            raise self._refusal(error.reason, error.problem) from error
        return True

    def __call__(self, exchange: Exchange) -> Caller | None:
        """Who signed the request; None when it is not signed. Errors: Denied `authenticate.signature_*`."""
        try:
            received = self._received(exchange, exchange.request.body)
            return None if received is None else self._prove(exchange, received)
        except SignatureRefused as error:
            raise self._refusal(error.reason, error.problem) from error

    def missing(self, detail: str) -> Denied:
        """The denial of a request without a signature."""
        return self._refusal("missing", detail)

    def _received(self, exchange: Exchange, body: bytes) -> ReceivedMac | None:
        request = exchange.request
        return received_mac(
            self._policy.form,
            request.headers,
            method=request.method,
            authority=authority_text(request.scheme, request.headers.get(b"host") or b""),
            target=request.target,
            body=body,
        )

    @property
    def _names_key(self) -> bool:
        """Whether a request says which key it was signed with."""
        return self._policy.form == "doorward"

    def _prove(self, exchange: Exchange, received: ReceivedMac) -> Caller:
        self._require_fresh(received, exchange.complete_at)
        # all of them: which one fits is nobody's to measure
        fits = [(key, mac_fits(received, mac)) for key, mac in self._usable(received, exchange)]
        found = next(((key, mac) for key, mac in fits if mac is not None), None)
        if found is None:
            raise SignatureRefused("invalid", "the signature fits no key that counts")
        key, mac = found
        ahead_s, behind_s = self._span_s
        use_once(
            exchange,
            SingleUse(
                proof=hashlib.blake2b(key.caller.credential_id.encode("utf-8") + b"\0" + mac, digest_size=16).digest(),
                usable_from=received.time - ahead_s,
                until=received.time + behind_s,
                ahead_s=ahead_s,
                holder=key.caller.credential_id,
                refusal=self._refusal("replayed", f"key {key.caller.credential_id}: this signature was used before"),
            ),
        )
        return key.caller

    def _require_fresh(self, received: ReceivedMac, now: float) -> None:
        if not received.time - self._policy.clock_skew_s <= now <= received.time + self._policy.max_age_s:
            raise SignatureRefused("expired", f"made {now - received.time:.0f} s ago")

    def _usable(self, received: ReceivedMac, exchange: Exchange) -> list[tuple[SignatureKey, MacKey]]:
        """The keys that may prove it. Errors: SignatureRefused when there is none."""
        usable: list[tuple[SignatureKey, MacKey]] = []
        problem = f"no such key: {received.key_id[:64]!r}"
        for key in self._candidates(received):
            refused = key.refused(exchange)
            if refused:
                problem = refused
            elif key.mac is not None:
                usable.append((key, key.mac))
        if not usable:
            # As much work as for a key that counts: an unknown id costs what a wrong signature costs.
            mac_fits(received, _NOBODYS)
            raise SignatureRefused("invalid", problem)
        return usable

    def _candidates(self, received: ReceivedMac) -> tuple[SignatureKey, ...]:
        """The key it names, or those of the caller the policy names: two while they are rotated."""
        if self._names_key:
            key = self._credentials.signature_keys.get(received.key_id)
            is_ours = key is not None and (not self._policy.caller or key.caller.subject == self._policy.caller)
            return (key,) if key is not None and is_ours else ()
        return self._credentials.macs_of.get(self._policy.caller, ())

    def _refusal(self, reason: str, detail: str) -> Denied:
        return signature_refusal(reason, detail, self._realm, b"")
