"""Callers by signed request (RFC 9421).

Coverage and age first, for they are cheap; then the signature, by the key's own algorithm; and each nonce once. The
body is proved when it is there, by its digest (RFC 9530).
"""

import hashlib
from typing import Final, NoReturn

from doorward.controls.authenticate.challenge import signature_refusal
from doorward.controls.authenticate.credentials import Credentials, SignatureKey
from doorward.controls.authenticate.policy import AuthenticatePolicy, MessageSignaturePolicy
from doorward.controls.authenticate.replay import use_once
from doorward.denial import Denied
from doorward.exchange import Caller, Check, Exchange, Headers, Request, SingleUse
from doorward.signatures import (
    Message,
    ReceivedSignature,
    SignatureRefused,
    check_content_digest,
    public_key_from_pem,
    received_signatures,
    signature_base,
    verify_message,
)
from doorward.signatures.components import Component, component
from doorward.signatures.keys import generate_ed25519
from doorward.wire import named_by_connection

NONCE_CHARACTERS: Final = 256
"""Longest nonce accepted."""
_COVERED_BY: Final = {
    "@scheme": ("@target-uri",),
    "@authority": ("@target-uri",),
    "@path": ("@target-uri", "@request-target"),
    "@query": ("@target-uri", "@request-target"),
}
"""Components that say all another one says, and more."""
_NOBODYS: Final = public_key_from_pem(generate_ed25519()[1])
"""Its other half is kept nowhere."""
_WHOLE: Final = frozenset({"sf", "bs"})
"""Parameters under which a field is still covered whole."""


class MessageSignatureMechanism:
    """Finds and proves the signature of a request."""

    __slots__ = ("_accepted", "_credentials", "_fields", "_policy", "_realm", "_required")

    def __init__(self, policy: AuthenticatePolicy, credentials: Credentials) -> None:
        self._policy = policy.message_signature
        self._credentials, self._realm = credentials, policy.realm
        self._required = tuple(component(text) for text in self._policy.components)
        self._fields = _field_names(self._required)
        self._accepted = accept_signature(self._policy)

    def __call__(self, exchange: Exchange) -> Caller | None:
        """Who signed the request; None when it is not signed. Errors: Denied `authenticate.signature_*`."""
        headers = exchange.request.headers
        if b"signature-input" not in headers and b"signature" not in headers:
            return None
        try:
            return self._prove(exchange)
        except SignatureRefused as error:
            raise self._refusal(error.reason, error.problem) from error

    def missing(self, detail: str) -> Denied:
        """The denial of a request without a signature."""
        return self._refusal("missing", detail)

    def _prove(self, exchange: Exchange) -> Caller:
        request = exchange.request
        received = self._meant(received_signatures(request.headers))
        self._require_coverage(received, request)
        self._require_one_reading(received, request.headers)
        created = self._require_fresh(received, exchange.now)
        message = Message(
            method=request.method,
            scheme=request.scheme,
            authority=request.headers.get(b"host") or b"",
            target=request.target,
            fields=request.headers,
        )
        key = self._credentials.signature_keys.get(received.text("keyid"))
        if key is None or key.verifying is None:
            _refuse_stranger(received, message)
        verify_message(received, message, key.verifying)
        self._note(exchange, key, received, created)
        return key.caller

    def _meant(self, received: dict[str, ReceivedSignature]) -> ReceivedSignature:
        """The one signature that is meant for us; of several nobody could say which one counts."""
        tag = self._policy.tag
        found = [each for each in received.values() if not tag or each.text("tag") == tag]
        if len(found) != 1:
            raise SignatureRefused("invalid", f"{len(found)} signatures could be meant for us")
        return found[0]

    def _require_coverage(self, received: ReceivedSignature, request: Request) -> None:
        covered = received.components
        for wanted in self._required:
            if wanted not in covered and not _is_covered(wanted, covered):
                raise SignatureRefused("uncovered", f"it does not cover {wanted}")
        names = {each.name for each in covered if _is_whole(each)}
        if b"authorization" in request.headers and "authorization" not in names:
            raise SignatureRefused("uncovered", "it does not cover the authorization")
        if request.has_body and "content-digest" not in names:
            raise SignatureRefused("uncovered", "it does not cover the content-digest of the body")
        if request.has_body and b"content-type" in request.headers and "content-type" not in names:
            raise SignatureRefused("uncovered", "it does not cover the content-type of the body")
        if not 0 < len(received.text("nonce")) <= NONCE_CHARACTERS:
            raise SignatureRefused("uncovered", "it has no nonce, or a very long one")

    def _require_one_reading(self, received: ReceivedSignature, headers: Headers) -> None:
        """Nothing, when the upstream will read the covered fields as the signer wrote them.

        Somebody on the way can add a field without touching the signature: one that has a covered one removed
        (`Connection`), one that CGI and its heirs take for it, or the same field in two lines, which are signed as one.
        """
        names = _field_names(received.components)
        if not names.isdisjoint(named_by_connection(headers.all(b"connection"))):
            raise SignatureRefused("invalid", "Connection has a covered field removed")
        plain = {_plain(name) for name in names}
        if any(name not in names and _plain(name) in plain for name in headers.names):
            raise SignatureRefused("invalid", "another field passes for a covered one")
        if headers.has_repeats and any(len(headers.all(name)) > 1 for name in self._fields):
            raise SignatureRefused("invalid", "a field that the policy names comes twice")

    def _require_fresh(self, received: ReceivedSignature, now: float) -> int:
        created, expires = received.time("created"), received.time("expires")
        if created is None:
            raise SignatureRefused("expired", "it does not say when it was created")
        if not created - self._policy.clock_skew_s <= now <= created + self._policy.max_age_s:
            raise SignatureRefused("expired", f"created {now - created:.0f} s ago")
        if expires is not None and now >= expires:
            raise SignatureRefused("expired", "past its own expiry")
        return created

    def _note(self, exchange: Exchange, key: SignatureKey, received: ReceivedSignature, created: int) -> None:
        """Nothing, for a key that may be used; the nonce is to be used up."""
        problem = key.refused(exchange)
        if problem:
            raise SignatureRefused("invalid", problem)
        text = f"{key.caller.credential_id}\0{received.text('nonce')}"
        use_once(
            exchange,
            SingleUse(
                proof=hashlib.blake2b(text.encode("utf-8"), digest_size=16).digest(),
                usable_from=created - self._policy.clock_skew_s,
                until=created + self._policy.max_age_s,
                ahead_s=self._policy.clock_skew_s,
                holder=key.caller.credential_id,
                refusal=self._refusal("replayed", f"key {key.caller.credential_id} used this nonce before"),
            ),
        )

    def _refusal(self, reason: str, detail: str) -> Denied:
        return signature_refusal(reason, detail, self._realm, self._accepted)


def signed_fields(policy: AuthenticatePolicy) -> frozenset[bytes]:
    """Names of the header fields that every signature covers."""
    return _field_names(tuple(component(text) for text in policy.message_signature.components))


def accept_signature(policy: MessageSignaturePolicy) -> bytes:
    """What a client should sign, as Accept-Signature has it (RFC 9421 section 5.1)."""
    names = [str(component(text)) for text in policy.components]
    tag = f';tag="{policy.tag}"' if policy.tag else ""
    covered = " ".join([*names, '"content-digest"', '"content-type"'])
    return f"sig=({covered});created;nonce;keyid{tag}".encode("ascii")


def digest_check(policy: AuthenticatePolicy) -> Check:
    """The check that the body of a signed request is the one whose digest was signed."""
    realm = policy.realm

    def check(exchange: Exchange) -> None:
        request = exchange.request
        # Whoever came with another credential and no signature has signed no digest.
        if b"signature-input" not in request.headers:
            return
        values = request.headers.all(b"content-digest")
        if not values and not request.body:
            return
        try:
            check_content_digest(values, request.body)
        except SignatureRefused as error:
            raise signature_refusal(error.reason, error.problem, realm, b"") from error

    return check


def _refuse_stranger(received: ReceivedSignature, message: Message) -> NoReturn:
    """Refuse what no key of ours signed, and at the same cost: which keys there are is for their owners to know."""
    _NOBODYS.verify(signature_base(received.components, received.parameters, message), received.signature)
    raise SignatureRefused("invalid", f"no such key: {received.text('keyid')[:64]!r}")


def _is_covered(wanted: Component, covered: tuple[Component, ...]) -> bool:
    if wanted.parameters:
        return any(each.key == wanted.key for each in covered)
    stand_ins = (wanted.name, *_COVERED_BY.get(wanted.name, ()))
    return any(each.name in stand_ins and _is_whole(each) for each in covered)


def _is_whole(each: Component) -> bool:
    return all(name in _WHOLE for name, _ in each.parameters)


def _field_names(components: tuple[Component, ...]) -> frozenset[bytes]:
    return frozenset(each.name.encode("ascii") for each in components if not each.name.startswith("@"))


def _plain(name: bytes) -> bytes:
    """One spelling for all names that CGI, WSGI and PHP cannot tell apart."""
    return name.replace(b"_", b"-")
