"""Another implementation judges the same messages: http-message-signatures, and http-sf for structured fields.

What one of them signs the other must verify; what one parses the other must parse the same, but for what ours refuses on
purpose (non-canonical base64).
"""

import base64
import time
from typing import Any

import http_sf
import httpx
import pytest
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from http_sf.types import DisplayString as TheirDisplayString
from http_sf.types import Token as TheirToken
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.signatures.test_message import PAIRS, PEMS

from doorward.client.httpx_auth import sent
from doorward.client.signing import MessageSigner
from doorward.signatures import SignatureRefused, received_signatures, verify_message
from doorward.signatures.keys import public_pem
from doorward.signatures.structured_fields import (
    Date,
    DisplayString,
    FieldError,
    InnerList,
    Item,
    Token,
    parse_dictionary,
    parse_list,
    serialize_dictionary,
)

THEIRS = {
    "ed25519": algorithms.ED25519,
    "ecdsa-p256-sha256": algorithms.ECDSA_P256_SHA256,
    "ecdsa-p384-sha384": algorithms.ECDSA_P384_SHA384,
    "rsa-pss-sha512": algorithms.RSA_PSS_SHA512,
    "hmac-sha256": algorithms.HMAC_SHA256,
}
COMPONENTS = ("@method", "@authority", "@path", "@query", "@target-uri", "@request-target", "@scheme", "x-note")


class Keys(HTTPSignatureKeyResolver):
    """Every key id names this key."""

    def __init__(self, private: bytes) -> None:
        self.private = private

    def resolve_private_key(self, key_id: str) -> Any:
        return self.private

    def resolve_public_key(self, key_id: str) -> Any:
        return public_pem(self.private).encode() if self.private.startswith(b"-----") else self.private


_segment = st.text("abcXYZ019-._~%2F!$&'()*+,;=:@".replace("%2F", ""), max_size=8)
_queries = st.text("abc019-._~!$'()*+,;:@/?&=", max_size=16)
_notes = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=16).map(str.strip)
_requests = st.builds(
    lambda method, segments, query, note: httpx.Request(
        method, f"https://api.example:8443/{'/'.join(segments)}?{query}", headers={"x-note": note}
    ),
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.lists(_segment.filter(lambda text: text not in {"", ".", ".."}), max_size=3),
    _queries.filter(bool),
    _notes,
)


@pytest.mark.parametrize("algorithm", THEIRS)
@settings(max_examples=30)
@given(request=_requests)
def test_what_we_sign_they_verify(algorithm: str, request: httpx.Request) -> None:
    signer = MessageSigner(key_id="k", key=PAIRS[algorithm][0], components=COMPONENTS, tag="t", clock=time.time)
    for name, value in signer.sign(sent(request)).items():
        request.headers[name] = value
    verifier = HTTPMessageVerifier(signature_algorithm=THEIRS[algorithm], key_resolver=Keys(PEMS[algorithm]))
    verified = verifier.verify(request, expect_tag="t")
    assert len(verified) == 1
    request.headers["x-note"] += "!"
    with pytest.raises(InvalidSignature):
        verifier.verify(request, expect_tag="t")


@pytest.mark.parametrize("algorithm", THEIRS)
@settings(max_examples=30)
@given(request=_requests)
def test_what_they_sign_we_verify(algorithm: str, request: httpx.Request) -> None:
    signer = HTTPMessageSigner(signature_algorithm=THEIRS[algorithm], key_resolver=Keys(PEMS[algorithm]))
    signer.sign(request, key_id="k", covered_component_ids=COMPONENTS)
    message = sent(request).message()
    (received,) = received_signatures(message.fields).values()
    verify_message(received, message, PAIRS[algorithm][1])
    request.headers["x-note"] += "!"
    with pytest.raises(SignatureRefused):
        verify_message(received, sent(request).message(), PAIRS[algorithm][1])


def plain(value: Any) -> Any:
    """A value of theirs as one of ours."""
    if isinstance(value, TheirToken):
        return Token(str(value))
    if isinstance(value, TheirDisplayString):
        return DisplayString(str(value))
    if hasattr(value, "timestamp"):
        return Date(int(value.timestamp()))
    return value


def ours(member: Any) -> Any:
    """A member of theirs as one of ours."""
    value, parameters = member
    kept = {name: plain(each) for name, each in parameters.items()}
    if isinstance(value, list):
        return InnerList(tuple(ours(each) for each in value), kept)
    return Item(plain(value), kept)


_texts = st.lists(
    st.sampled_from(
        [
            *("a", "b1", "*c", "=", ";", ",", " ", "\t", "(", ")", '"', '"x y"', '"\\""', "1", "-2", "1.5", "?1", "?0"),
            *("tok/en", "@1659578233", '%"f%c3%bc"', "12345678901234567", "1.2345", ":aGk=:", ":aGk:", "é", ":", "*"),
        ]
    ),
    max_size=12,
).map("".join)


def _refuses_on_purpose(text: str) -> bool:
    """Base64 that is not the canonical spelling: they let the missing or odd bits pass, as RFC 9651 permits."""
    for piece in text.split(":")[1::2]:
        try:
            decoded = base64.b64decode(piece + "=" * (-len(piece) % 4))
        except ValueError:
            return True
        if base64.b64encode(decoded).decode() != piece:
            return True
    return False


@given(_texts)
def test_both_read_the_same_structured_fields(text: str) -> None:
    for kind, parse in (("dictionary", parse_dictionary), ("list", parse_list)):
        try:
            found: Any = parse(text)
        except FieldError:
            found = None
        try:
            parsed: Any = http_sf.parse(text.encode("latin-1", "replace"), tltype=kind)
            theirs = (
                {name: ours(each) for name, each in parsed.items()}
                if kind == "dictionary"
                else [ours(each) for each in parsed]
            )
        except (ValueError, http_sf.StructuredFieldError):
            theirs = None
        if found is None and theirs is not None and _refuses_on_purpose(text):
            continue
        assert found == theirs
        if kind == "dictionary" and found:
            assert serialize_dictionary(found) == http_sf.ser(parsed)
