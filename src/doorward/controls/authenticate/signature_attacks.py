"""Attacks on signed requests, each with its twin: RFC 9421 (catalogue row K3) and plain HMAC."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from doorward.attack.case import Ask, Attack, Family, Samples, Send, Signing, changed

_RFC: Final = "RFC 9421 section 7"
_WELL: Final = Signing()
_USUAL: Final = ("@method", "@authority", "@path", "@query")


def _signed(signing: Signing, *, has_body: bool = False) -> Send:
    return lambda samples: samples.signed(signing, has_body=has_body)


def _hooked(signing: Signing) -> Send:
    return lambda samples: samples.webhook(signing)


def _other_query(ask: Ask) -> Ask:
    joint = "&" if "?" in ask.target else "?"
    return replace(ask, target=f"{ask.target}{joint}x=1")


def _other_body(ask: Ask) -> Ask:
    return replace(ask, body=ask.body + b" ")


def _other_type(ask: Ask) -> Ask:
    kept = tuple(field for field in ask.headers if field[0].lower() != "content-type")
    return replace(ask, headers=(*kept, ("Content-Type", "text/plain")))


def _authorized(ask: Ask) -> Ask:
    return ask.with_header("Authorization", "Bearer of-somebody-else")


def _with_tenant(after: Callable[[Ask], Ask]) -> Send:
    """A request whose tenant is signed too, and what becomes of it on its way."""

    def send(samples: Samples) -> Ask | None:
        ask = samples.signed(Signing(components=(*_USUAL, "x-tenant"), after=after), has_body=False)
        return None if ask is None else ask.with_header("X-Tenant", "a-1")

    return send


def _method_changed(samples: Samples) -> Ask | None:
    """Signed as a DELETE, sent as what the operation is."""
    plain = samples.signed(_WELL, has_body=False)
    if plain is None:
        return None
    method = plain.method
    ask = samples.signed(Signing(after=lambda signed: replace(signed, method=method)), has_body=False)
    return None if ask is None else replace(ask, method="DELETE")


_well = _signed(_WELL)
_with_body = _signed(_WELL, has_body=True)
_hook = _hooked(_WELL)


_attack: Final = Family(
    control="authenticate", threat="API2:2023 Broken authentication", earns="signature_", twin=_well
).attack

ATTACKS: Final[tuple[Attack, ...]] = (
    _attack("unsigned", "leave the signature away", "missing", _RFC, changed(_well, finish=None)),
    _attack("signature_spoilt", "make the signature up", "invalid", _RFC, _signed(Signing(spoilt=True))),
    _attack(
        "signature_query_changed",
        "change the query after it was signed",
        "invalid",
        f"{_RFC}.2.1",
        _signed(Signing(after=_other_query)),
    ),
    _attack(
        "signature_method_changed",
        "change the method after it was signed",
        "invalid",
        f"{_RFC}.2.1",
        _method_changed,
    ),
    _attack(
        "signature_keyid_unknown",
        "name a key that nobody registered",
        "invalid",
        f"{_RFC}.3.3",
        _signed(Signing(key_id="not-registered")),
    ),
    _attack(
        "signature_keyid_sql",
        "inject SQL through the key id",
        "invalid",
        f"{_RFC}.3.3",
        _signed(Signing(key_id="x' OR '1'='1")),
    ),
    _attack(
        "signature_alg_swapped",
        "have the public key used as a shared secret",
        "invalid",
        f"{_RFC}.3.6",
        _signed(Signing(algorithm="hmac-sha256")),
    ),
    _attack(
        "signature_doubled",
        "sign twice, so that it is open which signature counts",
        "invalid",
        f"{_RFC}.2.2",
        _signed(Signing(doubled=True)),
    ),
    _attack(
        "signature_mislabelled",
        "give the signature another label than its input",
        "invalid",
        f"{_RFC}.2.2",
        _signed(Signing(mislabelled=True)),
    ),
    *(
        _attack(
            f"signature_without_{name[1:]}",
            f"sign without {name}, to change it on the way",
            "uncovered",
            f"{_RFC}.2.1",
            _signed(Signing(components=tuple(each for each in _USUAL if each != name))),
        )
        for name in _USUAL
    ),
    _attack(
        "signature_field_removed",
        "have a signed field removed behind the gateway, by Connection",
        "invalid",
        "RFC 9110 section 7.6.1",
        _with_tenant(lambda ask: ask.with_header("Connection", "x-tenant")),
        _with_tenant(lambda ask: ask.with_header("Connection", "keep-alive")),
    ),
    _attack(
        "signature_field_shadowed",
        "send a second field that the application takes for the signed one",
        "invalid",
        "CVE-2026-39858",
        _with_tenant(lambda ask: ask.with_header("X_Tenant", "a-2")),
        _with_tenant(lambda ask: ask.with_header("X-Tenants", "a-2")),
    ),
    _attack(
        "signature_without_body",
        "sign the head alone, to change the body on the way",
        "uncovered",
        f"{_RFC}.2.8",
        _signed(Signing(covers_body=False), has_body=True),
        _with_body,
    ),
    _attack(
        "signature_without_nonce",
        "sign without a nonce, to send it again",
        "uncovered",
        f"{_RFC}.2.2",
        _signed(Signing(has_nonce=False)),
    ),
    _attack(
        "signature_authorization_added",
        "add somebody else's authorization to a signed request",
        "uncovered",
        f"{_RFC}.2.1",
        _signed(Signing(after=_authorized)),
    ),
    _attack(
        "signature_old",
        "send a request signed six minutes ago",
        "expired",
        f"{_RFC}.2.2",
        _signed(Signing(created_ago_s=360)),
    ),
    _attack(
        "signature_ahead",
        "sign for a later time, to keep it",
        "expired",
        f"{_RFC}.2.2",
        _signed(Signing(created_ago_s=-120)),
    ),
    _attack(
        "signature_undated",
        "sign without a time, for ever",
        "expired",
        f"{_RFC}.2.2",
        _signed(Signing(created_ago_s=None)),
    ),
    _attack(
        "signature_past_expiry",
        "send a request after its own expiry",
        "expired",
        f"{_RFC}.2.2",
        _signed(Signing(expires_in_s=-1)),
        _signed(Signing(expires_in_s=30)),
    ),
    _attack("signature_replayed", "send a signed request twice", "replayed", f"{_RFC}.2.2", changed(_well, times=2)),
    _attack(
        "signature_body_changed",
        "change the body of a signed request",
        "digest",
        "RFC 9530 section 6.1; RFC 9421 section 7.2.8",
        _signed(Signing(after=_other_body), has_body=True),
        _with_body,
    ),
    _attack(
        "signature_type_changed",
        "have the body of a signed request read as another type",
        "invalid",
        f"{_RFC}.2.1",
        _signed(Signing(after=_other_type), has_body=True),
        _with_body,
    ),
    _attack("hook_unsigned", "send a webhook without a signature", "missing", _RFC, changed(_hook, finish=None), _hook),
    _attack("hook_spoilt", "make the signature of a webhook up", "invalid", _RFC, _hooked(Signing(spoilt=True)), _hook),
    _attack(
        "hook_body_changed", "change the body of a webhook", "invalid", _RFC, _hooked(Signing(after=_other_body)), _hook
    ),
    _attack(
        "hook_target_changed",
        "send the webhook to another place",
        "invalid",
        _RFC,
        _hooked(Signing(after=_other_query)),
        _hook,
    ),
    _attack(
        "hook_key_unknown",
        "name a key that nobody registered",
        "invalid",
        _RFC,
        _hooked(Signing(key_id="not-registered")),
        _hook,
    ),
    _attack(
        "hook_old", "send a webhook signed six minutes ago", "expired", _RFC, _hooked(Signing(created_ago_s=360)), _hook
    ),
    _attack("hook_replayed", "send a webhook twice", "replayed", _RFC, changed(_hook, times=2), _hook),
)
"""All attacks on signatures."""
