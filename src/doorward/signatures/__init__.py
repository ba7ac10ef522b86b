"""Signed HTTP messages: RFC 9421 signatures, RFC 9530 digests, plain HMAC of webhooks. Pure: bytes in, bytes out.

A leaf. The gateway (`controls.authenticate`), the client library and the attack simulator all use it; nothing here
knows a policy, a clock or a caller. What must be covered, how old a signature may be and that it is used once is the
verifier's to demand.
"""

from doorward.signatures.base import signature_base
from doorward.signatures.components import Component, FieldsView, Message
from doorward.signatures.digest import check_content_digest, content_digest
from doorward.signatures.errors import SignatureRefused
from doorward.signatures.keys import (
    ALGORITHMS,
    SignatureAlgorithm,
    SigningKey,
    VerifyingKey,
    private_key_from_pem,
    public_key_from_pem,
    shared_secret,
)
from doorward.signatures.message import ReceivedSignature, received_signatures, sign_message, verify_message

__all__ = [
    "ALGORITHMS",
    "Component",
    "FieldsView",
    "Message",
    "ReceivedSignature",
    "SignatureAlgorithm",
    "SignatureRefused",
    "SigningKey",
    "VerifyingKey",
    "check_content_digest",
    "content_digest",
    "private_key_from_pem",
    "public_key_from_pem",
    "received_signatures",
    "shared_secret",
    "sign_message",
    "signature_base",
    "verify_message",
]
