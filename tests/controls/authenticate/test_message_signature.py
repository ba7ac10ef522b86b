from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from tests.controls.authenticate.partner import NOW, OTHER_PRIVATE, OTHER_PUBLIC, SEALER, Partner, scheme

from doorward.attack.case import Ask, Signing
from doorward.controls.authenticate import AuthenticatePolicy, NoReplays, OwnReplays, credentials_data
from doorward.controls.authenticate.message_signature import _NOBODYS
from doorward.controls.authenticate.policy import MessageSignaturePolicy
from doorward.denial import Denied
from doorward.operation import SecurityScheme
from doorward.signatures import private_key_from_pem

BODY = Ask(method="POST", target="/x", body=b'{"a":1}')


@pytest.fixture
def partner() -> Partner:
    return Partner()


def policy_of(**settings: Any) -> AuthenticatePolicy:
    return AuthenticatePolicy(message_signature=MessageSignaturePolicy(**settings))


def test_who_signs_is_the_caller_the_key_was_given_to(partner: Partner) -> None:
    caller = partner.admit(partner.signed()).caller
    assert caller is not None
    assert (caller.subject, caller.kind, caller.issuer) == ("partner", "signature", "urn:doorward:signature")
    assert caller.roles == {"writer"}
    assert caller.scopes == {"orders:write"}
    assert caller.credential_id == "ed"


def test_a_shared_secret_signs_too(partner: Partner) -> None:
    partner.signer = partner.with_mac()
    assert partner.code(partner.signed()) == ""
    assert partner.code(partner.signed(Signing(spoilt=True))) == "signature_invalid"


def test_a_body_is_signed_by_its_digest(partner: Partner) -> None:
    assert partner.code(partner.signed(ask=BODY)) == ""
    assert partner.code(partner.signed(Signing(covers_body=False), BODY)) == "signature_uncovered"
    other = Signing(after=lambda ask: replace(ask, body=b'{"a":2}'))
    assert partner.code(partner.signed(other, BODY)) == "signature_digest"


def test_the_type_of_a_body_is_covered_when_it_has_one(partner: Partner) -> None:
    typed = replace(BODY, headers=(("Content-Type", "application/json"),))
    assert partner.code(partner.signed(ask=typed)) == ""
    retyped = Signing(after=lambda ask: replace(ask, headers=(("Content-Type", "text/plain"), *ask.headers[1:])))
    assert partner.code(partner.signed(retyped, typed)) == "signature_invalid"
    uncovered = Signing(components=(*Signing().components, "content-digest"), covers_body=False)
    assert partner.code(partner.signed(uncovered, BODY)) == ""
    assert partner.code(partner.signed(uncovered, typed)) == "signature_uncovered"
    added = Signing(after=lambda ask: ask.with_header("Content-Type", "text/plain"))
    assert partner.code(partner.signed(added, BODY)) == "signature_uncovered"


def test_a_digest_without_a_body_is_one_of_nothing(partner: Partner) -> None:
    wrong = Signing(after=lambda ask: replace(ask, body=b""))
    assert partner.code(partner.signed(wrong, BODY)) == "signature_digest"


def test_a_request_without_a_signature_is_told_what_to_sign(partner: Partner) -> None:
    with pytest.raises(Denied) as denied:
        partner.admit(Ask(target="/x"))
    assert denied.value.code == "authenticate.signature_missing"
    assert dict(denied.value.headers) == {
        b"www-authenticate": b'Signature realm="api"',
        b"accept-signature": b'sig=("@method" "@authority" "@path" "@query" "content-digest" "content-type");created;nonce;keyid',
    }


def test_where_another_credential_would_do_the_usual_code_says_that_one_is_missing(partner: Partner) -> None:
    bearer = SecurityScheme(name="b", kind="http", http_scheme="bearer")
    partner.security = ({scheme("rfc9421"): ()}, {bearer: ()})
    assert partner.code(Ask(target="/x")) == "missing"
    assert partner.code(partner.signed(Signing(spoilt=True))) == "signature_invalid"
    assert partner.code(partner.signed()) == ""


@pytest.mark.parametrize(
    "fields",
    [
        (("Signature", "sig=:AA==:"),),
        (("Signature-Input", "sig=()"),),
        (("Signature-Input", "("), ("Signature", "sig=:AA==:")),
    ],
)
def test_half_a_signature_is_a_wrong_one(partner: Partner, fields: tuple[tuple[str, str], ...]) -> None:
    assert partner.code(Ask(target="/x", headers=fields)) == "signature_invalid"


@pytest.mark.parametrize(
    "change",
    [
        {"method": "POST"},
        {"target": "/y?a=1"},
        {"target": "/x?a=2"},
        {"target": "/x"},
        {"target": "/%78?a=1"},
    ],
)
def test_whatever_is_covered_cannot_be_changed(partner: Partner, change: dict[str, Any]) -> None:
    assert partner.code(partner.signed(Signing(after=lambda ask: replace(ask, **change)))) == "signature_invalid"


def test_a_signature_for_another_host_is_none_here(partner: Partner) -> None:
    ask = partner.signed()
    assert ask.finish is not None
    assert partner.code(ask.finish(ask, "other.example")) == "signature_invalid"
    assert partner.code(ask.finish(ask, "API.example:443")) == ""


@pytest.mark.parametrize("left_out", ["@method", "@authority", "@path", "@query"])
def test_what_the_policy_demands_must_be_covered(partner: Partner, left_out: str) -> None:
    components = tuple(name for name in Signing().components if name != left_out)
    assert partner.code(partner.signed(Signing(components=components))) == "signature_uncovered"


@pytest.mark.parametrize(
    ("components", "code"),
    [
        (("@method", "@target-uri"), ""),
        (("@method", "@authority", "@request-target"), ""),
        (("@method", "@request-target"), "signature_uncovered"),
        (("@target-uri",), "signature_uncovered"),
    ],
)
def test_a_component_that_says_more_covers_those_that_say_less(
    partner: Partner, components: tuple[str, ...], code: str
) -> None:
    assert partner.code(partner.signed(Signing(components=components))) == code


def test_a_part_of_a_digest_covers_no_body(partner: Partner) -> None:
    part = Signing(components=(*Signing().components, '"content-digest";key="sha-256"'), covers_body=False)
    assert partner.code(partner.signed(part, BODY)) == "signature_uncovered"
    whole = Signing(components=(*Signing().components, '"content-digest";sf'), covers_body=False)
    assert partner.code(partner.signed(whole, BODY)) == ""


def test_the_authorization_must_be_covered_when_there_is_one(partner: Partner) -> None:
    ask = Ask(target="/x?a=1", headers=(("Authorization", "Bearer x"),))
    assert partner.code(partner.signed(ask=ask)) == "signature_uncovered"
    covering = Signing(components=(*Signing().components, "authorization"))
    assert partner.code(partner.signed(covering, ask)) == ""


def test_the_policy_may_demand_more(partner: Partner) -> None:
    partner.policy = policy_of(components=("@method", "x-order", '"@query-param";name="a"'))
    ask = Ask(target="/x?a=1", headers=(("X-Order", "7"),))
    assert partner.code(partner.signed(ask=ask)) == "signature_uncovered"
    right = Signing(components=("@method", "x-order", '"@query-param";name="a"'))
    assert partner.code(partner.signed(right, ask)) == ""
    other = Signing(components=("@method", "x-order", '"@query-param";name="b"'))
    assert partner.code(partner.signed(other, replace(ask, target="/x?a=1&b=1"))) == "signature_uncovered"


@pytest.mark.parametrize(
    ("added", "code"),
    [
        (("Connection", "x-other"), ""),
        (("Connection", "close, X-Order"), "signature_invalid"),
        (("Connection", "content-digest"), ""),
        (("X_Order", "8"), "signature_invalid"),
        (("X-Order-", "8"), ""),
    ],
)
@pytest.mark.parametrize("is_listed", [True, False])
def test_a_covered_field_is_neither_removed_nor_shadowed_by_another(
    partner: Partner, added: tuple[str, str], code: str, is_listed: bool
) -> None:
    components = ("@method", "@authority", "@path", "@query", "x-order")
    if is_listed:
        partner.policy = policy_of(components=components)
    signing = Signing(components=components, after=lambda ask: ask.with_header(*added))
    assert partner.code(partner.signed(signing, Ask(target="/x", headers=(("X-Order", "7"),)))) == code


def test_a_field_that_the_policy_names_comes_once(partner: Partner) -> None:
    twice = Ask(target="/x", headers=(("X-Order", "7"), ("X-Order", "8")))
    signing = Signing(components=(*Signing().components, "x-order"))
    assert partner.code(partner.signed(signing, twice)) == ""
    partner.policy = policy_of(components=signing.components)
    assert partner.code(partner.signed(signing, twice)) == "signature_invalid"
    assert partner.code(partner.signed(signing, Ask(target="/x", headers=(("X-Order", "7, 8"),)))) == ""


@pytest.mark.parametrize(
    ("signing", "code"),
    [
        (Signing(created_ago_s=60), ""),
        (Signing(created_ago_s=61), "signature_expired"),
        (Signing(created_ago_s=-5), ""),
        (Signing(created_ago_s=-6), "signature_expired"),
        (Signing(created_ago_s=None), "signature_expired"),
        (Signing(expires_in_s=1), ""),
        (Signing(expires_in_s=0), "signature_expired"),
        (Signing(has_nonce=False), "signature_uncovered"),
        (Signing(key_id="unknown"), "signature_invalid"),
        (Signing(key_id="hook"), "signature_invalid"),
        (Signing(algorithm="ed25519"), ""),
        (Signing(algorithm="hmac-sha256"), "signature_invalid"),
        (Signing(doubled=True), "signature_invalid"),
        (Signing(mislabelled=True), "signature_invalid"),
    ],
)
def test_age_nonce_key_and_algorithm(partner: Partner, signing: Signing, code: str) -> None:
    assert partner.code(partner.signed(signing)) == code


@pytest.mark.parametrize(
    "signing", [Signing(components=()), Signing(has_nonce=False), Signing(created_ago_s=61), Signing(spoilt=True)]
)
def test_without_its_key_nobody_learns_whether_there_is_one(partner: Partner, signing: Signing) -> None:
    known, unknown = (replace(signing, key_id=key_id, spoilt=True) for key_id in ("ed", "nobody"))
    assert partner.code(partner.signed(known)) == partner.code(partner.signed(unknown)) != ""


def test_the_signature_of_a_key_that_nobody_has_is_checked_all_the_same(partner: Partner) -> None:
    checked: list[bytes] = []

    def check(data: bytes, _signature: bytes) -> bool:
        checked.append(data)
        return True

    plain = _NOBODYS.verify
    # the key's own attribute: compiled, the module keeps the constant where nobody can replace it
    object.__setattr__(_NOBODYS, "verify", check)
    try:
        with pytest.raises(Denied, match="no such key: 'nobody'"):
            partner.admit(partner.signed(Signing(key_id="nobody")))
    finally:
        object.__setattr__(_NOBODYS, "verify", plain)
    assert len(checked) == 1


def test_ages_are_the_policys(partner: Partner) -> None:
    partner.policy = policy_of(max_age_s=10, clock_skew_s=0)
    assert partner.code(partner.signed(Signing(created_ago_s=11))) == "signature_expired"
    assert partner.code(partner.signed(Signing(created_ago_s=-1))) == "signature_expired"
    assert partner.code(partner.signed(Signing(created_ago_s=10))) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"revoked": True},
        {"expires_at": NOW},
        {"networks": ["10.0.0.0/8"]},
        {"algorithm": "rsa-pss-sha512"},
        {"public": "x"},
    ],
)
def test_a_key_that_may_not_be_used_proves_nobody(partner: Partner, change: dict[str, Any]) -> None:
    partner.records[0] |= change
    assert partner.code(partner.signed()) == "signature_invalid"


def test_a_key_may_be_bound_to_networks(partner: Partner) -> None:
    partner.records[0] |= {"networks": ["192.0.2.0/24"]}
    assert partner.code(partner.signed()) == ""
    assert partner.code(partner.signed(), address="198.51.100.1") == "signature_invalid"


def test_another_partners_key_does_not_sign_in_this_ones_name(partner: Partner) -> None:
    partner.records.append(partner.record("other", algorithm="ed25519", public=OTHER_PUBLIC, subject="other"))
    partner.signer = replace(partner.signer, key=private_key_from_pem(OTHER_PRIVATE))
    assert partner.code(partner.signed()) == "signature_invalid"
    partner.signer = replace(partner.signer, key_id="other")
    caller = partner.admit(partner.signed()).caller
    assert caller is not None
    assert caller.subject == "other"


def test_a_nonce_is_used_once_even_for_another_request(partner: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doorward.attack.signing.secrets.token_urlsafe", lambda _bytes: "always the same")
    assert partner.code(partner.signed()) == ""
    assert partner.code(partner.signed()) == "signature_replayed"
    assert partner.code(partner.signed(ask=Ask(target="/other"))) == "signature_replayed"
    partner.signer = partner.with_mac()
    assert partner.code(partner.signed()) == "", "another key has nonces of its own"


def test_a_signature_that_does_not_hold_uses_up_no_nonce(partner: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doorward.attack.signing.secrets.token_urlsafe", lambda _bytes: "always the same")
    assert partner.code(partner.signed(Signing(spoilt=True))) == "signature_invalid"
    assert partner.code(partner.signed()) == ""


def test_the_tag_tells_which_signature_is_meant(partner: Partner) -> None:
    partner.policy = policy_of(tag="doorward")
    assert partner.code(partner.signed()) == "signature_invalid"
    partner.signer = replace(partner.signer, tag="doorward")
    assert partner.code(partner.signed()) == ""
    proxy = Signing(
        after=lambda ask: replace(
            ask,
            headers=(*ask.headers, ("Signature-Input", 'proxy=("@method");keyid="p"'), ("Signature", "proxy=:AA==:")),
        )
    )
    assert partner.code(partner.signed(proxy)) == ""


def test_a_policy_that_takes_older_signatures_takes_none_that_was_used_before_it(partner: Partner) -> None:
    ask = partner.signed()
    assert ask.finish is not None
    same = ask.finish(ask, "api.example")
    assert partner.code(same) == ""
    partner.now = NOW + 80
    assert partner.code(partner.signed()) == ""
    partner.policy = policy_of(max_age_s=300)
    assert partner.code(same) == "unavailable"
    assert partner.code(partner.signed()) == ""


def test_where_nobody_remembers_proofs_none_is_accepted(partner: Partner) -> None:
    partner.credentials.replays = NoReplays()
    assert partner.code(partner.signed()) == "unavailable"


def test_after_a_start_nothing_is_accepted_that_an_earlier_run_may_have_seen(partner: Partner) -> None:
    partner.credentials.replays = OwnReplays(born_at=NOW - 5)
    assert partner.code(partner.signed()) == "unavailable"
    partner.now = NOW + 1
    assert partner.code(partner.signed()) == ""


def test_a_secret_that_was_sealed_with_another_key_is_left_out_and_said_so(partner: Partner) -> None:
    partner.records[1]["sealed"] = SEALER.seal("another name", b"s" * 32)
    partner.signer = partner.with_mac()
    assert partner.code(partner.signed()) == "signature_invalid"
    assert partner.credentials.unusable_keys == ("signature key mac cannot be used",)


def test_without_the_sealing_key_no_shared_secret_counts(partner: Partner) -> None:
    partner.credentials.unseal = None
    partner.credentials.apply(credentials_data(issuers={}, signature_keys=partner.records))
    assert set(partner.credentials.signature_keys) == {"ed"}


def test_keys_that_did_not_change_are_not_read_again(partner: Partner) -> None:
    data = credentials_data(issuers={}, signature_keys=partner.records)
    partner.credentials.apply(data)
    before = dict(partner.credentials.signature_keys)
    partner.records[1] = partner.records[1] | {"revoked": True}
    partner.credentials.apply(credentials_data(issuers={}, signature_keys=partner.records))
    assert partner.credentials.signature_keys["ed"] is before["ed"]
    assert partner.credentials.signature_keys["mac"].revoked


@pytest.mark.parametrize("components", [(), ("@status",), ('"x";tr',), ('"x";req',), ("@nothing",), ("X",)])
def test_a_policy_demands_what_a_request_can_have(components: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        MessageSignaturePolicy(components=components)
