"""Signed answers: what the gateway signs of one, and what a client must find signed before it believes it."""

from typing import Final

from doorward.signatures.components import Component, Message
from doorward.signatures.digest import check_content_digest
from doorward.signatures.errors import SignatureRefused
from doorward.signatures.keys import SigningKey, VerifyingKey
from doorward.signatures.message import received_signatures, sign_message, verify_message
from doorward.signatures.structured_fields import BareItem

ANSWER_TAG: Final = "doorward-answer"
"""`tag` of the gateway's signatures: no signature of another purpose passes for one."""
SKEW_S: Final = 5
"""How far the gateway's clock and the client's may be apart, in seconds."""
_LABEL: Final = "answer"
_REQ: Final = (("req", True),)
_ALWAYS: Final = (
    Component("@status"),
    Component("@method", _REQ),
    Component("@authority", _REQ),
    Component("@path", _REQ),
    Component("@query", _REQ),
)
_DIGEST: Final = Component("content-digest")
_WHEN_THERE: Final = (_DIGEST, Component("content-type"), Component("location"))
"""What decides how the body is read and where the client goes next."""
_ASKED: Final = Component("signature", _REQ)
"""The signature of the request: binds the answer to this very question, not to an equal one."""


def sign_answer(answer: Message, key: SigningKey, *, key_id: str, now: float) -> tuple[bytes, bytes]:
    """The values of Signature-Input and Signature for an answer, whose digest is among its fields if it has a body.

    Errors: SignatureRefused `invalid` when the answer has something that cannot be signed.
    """
    components = [*_ALWAYS, *_more(answer)]
    parameters: dict[str, BareItem] = {"created": int(now), "keyid": key_id, "tag": ANSWER_TAG}
    return sign_message(_LABEL, components, parameters, answer, key)


def verify_answer(answer: Message, body: bytes, key: VerifyingKey, *, asked_at: float, now: float) -> None:
    """Nothing, when the gateway gave this answer, with this body, to the request it carries, after it was asked.

    Errors: SignatureRefused.
    """
    meant = [each for each in received_signatures(answer.fields).values() if each.text("tag") == ANSWER_TAG]
    if len(meant) != 1:
        raise SignatureRefused("missing" if not meant else "invalid", f"{len(meant)} signatures of the gateway")
    received = meant[0]
    for wanted in (*_ALWAYS, *_more(answer)):
        if wanted not in received.components:
            raise SignatureRefused("uncovered", f"the answer's signature does not cover {wanted}")
    has_body = bool(body)
    if has_body and _DIGEST not in received.components:
        raise SignatureRefused("uncovered", "the answer has a body, and no signed digest of it")
    created = received.time("created")
    if created is None or not int(asked_at) - SKEW_S <= created <= now + SKEW_S:
        raise SignatureRefused("expired", "the answer was not signed between question and now")
    verify_message(received, answer, key)
    if _DIGEST in received.components:
        check_content_digest(answer.fields.all(b"content-digest"), body)
    elif not _is_bodiless(answer):
        raise SignatureRefused("uncovered", "an answer of this kind has a signed digest")


def _more(answer: Message) -> list[Component]:
    found = [each for each in _WHEN_THERE if answer.fields.all(each.name.encode("ascii"))]
    if answer.request is not None and answer.request.fields.all(b"signature"):
        found.append(_ASKED)
    return found


def _is_bodiless(answer: Message) -> bool:
    return answer.status in {204, 304} or (answer.request is not None and answer.request.method == "HEAD")
