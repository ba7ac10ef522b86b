import base64
from dataclasses import replace
from typing import Any

import pytest
from tests.controls.authenticate.partner import Partner
from tests.controls.authenticate.sealed import OWN, Gate

from doorward.attack.case import Ask, Proving, Samples, Sealing, Signing, Who
from doorward.attack.proving import Prover
from doorward.attack.sealing import BodySealer
from doorward.controls.authenticate.attacks import ATTACKS
from doorward.controls.authenticate.key_format import make_api_key
from doorward.denial import DENIALS
from doorward.jose import encode_segment, generate_key
from doorward.operation import SecurityScheme

CODES = [code for code in DENIALS if code.startswith("authenticate.")]
LABORATORY = {
    "authenticate.token_revoked",
    "authenticate.token_inactive",
    "authenticate.unavailable",
    "authenticate.stale",
    "authenticate.certificate_missing",
    "authenticate.certificate_mismatch",
    "authenticate.certificate_untrusted",
    "authenticate.certificate_revoked",
}


GATE = Gate()


class DoorSamples:
    """Just enough of an API for the attacks of this control, signed with the door's own key."""

    def __init__(self, door: Any) -> None:
        self.door = door
        self.partner, self.hooks = Partner("rfc9421"), Partner("hmac")
        self.gate = GATE

    def signature_code(self, ask: Ask) -> str | None:
        partner = self.hooks if ask.lab == "hook" else self.partner
        sent = ask if ask.finish is None else ask.finish(ask, "api.example")
        codes = [partner.code(sent) for _ in range(ask.times)]
        assert not any(codes[:-1])
        return f"authenticate.{codes[-1]}" if codes[-1] else None

    def protected(self) -> Ask:
        return Ask(target="/x", who="reader")

    def token(self, who: Who) -> str:
        return str(self.door.token(roles=[who]))

    def forge(self, *, header: dict[str, object], claims: dict[str, object], valid_signature: bool) -> str:
        import json

        base = {"alg": "ES256", "typ": "at+jwt", "kid": self.door.KEY.id}
        usual = {
            "iss": self.door.ISSUER,
            "aud": "api",
            "sub": "alice",
            "iat": self.door.NOW,
            "exp": self.door.NOW + 600,
        }
        key = self.door.KEY if valid_signature else generate_key("ES256")
        parts = [{k: v for k, v in (b | c).items() if v is not None} for b, c in ((base, header), (usual, claims))]
        signed = b".".join(encode_segment(json.dumps(part).encode()) for part in parts)
        return (signed + b"." + encode_segment(key.sign(signed))).decode()

    def api_key(self, kind: str) -> Ask:
        other = {"expired": b"expired!", "revoked": b"revoked!", "unknown": b"unknown!", "elsewhere": b"elsewher"}
        key = self.door.API_KEY if kind == "valid" else make_api_key(other[kind], b"s" * 32)[1]
        return Ask(target="/x", headers=(("x-api-key", key),))

    def secret(self, kind: str) -> Ask:
        self.door.security = ({SecurityScheme(name="b", kind="http", http_scheme="basic"): ()},)
        name, secret = ("nobody" if kind == "unknown" else "batch"), ("wrong" if kind == "wrong" else "right")
        shown = base64.b64encode(f"{name}:{secret}".encode()).decode()
        return Ask(target="/x", headers=(("authorization", f"Basic {shown}"),))

    def bound(self, proving: Proving) -> Ask | None:
        if proving.is_demanded:
            self.door.policy = self.door.policy.model_copy(update={"proof": "any"})
        return Prover(
            token=lambda claims: str(self.door.token(**claims)),
            nonce=self.door.credentials.nonces.fresh,
            clock=lambda: float(self.door.NOW),
        ).proved(Ask(target="/x"), proving)

    def signed(self, signing: Signing, *, has_body: bool) -> Ask:
        body = Ask(method="POST", target="/x", body=b'{"a":1}', headers=(("Content-Type", "application/json"),))
        return self.partner.signed(signing, body if has_body else Ask(target="/x"))

    def webhook(self, signing: Signing) -> Ask:
        return replace(self.hooks.hooked(signing), lab="hook")

    def sealed(self, sealing: Sealing) -> Ask:
        ask = Ask(method="POST", body=b'{"note":"hi"}', headers=(("Content-Type", "application/json"),))
        sealer = BodySealer(gateway=OWN.public, own=self.gate.alice.own, clock=lambda: self.gate.now)
        return sealer.sealed(ask, sealing)

    def sealed_code(self, ask: Ask) -> str:
        sent = ask if ask.finish is None else ask.finish(ask, "api.example")
        caller = self.gate.alice if ask.who == "writer" else self.gate.mallory
        codes = [
            self.gate.verdict(self.gate.exchange(sent.body, *sent.headers, caller=caller)) for _ in range(ask.times)
        ]
        assert not any(codes[:-1])
        return codes[-1]

    def lab(self, behaviour: str) -> None:
        return None


def _answer(door: Any, ask: Ask) -> str | None:
    from doorward.denial import Denied

    if ask.finish is not None:
        ask = ask.finish(ask, "api.example")
    headers = list(ask.headers)
    if ask.who != "anonymous":
        headers.append(door.bearer(roles=[ask.who]))
    try:
        for _ in range(ask.times):
            door.ask(*headers)
    except Denied as denied:
        return denied.code
    return None


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_an_attack_earns_its_code_and_its_twin_passes(door: Any, attack: Any) -> None:
    from doorward.controls.authenticate.key_format import hash_api_key

    records = [door.key_record()]
    for name, changes in (
        (b"expired!", {"expires_at": 1.0}),
        (b"revoked!", {"revoked": True}),
        (b"elsewher", {"networks": ["10.0.0.0/8"]}),
    ):
        key_id, key = make_api_key(name, b"s" * 32)
        records.append(door.key_record(id=key_id, hash=hash_api_key(key.encode()).hex(), **changes))
    door.credentials.apply(door.data(api_keys=records, clients=[door.client_record("right")]))
    door.policy = door.policy.model_copy(update={"hosts": ("api.example",)})
    samples: Samples = DoorSamples(door)  # type: ignore[assignment]
    sent, twin = attack.send(samples), attack.twin(samples)
    in_lab = (
        attack.id == "authenticate.stale"
        or attack.earns.startswith("authenticate.certificate_")
        or attack.id.startswith("authenticate.opaque_")
    )
    assert (twin is None) == in_lab
    if attack.earns.startswith("authenticate.signature_"):
        signed: DoorSamples = samples  # type: ignore[assignment]
        assert sent is not None
        assert twin is not None
        assert (signed.signature_code(twin), signed.signature_code(sent)) == (None, attack.earns)
        return
    if attack.earns == "authenticate.body_decryption":
        sealed: DoorSamples = samples  # type: ignore[assignment]
        assert sent is not None
        assert twin is not None
        assert (sealed.sealed_code(twin), sealed.sealed_code(sent)) == ("", attack.earns)
        return
    assert twin is None or _answer(door, twin) is None
    if attack.earns in LABORATORY:
        assert sent is None
    else:
        assert sent is not None
        assert _answer(door, sent) == attack.earns


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_this_control_has_an_attack(code: str) -> None:
    assert any(attack.earns == code for attack in ATTACKS)


def test_ids_are_unique() -> None:
    assert len({attack.id for attack in ATTACKS}) == len(ATTACKS)
