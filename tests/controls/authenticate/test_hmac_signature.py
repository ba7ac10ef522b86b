import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from tests.controls.authenticate.partner import NOW, SEALER, SECRET, Partner, scheme

from doorward.attack.case import Ask, Signing
from doorward.controls.authenticate import AuthenticatePolicy, OwnReplays, sealed_name
from doorward.controls.authenticate.policy import HmacSignaturePolicy
from doorward.denial import Denied
from doorward.signatures.webhook import MacKey, ReceivedMac, mac_fits

BODY = b'{"a":1}'


@pytest.fixture
def partner() -> Partner:
    return Partner("hmac")


def policy_of(**settings: Any) -> AuthenticatePolicy:
    return AuthenticatePolicy(hmac_signatures=(HmacSignaturePolicy(scheme="hmac", **settings),))


def mac(signed: bytes, secret: bytes = SECRET) -> bytes:
    return hmac.new(secret, signed, hashlib.sha256).digest()


def slack(time: int, body: bytes = BODY, secret: bytes = SECRET) -> Ask:
    signature = "v0=" + mac(b"v0:%d:%s" % (time, body), secret).hex()
    fields = (("X-Slack-Request-Timestamp", str(time)), ("X-Slack-Signature", signature))
    return Ask(method="POST", target="/x", body=body, headers=fields)


def stripe(time: int, body: bytes = BODY, *secrets: bytes) -> Ask:
    macs = ",".join("v1=" + mac(b"%d.%s" % (time, body), secret).hex() for secret in secrets or (SECRET,))
    return Ask(method="POST", target="/x", body=body, headers=(("Stripe-Signature", f"t={time},{macs},v0=abc"),))


def standard(time: int, body: bytes = BODY, secret: bytes = SECRET) -> Ask:
    signature = base64.b64encode(mac(b"msg_1.%d.%s" % (time, body), secret)).decode()
    fields = (
        ("Webhook-Id", "msg_1"),
        ("Webhook-Timestamp", str(time)),
        ("Webhook-Signature", f"v1a,xyz v1,{signature}"),
    )
    return Ask(method="POST", target="/x", body=body, headers=fields)


FORMS: dict[str, Callable[..., Ask]] = {"slack": slack, "stripe": stripe, "standard-webhooks": standard}


def test_the_forms_are_those_their_services_publish() -> None:
    from doorward.exchange import Headers
    from doorward.signatures.webhook import mac_fits, mac_key, received_mac

    # https://docs.slack.dev/authentication/verifying-requests-from-slack: the worked example
    fields = Headers(
        [
            (b"x-slack-request-timestamp", b"1531420618"),
            (b"x-slack-signature", b"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        ]
    )
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
        b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
        b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121."
        b"803a0bc887a14d10d2c447fce8b6703c"
    )
    received = received_mac("slack", fields, method="POST", authority="", target=b"/", body=body)
    assert received is not None
    assert mac_fits(received, mac_key(b"8f742231b10e8888abcd99yyyzzz85a5", "hmac-sha256")) is not None

    # https://github.com/standard-webhooks/standard-webhooks: the worked example
    fields = Headers(
        [
            (b"webhook-id", b"msg_p5jXN8AQM9LWM0D4loKWxJek"),
            (b"webhook-timestamp", b"1614265330"),
            (b"webhook-signature", b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ]
    )
    received = received_mac(
        "standard-webhooks", fields, method="POST", authority="", target=b"/", body=b'{"test": 2432232314}'
    )
    assert received is not None
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert mac_fits(received, mac_key(secret, "hmac-sha256")) is not None


@pytest.mark.parametrize("form", FORMS)
def test_a_foreign_form_proves_the_caller_that_the_policy_names(partner: Partner, form: str) -> None:
    partner.policy = policy_of(form=form, caller="partner")
    make = FORMS[form]
    caller = partner.admit(make(int(NOW))).caller
    assert caller is not None
    assert (caller.subject, caller.kind, caller.credential_id) == ("partner", "signature", "hook")
    assert partner.code(make(int(NOW))) == "signature_replayed"
    assert partner.code(replace(make(int(NOW) + 1), body=b"{}")) == "signature_invalid"
    assert partner.code(make(int(NOW) - 61)) == "signature_expired"
    assert partner.code(make(int(NOW) + 6)) == "signature_expired"
    assert partner.code(Ask(method="POST", target="/x", body=BODY)) == "signature_missing"
    partner.policy = policy_of(form=form, caller="somebody-else")
    assert partner.code(make(int(NOW) + 2)) == "signature_invalid"


def test_two_keys_count_while_they_are_rotated(partner: Partner) -> None:
    new = b"n" * 32
    sealed = SEALER.seal(sealed_name("new"), new)
    partner.records.append(partner.record("new", algorithm="hmac-sha256", purpose="hmac", sealed=sealed))
    partner.policy = policy_of(form="stripe", caller="partner")
    assert partner.code(stripe(int(NOW), BODY, SECRET)) == ""
    assert partner.code(stripe(int(NOW), BODY, new)) == ""
    assert partner.code(stripe(int(NOW) - 1, BODY, SECRET, new)) == ""
    partner.records[2]["revoked"] = True
    assert partner.code(stripe(int(NOW) - 2, BODY, SECRET)) == "signature_invalid"
    assert partner.code(stripe(int(NOW) - 2, BODY, new)) == ""


def test_our_own_form_names_its_key_and_covers_where_it_goes(partner: Partner) -> None:
    assert partner.code(partner.hooked()) == ""
    assert partner.code(partner.hooked(ask=Ask(method="GET", target="/x"))) == ""
    for change in ({"target": "/y"}, {"method": "PUT"}, {"body": b"{}"}):
        other = Signing(after=lambda ask, change=change: replace(ask, **change))  # type: ignore[misc]
        assert partner.code(partner.hooked(other)) == "signature_invalid"
    ask = partner.hooked()
    assert ask.finish is not None
    assert partner.code(ask.finish(ask, "other.example")) == "signature_invalid"
    assert partner.code(ask.finish(ask, "API.example:443")) == ""


def test_equal_messages_of_one_second_are_told_apart_by_their_id(partner: Partner) -> None:
    assert [partner.code(partner.hooked()) for _ in range(3)] == ["", "", ""]
    ask = partner.hooked()
    assert ask.finish is not None
    same = ask.finish(ask, "api.example")
    assert [partner.code(same), partner.code(same)] == ["", "signature_replayed"]


@pytest.mark.parametrize(
    ("signing", "code"),
    [
        (Signing(created_ago_s=60), ""),
        (Signing(created_ago_s=61), "signature_expired"),
        (Signing(created_ago_s=-5), ""),
        (Signing(created_ago_s=-6), "signature_expired"),
        (Signing(key_id="unknown"), "signature_invalid"),
        (Signing(key_id="ed"), "signature_invalid"),
        (Signing(key_id="mac"), "signature_invalid"),
        (Signing(spoilt=True), "signature_invalid"),
    ],
)
def test_age_and_key(partner: Partner, signing: Signing, code: str) -> None:
    assert partner.code(partner.hooked(signing)) == code


def test_a_body_that_comes_slowly_makes_a_webhook_no_younger(partner: Partner) -> None:
    assert partner.code(partner.hooked(), body_took_s=60) == ""
    assert partner.code(partner.hooked(), body_took_s=61) == "signature_expired"


def test_a_replay_whose_body_ends_after_the_first_was_forgotten_is_refused(partner: Partner) -> None:
    ask = partner.hooked()
    assert ask.finish is not None
    same = ask.finish(ask, "api.example")
    assert partner.code(same) == ""
    for late_s in (72, 73, 74):
        partner.now = NOW + late_s
        assert partner.code(partner.hooked()) == "", "others come and go meanwhile"
        assert partner.code(same, now=NOW + 58, body_took_s=late_s - 58) == "signature_expired"


def test_a_signature_that_one_scheme_took_is_taken_by_no_other(partner: Partner) -> None:
    settings: dict[str, Any] = {"form": "slack", "caller": "partner"}
    short = HmacSignaturePolicy(scheme="short", clock_skew_s=0, **settings)
    long = HmacSignaturePolicy(scheme="long", max_age_s=300, clock_skew_s=60, **settings)
    partner.policy = AuthenticatePolicy(hmac_signatures=(short, long))
    partner.security = ({scheme("hmac", "short"): ()},)
    assert partner.code(slack(int(NOW))) == ""
    partner.security = ({scheme("hmac", "long"): ()},)
    for later_s in (5, 75, 200):
        assert partner.code(slack(int(NOW) + later_s), now=NOW + later_s) == ""
        assert partner.code(slack(int(NOW)), now=NOW + later_s) == "signature_replayed"
    partner.security = ({scheme("hmac", "short"): ()},)
    partner.credentials.replays = OwnReplays(born_at=NOW - 50)
    assert partner.code(slack(int(NOW))) == "unavailable", "the other scheme may have taken it 60 s ahead of its time"


def test_five_minutes_is_the_most_a_policy_may_allow(partner: Partner) -> None:
    partner.policy = policy_of(max_age_s=300)
    assert partner.code(partner.hooked(Signing(created_ago_s=300))) == ""
    with pytest.raises(ValidationError):
        policy_of(max_age_s=301)


def test_a_signature_that_fits_two_alternatives_is_used_once(partner: Partner) -> None:
    partner.security = ({scheme("hmac", "one"): ()}, {scheme("hmac", "other"): ()})
    ask = partner.hooked()
    assert ask.finish is not None
    same = ask.finish(ask, "api.example")
    assert [partner.code(same), partner.code(same)] == ["", "signature_replayed"]


def test_a_scheme_may_be_one_callers_own(partner: Partner) -> None:
    partner.policy = policy_of(caller="partner")
    assert partner.code(partner.hooked()) == ""
    partner.policy = policy_of(caller="another")
    assert partner.code(partner.hooked()) == "signature_invalid"


@pytest.mark.parametrize("change", [{"revoked": True}, {"expires_at": NOW}, {"networks": ["10.0.0.0/8"]}])
def test_a_key_that_may_not_be_used_proves_nobody(partner: Partner, change: dict[str, Any]) -> None:
    partner.records[2] |= change
    assert partner.code(partner.hooked()) == "signature_invalid"


def test_keys_that_ended_are_not_tried_any_more(partner: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        sealed = SEALER.seal(sealed_name(f"old{number}"), b"%032d" % number)
        old = {"algorithm": "hmac-sha256", "purpose": "hmac", "sealed": sealed, "revoked": True}
        partner.records.append(partner.record(f"old{number}", **old))
    tried: list[MacKey] = []

    def count(received: ReceivedMac, key: MacKey) -> bytes | None:
        tried.append(key)
        return mac_fits(received, key)

    monkeypatch.setattr("doorward.controls.authenticate.hmac_signature.mac_fits", count)
    partner.policy = policy_of(form="slack", caller="partner")
    assert partner.code(slack(int(NOW))) == ""
    assert len(tried) == 1


def test_a_key_of_sha_512_makes_longer_macs(partner: Partner) -> None:
    partner.records[2]["algorithm"] = "hmac-sha512"
    assert partner.code(partner.hooked()) == "signature_invalid"
    ask = partner.hooked()
    assert ask.finish is not None
    finished = ask.finish(ask, "api.example")
    fields = dict(finished.headers)
    signed = (
        f"v1\nPOST\napi.example\n/x?a=1\n{fields['X-Signature-Timestamp']}\n{fields['X-Signature-Id']}\n".encode()
        + BODY
    )
    fields["X-Signature"] = hmac.new(SECRET, signed, hashlib.sha512).hexdigest()
    assert partner.code(replace(finished, headers=tuple(fields.items()))) == ""


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ("doorward", {"X-Signature": "00"}),
        ("doorward", {"X-Signature-Key": "k", "X-Signature-Timestamp": "1", "X-Signature-Id": "a b", "X-Signature": "00" * 32}),
        ("doorward", {"X-Signature-Key": "k", "X-Signature-Timestamp": "01", "X-Signature-Id": "a", "X-Signature": "00" * 32}),
        ("doorward", {"X-Signature-Key": "k", "X-Signature-Timestamp": "-1", "X-Signature-Id": "a", "X-Signature": "00" * 32}),
        ("doorward", {"X-Signature-Key": "k", "X-Signature-Timestamp": "1", "X-Signature-Id": "a", "X-Signature": "AB" * 32}),
        ("doorward", {"X-Signature-Key": "é", "X-Signature-Timestamp": "1", "X-Signature-Id": "a", "X-Signature": "00" * 32}),
        ("slack", {"X-Slack-Request-Timestamp": "1", "X-Slack-Signature": "v1=" + "00" * 32}),
        ("slack", {"X-Slack-Signature": "v0=" + "00" * 32}),
        ("stripe", {"Stripe-Signature": "v1=" + "00" * 32}),
        ("stripe", {"Stripe-Signature": "t=1"}),
        ("stripe", {"Stripe-Signature": "t=1,t=2,v1=" + "00" * 32}),
        ("stripe", {"Stripe-Signature": "t=1," + ",".join(["v1=" + "00" * 32] * 5)}),
        ("stripe", {"Stripe-Signature": ""}),
        ("standard-webhooks", {"Webhook-Id": "m", "Webhook-Timestamp": "1", "Webhook-Signature": "v1,not base64!"}),
        ("standard-webhooks", {"Webhook-Id": "m", "Webhook-Timestamp": "1", "Webhook-Signature": "v2,AA=="}),
        ("standard-webhooks", {"Webhook-Id": "m", "Webhook-Timestamp": "1", "Webhook-Signature": " ".join(["v1,AA=="] * 5)}),
        ("standard-webhooks", {"Webhook-Id": "a.1", "Webhook-Timestamp": "1", "Webhook-Signature": "v1,AA=="}),
        ("standard-webhooks", {"Webhook-Id": "a\tb", "Webhook-Timestamp": "1", "Webhook-Signature": "v1,AA=="}),
    ],
)  # fmt: skip
def test_fields_that_are_not_as_the_form_says_are_a_wrong_signature(
    partner: Partner, form: str, fields: dict[str, str]
) -> None:
    partner.policy = policy_of(form=form, caller="partner")
    partner.now = 1.0
    ask = Ask(method="POST", target="/x", body=BODY, headers=tuple(fields.items()))
    assert partner.code(ask) == "signature_invalid"


def test_one_mac_has_one_reading(partner: Partner) -> None:
    partner.policy = policy_of(form="standard-webhooks", caller="partner")
    ask = standard(int(NOW), b"%d.%s" % (NOW - 1, BODY))
    fields = dict(ask.headers) | {"Webhook-Id": f"msg_1.{int(NOW)}", "Webhook-Timestamp": str(int(NOW) - 1)}
    assert partner.code(replace(ask, body=BODY, headers=tuple(fields.items()))) == "signature_invalid"
    assert partner.code(ask) == ""


def test_a_field_that_comes_twice_is_a_wrong_signature(partner: Partner) -> None:
    twice = Signing(after=lambda ask: ask.with_header("X-Signature-Id", "another"))
    assert partner.code(partner.hooked(twice)) == "signature_invalid"


def test_the_challenge_of_a_webhook_has_no_accept_signature(partner: Partner) -> None:
    with pytest.raises(Denied) as denied:
        partner.admit(Ask(method="POST", target="/x", body=BODY))
    assert dict(denied.value.headers) == {b"www-authenticate": b'Signature realm="api"'}


def test_a_foreign_form_without_a_caller_or_a_scheme_listed_twice_does_not_load() -> None:
    with pytest.raises(ValidationError, match="names no key"):
        policy_of(form="slack")
    with pytest.raises(ValidationError, match="listed twice"):
        AuthenticatePolicy(hmac_signatures=(HmacSignaturePolicy(scheme="a"), HmacSignaturePolicy(scheme="a")))
