"""Callers by certificate: whose it is, and whether it is still good at each request."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from tests.controls.authenticate.conftest import Door

from doorward.controls.authenticate import (
    AuthenticatePolicy,
    Credentials,
    RevocationList,
    compile_check,
    compile_standing_check,
    credentials_data,
)
from doorward.controls.authenticate.policy import ClientCertificateRule
from doorward.denial import Denied
from doorward.exchange import ClientCertificate, Exchange
from doorward.operation import Operation, SecurityScheme

NOW = Door.NOW
OWN, FOREIGN = "a" * 64, "b" * 64
MUTUAL_TLS = SecurityScheme(name="certificate", kind="mutualTLS")
BEARER = SecurityScheme(name="bearer", kind="http", http_scheme="bearer")
SHOWN = ClientCertificate(
    thumbprint="t" * 43,
    subject="CN=partner",
    uris=("spiffe://partner/a",),
    dns_names=("A.Partner.example",),
    emails=("a@partner.example",),
    serial="01",
    authority=FOREIGN,
    fingerprint="f" * 64,
    expires_at=NOW + 60,
)
OWN_SHOWN = replace(SHOWN, authority=OWN)
RECORD = {
    "serial": "01",
    "authority": OWN,
    "fingerprint": "f" * 64,
    "subject": "partner",
    "roles": ["reader"],
    "scopes": ["orders"],
    "claims": {"account_id": "a-1"},
    "expires_at": NOW + 60,
    "revoked": False,
}


class Gate:
    def __init__(self, *rules: dict[str, Any], record: dict[str, Any] | None = None, also_bearer: bool = False) -> None:
        self.policy = AuthenticatePolicy(client_certificates=tuple(ClientCertificateRule(**each) for each in rules))
        issued = [] if record is None else [record]
        own = {"authorities": [{"id": OWN, "certificate": "PEM"}], "issued": issued}
        self.credentials = Credentials.from_data(credentials_data(issuers={}, certificates=own))
        security = ({MUTUAL_TLS: ()}, {BEARER: ()}) if also_bearer else ({MUTUAL_TLS: ()},)
        operation = Operation(id="read", method="GET", path="/x", template="/x", security=security)
        self.mechanism = compile_check(operation, self.policy, self.credentials)
        self.standing = compile_standing_check(self.policy, lambda: self.credentials.certificates)

    def ask(self, shown: ClientCertificate | None = SHOWN, now: float = NOW) -> Exchange:
        exchange = Door().exchange(now=now)
        exchange.source = replace(exchange.source, certificate=shown)
        self.standing(exchange)
        self.mechanism(exchange)
        return exchange

    def code(self, shown: ClientCertificate | None = SHOWN, now: float = NOW) -> str:
        with pytest.raises(Denied) as caught:
            self.ask(shown, now)
        assert any(name == b"www-authenticate" for name, _ in caught.value.headers)
        return caught.value.code


@pytest.mark.parametrize(
    "name", [{"uri": "spiffe://partner/a"}, {"dns": "a.partner.example"}, {"email": "a@partner.example"}]
)
def test_a_name_that_the_policy_lists_makes_a_caller(name: dict[str, str]) -> None:
    gate = Gate({"caller": "partner", "roles": ("reader",), "claims": {"account_id": "a-1"}, **name})
    caller = gate.ask().caller
    assert caller is not None
    assert (caller.subject, caller.kind, set(caller.roles)) == ("partner", "certificate", {"reader"})
    assert caller.claims == {"account_id": "a-1"}
    assert (caller.credential_id, caller.expires_at) == ("01", NOW + 60)


@pytest.mark.parametrize(
    "rule",
    [
        {"uri": "spiffe://partner/A"},
        {"uri": "spiffe://partner/"},
        {"dns": "partner.example"},
        {"dns": "spiffe"},
        {"email": "A@partner.example"},
        {"uri": "spiffe://partner/a", "authority": OWN},
    ],
    ids=str,
)
def test_a_name_that_is_not_listed_exactly_is_nobodys(rule: dict[str, str]) -> None:
    assert Gate({"caller": "partner", **rule}).code() == "authenticate.certificate_untrusted"


def test_the_authority_counts_where_it_is_written() -> None:
    assert Gate({"caller": "partner", "uri": "spiffe://partner/a", "authority": FOREIGN}).ask().caller


def test_a_certificate_of_two_callers_is_neithers() -> None:
    rules = ({"caller": "a", "uri": "spiffe://partner/a"}, {"caller": "b", "dns": "a.partner.example"})
    assert Gate(*rules).code() == "authenticate.certificate_mismatch"
    same = ({"caller": "a", "uri": "spiffe://partner/a"}, {"caller": "a", "dns": "a.partner.example"})
    assert Gate(*same).ask().caller


def test_without_a_certificate_one_is_asked_for() -> None:
    assert Gate().code(None) == "authenticate.certificate_missing"


def test_our_own_certificate_is_the_stores_callers_and_needs_no_rule() -> None:
    caller = Gate(record=RECORD).ask(OWN_SHOWN).caller
    assert caller is not None
    assert (caller.subject, set(caller.roles), set(caller.scopes)) == ("partner", {"reader"}, {"orders"})


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (None, "untrusted"),
        ({**RECORD, "serial": "02"}, "untrusted"),
        ({**RECORD, "fingerprint": "e" * 64}, "untrusted"),
        ({**RECORD, "revoked": True}, "revoked"),
    ],
    ids=["unknown", "other-serial", "same-serial-other-certificate", "revoked"],
)
def test_our_authoritys_signature_alone_opens_nothing(record: dict[str, Any] | None, reason: str) -> None:
    rule = {"caller": "partner", "uri": "spiffe://partner/a"}
    assert Gate(rule, record=record).code(OWN_SHOWN) == f"authenticate.certificate_{reason}"


def test_another_authoritys_certificate_with_our_serial_is_not_ours() -> None:
    assert Gate(record=RECORD).code(SHOWN) == "authenticate.certificate_untrusted"


def test_a_certificate_that_expires_while_the_connection_stands_is_no_longer_good() -> None:
    gate = Gate({"caller": "partner", "uri": "spiffe://partner/a"})
    gate.ask(now=NOW + 59)
    assert gate.code(now=NOW + 60) == "authenticate.certificate_untrusted"


def listed(*serials: str, begins: float = NOW - 10, until: float = NOW + 10, points: tuple[str, ...] = ()) -> Any:
    return RevocationList(revoked=frozenset(serials), begins=begins, until=until, points=frozenset(points))


@pytest.mark.parametrize(
    ("lists", "reason"),
    [
        (None, ""),
        ({FOREIGN: (listed(),)}, ""),
        ({FOREIGN: (listed("01"),)}, "revoked"),
        ({FOREIGN: (listed("01", until=NOW - 5),)}, "revoked"),
        ({FOREIGN: (listed(until=NOW),)}, "untrusted"),
        ({FOREIGN: (listed(begins=NOW + 1),)}, "untrusted"),
        ({FOREIGN: (listed(until=NOW - 5), listed())}, ""),
        ({}, "untrusted"),
        ({OWN: (listed(),)}, "untrusted"),
        ({FOREIGN: (listed(points=("http://x/1",)),)}, "untrusted"),
        ({FOREIGN: (listed(points=("http://x/1",)), listed(points=("http://x/2",)))}, ""),
        ({FOREIGN: (listed(), listed("01", points=("http://x/2",)))}, "revoked"),
    ],
)
def test_what_a_list_says_counts_and_what_no_list_says_is_unknown(lists: Any, reason: str) -> None:
    gate = Gate({"caller": "partner", "uri": "spiffe://partner/a"})
    gate.credentials.certificates.foreign = lists
    shown = replace(SHOWN, list_uris=("http://x/2",))
    if reason:
        assert gate.code(shown) == f"authenticate.certificate_{reason}"
    else:
        assert gate.ask(shown).caller


def test_a_revocation_counts_for_callers_with_other_credentials_too() -> None:
    gate = Gate(record={**RECORD, "revoked": True})
    exchange = Door().exchange()
    exchange.source = replace(exchange.source, certificate=OWN_SHOWN)
    with pytest.raises(Denied) as caught:
        gate.standing(exchange)
    assert caught.value.code == "authenticate.certificate_revoked"


def test_a_new_snapshot_counts_at_once_and_a_broken_one_changes_nothing() -> None:
    gate = Gate(record=RECORD)
    gate.ask(OWN_SHOWN)
    own: dict[str, Any] = {"authorities": [{"id": OWN, "certificate": "PEM"}], "issued": [{"serial": "01"}]}
    with pytest.raises(KeyError):
        gate.credentials.apply(credentials_data(issuers={}, certificates=own))
    gate.ask(OWN_SHOWN)
    own["issued"] = [{**RECORD, "revoked": True}]
    with pytest.raises(KeyError):
        gate.credentials.apply(credentials_data(issuers={}, certificates=own, encryption_keys=[{"id": "broken"}]))
    gate.ask(OWN_SHOWN)
    gate.credentials.apply(credentials_data(issuers={}, certificates=own))
    assert gate.code(OWN_SHOWN) == "authenticate.certificate_revoked"


def test_where_a_token_would_do_a_certificate_of_nobodys_is_passed_over() -> None:
    gate = Gate(also_bearer=True)
    assert gate.code() == "authenticate.missing"
    gate = Gate({"caller": "partner", "uri": "spiffe://partner/a"}, also_bearer=True)
    assert gate.ask().caller


@pytest.mark.parametrize(
    "rule",
    [
        {"caller": "a"},
        {"caller": "a", "dns": "a.test", "uri": "urn:a"},
        {"caller": "a", "dns": "*.test"},
        {"caller": "a", "uri": "urn:\x00a"},
        {"caller": "", "uri": "urn:a"},
        {"caller": "a", "uri": "urn:a", "authority": "AB"},
        {"caller": "a", "uri": "urn:a", "subject": "CN=a"},
    ],
    ids=str,
)
def test_a_rule_that_could_be_misread_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClientCertificateRule(**rule)
