"""Plain HMAC of webhooks and partners that do not speak RFC 9421: a closed list of forms, no other can be written.

A form says which header fields carry time and signature, and which bytes are signed. What it covers is less than
RFC 9421 can: of the foreign forms, nothing but time and body.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from doorward.signatures.components import FieldsView
from doorward.signatures.errors import SignatureRefused
from doorward.signatures.keys import KeyRefused

WebhookFormName = Literal["doorward", "standard-webhooks", "stripe", "slack"]
WEBHOOK_FORMS: Final[tuple[WebhookFormName, ...]] = get_args(WebhookFormName)
MacAlgorithm = Literal["hmac-sha256", "hmac-sha512"]
MAC_ALGORITHMS: Final[tuple[MacAlgorithm, ...]] = get_args(MacAlgorithm)
SECRET_BYTES_LEAST: Final = 24
"""Shortest secret of a partner, in bytes: the least that Standard Webhooks allows; Slack's are 32 hexadecimal
digits."""
SIGNATURES_MOST: Final = 4
"""Most signatures looked at in one header: two keys in rotation, and room."""
_TIME: Final = re.compile(r"[0-9]{1,12}")
_HEX: Final = re.compile(r"[0-9a-f]{64}(?:[0-9a-f]{64})?")
_ID: Final = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class MacKey:
    """A shared secret with its one algorithm."""

    algorithm: MacAlgorithm
    mac: Callable[[bytes], bytes] = field(repr=False)
    """The MAC over some bytes."""


def mac_key(secret: bytes, algorithm: MacAlgorithm) -> MacKey:
    """The key of a secret. Errors: KeyRefused for one that is too short."""
    if len(secret) < SECRET_BYTES_LEAST:
        raise KeyRefused(f"the secret of a webhook has at least {SECRET_BYTES_LEAST} bytes")
    digest = hashlib.sha256 if algorithm == "hmac-sha256" else hashlib.sha512
    return MacKey(algorithm, lambda data: hmac.new(secret, data, digest).digest())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMac:
    """What a request says of its own MAC; nothing of it is proved yet."""

    time: int
    """When it was made, Unix seconds."""
    signed: bytes
    """What the MAC must be over."""
    macs: tuple[bytes, ...]
    """The MACs it offers; one of them must be right."""
    key_id: str = ""
    """The key it names, in the form that names one."""


def received_mac(
    form: WebhookFormName, fields: FieldsView, *, method: str, authority: str, target: bytes, body: bytes
) -> ReceivedMac | None:
    """The MAC on a request; None when the header fields of its form are all absent.

    `authority` is as `components.authority_text` has it.
    Errors: SignatureRefused `invalid` for fields that are there and not as the form says.
    """
    match form:
        case "doorward":
            return _doorward(fields, method, authority, target, body)
        case "standard-webhooks":
            return _standard(fields, body)
        case "stripe":
            return _stripe(fields, body)
        case "slack":
            return _slack(fields, body)


def mac_fits(received: ReceivedMac, key: MacKey) -> bytes | None:
    """The MAC, when one of those offered is right; else None. Takes as long either way."""
    expected = key.mac(received.signed)
    # every one is compared: which of them was right is nobody's to measure
    fits = [hmac.compare_digest(expected, offered) for offered in received.macs]
    return expected if any(fits) else None


def doorward_signed(method: str, authority: str, target: bytes, time: int, message_id: str, body: bytes) -> bytes:
    r"""What the form `doorward` signs: method, host, target, time, an id that tells equal messages apart, and body.

    >>> doorward_signed("POST", "api.example", b"/hooks?a=1", 1618884473, "evt-1", b"{}")
    b'v1\nPOST\napi.example\n/hooks?a=1\n1618884473\nevt-1\n{}'
    """
    host = authority.encode("latin-1")
    return b"v1\n%s\n%s\n%s\n%d\n%s\n%s" % (method.encode(), host, target, time, message_id.encode(), body)


def standard_fields(key: MacKey, message_id: str, time: int, body: bytes) -> dict[str, str]:
    """The header fields of a message of ours in the form `standard-webhooks`. `message_id`: a short word, no point."""
    offered = base64.b64encode(key.mac(_standard_signed(message_id, time, body))).decode("ascii")
    return {"webhook-id": message_id, "webhook-timestamp": str(time), "webhook-signature": f"v1,{offered}"}


def _standard_signed(message_id: str, time: int, body: bytes) -> bytes:
    return f"{message_id}.{time}.".encode("ascii") + body


def _doorward(fields: FieldsView, method: str, authority: str, target: bytes, body: bytes) -> ReceivedMac | None:
    values = _fields(fields, "x-signature-key", "x-signature-timestamp", "x-signature-id", "x-signature")
    if values is None:
        return None
    key_id, time, message_id, offered = values
    if _ID.fullmatch(message_id) is None:
        raise SignatureRefused("invalid", "x-signature-id is not a short word")
    seconds = _seconds(time)
    signed = doorward_signed(method, authority, target, seconds, message_id, body)
    return ReceivedMac(time=seconds, signed=signed, macs=(_hex(offered),), key_id=key_id)


def _standard(fields: FieldsView, body: bytes) -> ReceivedMac | None:
    # https://github.com/standard-webhooks/standard-webhooks, "Signature scheme"
    values = _fields(fields, "webhook-id", "webhook-timestamp", "webhook-signature")
    if values is None:
        return None
    message_id, time, offered = values
    if _ID.fullmatch(message_id) is None or "." in message_id:
        # The three parts are joined by points: with one inside, two messages would be the same bytes.
        raise SignatureRefused("invalid", "webhook-id is not a short word without a point")
    macs = [_base64(text[3:]) for text in _few(offered.split(" ", SIGNATURES_MOST)) if text.startswith("v1,")]
    seconds = _seconds(time)
    return ReceivedMac(time=seconds, signed=_standard_signed(message_id, seconds, body), macs=_some(macs))


def _stripe(fields: FieldsView, body: bytes) -> ReceivedMac | None:
    # https://docs.stripe.com/webhooks/signature
    values = _fields(fields, "stripe-signature")
    if values is None:
        return None
    parts = [part.partition("=") for part in _few(values[0].split(",", SIGNATURES_MOST + 1), SIGNATURES_MOST + 1)]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1:
        raise SignatureRefused("invalid", "stripe-signature has not one time")
    macs = [_hex(value) for name, _, value in parts if name == "v1"]
    return ReceivedMac(time=_seconds(times[0]), signed=f"{times[0]}.".encode("ascii") + body, macs=_some(macs))


def _slack(fields: FieldsView, body: bytes) -> ReceivedMac | None:
    # https://docs.slack.dev/authentication/verifying-requests-from-slack
    values = _fields(fields, "x-slack-request-timestamp", "x-slack-signature")
    if values is None:
        return None
    time, offered = values
    if not offered.startswith("v0="):
        raise SignatureRefused("invalid", "x-slack-signature is not of version v0")
    return ReceivedMac(time=_seconds(time), signed=f"v0:{time}:".encode("ascii") + body, macs=(_hex(offered[3:]),))


def _fields(fields: FieldsView, *names: str) -> list[str] | None:
    values = [fields.all(name.encode("ascii")) for name in names]
    if not any(values):
        return None
    for name, found in zip(names, values, strict=True):
        if len(found) != 1:
            raise SignatureRefused("invalid", f"{name} comes {len(found)} times")
    texts = [found[0].decode("latin-1") for found in values]
    if not all(text.isascii() for text in texts):
        raise SignatureRefused("invalid", "a field of the signature is not ASCII")
    return texts


def _seconds(text: str) -> int:
    if _TIME.fullmatch(text) is None or (text[0] == "0" and text != "0"):
        raise SignatureRefused("invalid", "the time is not in Unix seconds")
    return int(text)


def _hex(text: str) -> bytes:
    if _HEX.fullmatch(text) is None:
        raise SignatureRefused("invalid", "the signature is not in lower-case hexadecimal digits")
    return bytes.fromhex(text)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise SignatureRefused("invalid", "the signature is not base64") from None


def _few(parts: list[str], most: int = SIGNATURES_MOST) -> list[str]:
    if len(parts) > most:
        raise SignatureRefused("invalid", f"more than {SIGNATURES_MOST} signatures in one header")
    return parts


def _some(macs: list[bytes]) -> tuple[bytes, ...]:
    if not macs:
        raise SignatureRefused("invalid", "there is no signature of a known version")
    return tuple(macs)
