"""Targets: signed requests, from the structured fields up to who is believed."""

from typing import Any, Final

from tests.controls.authenticate.partner import NOW, Partner, exchange_of, scheme
from tests.fuzz.target import Target, expect_code

from doorward.attack.case import Ask
from doorward.controls.authenticate import AuthenticatePolicy, compile_check, credentials_data, digest_check
from doorward.controls.authenticate.policy import HmacSignaturePolicy
from doorward.denial import Denied
from doorward.operation import Operation
from doorward.signatures.structured_fields import (
    FieldError,
    parse_dictionary,
    parse_item,
    parse_list,
    serialize_dictionary,
    serialize_list,
    serialize_member,
)
from doorward.signatures.webhook import WEBHOOK_FORMS

_KINDS: Final[tuple[tuple[Any, Any], ...]] = (
    (parse_dictionary, serialize_dictionary),
    (parse_list, serialize_list),
    (parse_item, serialize_member),
)


def structured_field(data: bytes) -> None:
    """A field that is read has one spelling, which is read as the same."""
    text = data.decode("latin-1")
    for parse, write in _KINDS:
        try:
            found = parse(text)
        except FieldError:
            continue
        spelled = write(found)
        assert parse(spelled) == found
        assert write(parse(spelled)) == spelled


_PARTNER: Final = Partner()
_PARTNER.credentials.apply(credentials_data(issuers={}, signature_keys=_PARTNER.records))
_FORMS: Final = {form: scheme("hmac", form) for form in WEBHOOK_FORMS}
_POLICY: Final = AuthenticatePolicy(
    hmac_signatures=tuple(HmacSignaturePolicy(scheme=form, form=form, caller="partner") for form in WEBHOOK_FORMS)
)
_SIGNED: Final = compile_check(
    Operation(id="get", method="POST", path="/", template="/", security=({scheme("rfc9421"): ()},)),
    _POLICY,
    _PARTNER.credentials,
)
_HOOKED: Final = tuple(
    compile_check(
        Operation(id=form, method="POST", path="/", template="/", security=({hook: ()},)), _POLICY, _PARTNER.credentials
    )
    for form, hook in _FORMS.items()
)


def message_signature(data: bytes) -> None:
    """Whatever stands in the fields of a signature, nobody is believed who did not sign."""
    names = ("Signature-Input", "Signature", "Content-Digest", "X-Any")
    fields = tuple(
        (name, piece.decode("latin-1")) for name, piece in zip(names, data.split(b"\n", 3), strict=False) if piece
    )
    exchange = exchange_of(Ask(method="POST", target="/?a=1", body=b"{}", headers=fields), now=NOW)
    for check in (_SIGNED, digest_check(_POLICY)):
        try:
            check(exchange)
        except Denied as denied:
            expect_code(denied, "authenticate.signature_")
        else:
            assert exchange.caller is None
            assert check is not _SIGNED


def webhook(data: bytes) -> None:
    """Whatever stands in the fields of a webhook, nobody is believed who does not have the secret."""
    names = ("X-Signature-Key", "X-Signature-Timestamp", "X-Signature-Id", "X-Signature", "Stripe-Signature",
             "X-Slack-Request-Timestamp", "X-Slack-Signature", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature")  # fmt: skip
    pieces = [piece.decode("latin-1") for piece in data.split(b"\n", 3)]
    fields = tuple((name, pieces[place % len(pieces)]) for place, name in enumerate(names))
    exchange = exchange_of(Ask(method="POST", target="/", body=b"{}", headers=fields), now=NOW)
    for check in _HOOKED:
        try:
            check(exchange)
        except Denied as denied:
            expect_code(denied, "authenticate.signature_")
            continue
        raise AssertionError(f"{exchange.caller} was believed")


_FIELD_WORDS: Final = (
    *(
        b"a",
        b"sig=",
        b"=",
        b";",
        b",",
        b", ",
        b" ",
        b"\t",
        b"(",
        b")",
        b'"',
        b'"x"',
        b'"\\""',
        b"\\",
        b"1",
        b"-",
        b"1.5",
    ),
    *(b"?1", b":", b":AA==:", b":A", b"@1", b'%"', b"%c3", b"tok/en", b"*", b"\xe9", b"12345678901234567"),
)
_SIGNATURE_WORDS: Final = (
    *_FIELD_WORDS,
    *(
        b"\n",
        b'sig=("@method" "@authority" "@path" "@query" "content-digest")',
        b'"@query-param";name="a"',
        b'"x-any";sf',
    ),
    *(b";created=1800000000", b';nonce="n"', b';keyid="ed"', b';keyid="mac"', b';alg="none"', b"sha-256=:AA==:"),
)
_HOOK_WORDS: Final = (
    *(b"\n", b"hook", b"1800000000", b"t=1800000000", b",", b"v1=", b"v0=", b"v1,", b" ", b"00" * 32, b"AA==", b"id"),
    *(b"=", b"\xff", b"-1", b"0"),
)

TARGETS: Final[dict[str, Target]] = {
    "message_signature": Target(message_signature, _SIGNATURE_WORDS),
    "structured_field": Target(structured_field, _FIELD_WORDS),
    "webhook": Target(webhook, _HOOK_WORDS),
}
