"""Passkeys (WebAuthn Level 3): challenges made and recognised, what authenticators answer verified.

A challenge is not stored when it is shown: it proves by a MAC that it is ours, for this browser, this use and this
user, and is `claim`ed when an answer to it comes, so that none is answered twice. Where a passkey belongs (`rpId`, the
origin) comes from the issuer's URL alone. It knows answers; `credentials` alone decides whether one may be tried.

Standard: W3C Web Authentication Level 3, sections 7.1 and 7.2; NIST SP 800-63B-4 section 3.1.7.
Not here: attestation. Any authenticator may be used, so which model it is proves nothing that would be acted on.
"""

import base64
import binascii
import hmac
import secrets
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import jiter
from sqlalchemy import Connection
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from doorward.identity.sealing import ServerSecret
from doorward.store.single_use import LONGEST_LIFE_S, Purpose, claim

CHALLENGE_LIFE_S: Final = LONGEST_LIFE_S[Purpose.PASSKEY_CHALLENGE]
_RANDOM_BYTES: Final = 32
_MAC_BYTES: Final = 16
_CHALLENGE: Final = struct.Struct(f">{_RANDOM_BYTES}sQ{_MAC_BYTES}s")
_CREDENTIAL_BYTES: Final = 1023
"""Longest id of a credential (WebAuthn section 4)."""
_ANSWER_CHARACTERS: Final = 7_000
_TRANSPORTS: Final = {transport.value for transport in AuthenticatorTransport}
Use: TypeAlias = Literal["register", "sign_in", "factor", "reset"]


class AnswerRefused(Exception):
    """What came back is no answer of an authenticator to a challenge of ours. The text is for the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """To whom passkeys are given, as browsers see it."""

    id: str
    """The host of the issuer's URL."""
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """For what a challenge is good: one use, in one browser, of one user (empty: whoever the passkey names)."""

    use: Use
    visit: str
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A passkey as it is kept."""

    credential_id: str
    """base64url."""
    public_key: str = field(repr=False)
    """COSE_Key, base64url."""
    sign_count: int = 0
    transports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a browser sent, read and not yet verified."""

    credential_id: str
    challenge: bytes = field(repr=False)
    user_handle: str | None
    document: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a verified answer says."""

    user_verified: bool
    """The authenticator knew its user by PIN, finger or face: it stands for two factors then."""
    sign_count: int


class Passkeys:
    """Challenges and answers of one provider."""

    __slots__ = ("_party", "_secret")

    def __init__(self, secret: ServerSecret, party: RelyingParty) -> None:
        self._secret, self._party = secret, party

    def registration_options(self, asked: Asked, known: Iterable[Kept], *, now: float) -> str:
        """What the browser's `navigator.credentials.create` gets, as JSON. `known` are not to be registered again."""
        options = generate_registration_options(
            rp_id=self._party.id,
            rp_name=self._party.id,
            user_id=self._user_handle(asked.user),
            user_name=asked.user,
            challenge=self._challenge(asked, now),
            authenticator_selection=AuthenticatorSelectionCriteria(
                # preferred, not required: a security key without a PIN still makes a good second factor
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.PREFERRED,
            ),
            exclude_credentials=_descriptors(known),
        )
        return options_to_json(options)

    def authentication_options(self, asked: Asked, known: Iterable[Kept] = (), *, now: float) -> str:
        """What `navigator.credentials.get` gets, as JSON. `known`: those that may answer; none named, any of ours."""
        alone = asked.use == "sign_in"
        required, preferred = UserVerificationRequirement.REQUIRED, UserVerificationRequirement.PREFERRED
        options = generate_authentication_options(
            rp_id=self._party.id,
            challenge=self._challenge(asked, now),
            allow_credentials=_descriptors(known),
            user_verification=required if alone else preferred,
        )
        return options_to_json(options)

    def registered(self, connection: Connection, answer: Answer, asked: Asked, *, now: float) -> Kept:
        """The new passkey, and the challenge is spent. Errors: AnswerRefused."""
        self.spend(connection, answer, asked, now=now)
        try:
            found = verify_registration_response(
                credential=answer.document,
                expected_challenge=answer.challenge,
                expected_rp_id=self._party.id,
                expected_origin=self._party.origin,
            )
        except (WebAuthnException, *_UNREADABLE) as error:
            raise AnswerRefused(str(error)) from error
        if len(found.credential_id) > _CREDENTIAL_BYTES:
            raise AnswerRefused("the credential's id is too long")
        response = answer.document["response"]
        given = response.get("transports")
        transports = sorted(_TRANSPORTS & {str(name) for name in given}) if isinstance(given, list) else []
        return Kept(
            credential_id=bytes_to_base64url(found.credential_id),
            public_key=bytes_to_base64url(found.credential_public_key),
            sign_count=found.sign_count,
            transports=tuple(transports),
        )

    def spend(self, connection: Connection, answer: Answer, asked: Asked, *, now: float) -> None:
        """Nothing; the challenge was ours, for that, and is spent whatever comes next. Errors: AnswerRefused."""
        try:
            random, until, mac = _CHALLENGE.unpack(answer.challenge)
        except struct.error:
            raise AnswerRefused("the challenge is not ours") from None
        if not hmac.compare_digest(mac, self._mac(asked, random, until)):
            raise AnswerRefused("the challenge is not ours, or was for another use, user or browser")
        if until <= now:
            raise AnswerRefused("the challenge is too old")
        value = bytes_to_base64url(answer.challenge)
        if not claim(connection, Purpose.PASSKEY_CHALLENGE, value, now=now, lifetime_s=until - now):
            raise AnswerRefused("the challenge was answered before")

    def verified(self, answer: Answer, kept: Kept, user: str, *, alone: bool) -> Shown:
        """What an answer to a spent challenge says about its user. Errors: AnswerRefused.

        `alone`: nothing else proves the user, so the authenticator must have verified them and name them.
        """
        handle = None if answer.user_handle is None else answer.user_handle.encode("ascii", "replace")
        mine = bytes_to_base64url(self._user_handle(user)).encode("ascii")
        if handle is None and alone:
            raise AnswerRefused("a passkey alone names its user")
        if handle is not None and not hmac.compare_digest(handle, mine):
            raise AnswerRefused("the passkey names somebody else")
        try:
            found = verify_authentication_response(
                credential=answer.document,
                expected_challenge=answer.challenge,
                expected_rp_id=self._party.id,
                expected_origin=self._party.origin,
                credential_public_key=base64url_to_bytes(kept.public_key),
                # the library would refuse a counter that did not grow; for us it is a signal (ID-71)
                credential_current_sign_count=0,
                require_user_verification=alone,
            )
        except (WebAuthnException, *_UNREADABLE) as error:
            raise AnswerRefused(str(error)) from error
        return Shown(user_verified=found.user_verified, sign_count=found.new_sign_count)

    def _challenge(self, asked: Asked, now: float) -> bytes:
        random, until = secrets.token_bytes(_RANDOM_BYTES), int(now + CHALLENGE_LIFE_S)
        return _CHALLENGE.pack(random, until, self._mac(asked, random, until))

    def _mac(self, asked: Asked, random: bytes, until: int) -> bytes:
        # the user comes last: it is the only part that could hold a line's end
        text = f"{asked.use}\n{asked.visit}\n{until}\n{asked.user}".encode()
        return self._secret.mac("passkey challenge", random + text)[:_MAC_BYTES]

    def _user_handle(self, user: str) -> bytes:
        """What authenticators call the user: says nothing to others (WebAuthn section 14.6.1)."""
        return self._secret.mac("passkey user", user.encode())


_UNREADABLE: Final = (ValueError, TypeError, KeyError, AttributeError, binascii.Error, RecursionError)
"""What the library lets through from documents that are shaped like nothing it expects."""


def read_answer(text: str) -> Answer:
    """What a browser sent. Errors: AnswerRefused for what is no answer, or comes from a page within another's page."""
    if len(text) > _ANSWER_CHARACTERS:
        raise AnswerRefused("the answer is too long")
    document = _object(text.encode("utf-8", "replace"))
    response = document.get("response")
    if not isinstance(response, dict):
        raise AnswerRefused("the answer has no response")
    client_data = _object(_bytes(response.get("clientDataJSON")))
    if client_data.get("crossOrigin") not in (None, False):
        # the library does not look at it
        raise AnswerRefused("the answer was made in a page framed by another site")
    handle = response.get("userHandle")
    return Answer(
        credential_id=bytes_to_base64url(_bytes(document.get("rawId"))),
        challenge=_bytes(client_data.get("challenge")),
        user_handle=bytes_to_base64url(_bytes(handle)) if handle else None,
        document=document,
    )


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = jiter.from_json(text, catch_duplicate_keys=True)
    except ValueError as error:
        raise AnswerRefused(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise AnswerRefused("not an object")
    return found


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise AnswerRefused("a member is missing")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise AnswerRefused("a member is not base64url") from None


def _descriptors(known: Iterable[Kept]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=base64url_to_bytes(kept.credential_id), transports=_transports(kept.transports)
        )
        for kept in known
    ]


def _transports(names: Sequence[str]) -> list[AuthenticatorTransport] | None:
    return [AuthenticatorTransport(name) for name in names if name in _TRANSPORTS] or None
