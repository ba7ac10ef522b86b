"""Certificates from an ACME server that checks signatures, nonces and proofs, and from servers that misbehave."""

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.acme.server import DIRECTORY, HOST, FakeServer, Refused

from doorward.acme import Account, AcmeClient, AcmeError, Obtained, load_account, obtain
from doorward.errors import PolicyError
from doorward.identity.sealing import ServerSecret
from doorward.jose import generate_key

NOW = dt.datetime(2027, 1, 15, 8, tzinfo=dt.UTC)
NAMES = ("api.example.test", "shop.example.test")


class Case:
    def __init__(self) -> None:
        self.account = Account(generate_key("ES256"))
        self.paused: list[float] = []
        self.answer = ""
        self.server = FakeServer(self.web, lambda: NOW)
        self.client = AcmeClient(DIRECTORY, self.account, self.server, contact="ops@example.test")

    def web(self, _name: str, path: str) -> str:
        return self.answer or f"{path.rpartition('/')[2]}.{self.account.thumbprint}"

    async def pause(self, seconds: float) -> None:
        self.paused.append(seconds)

    def obtain(self, **more: Any) -> Obtained:
        return asyncio.run(obtain(self.client, NAMES, clock=lambda: NOW, pause=self.pause, **more))

    def error(self, **more: Any) -> AcmeError:
        with pytest.raises(AcmeError) as caught:
            self.obtain(**more)
        return caught.value


@pytest.fixture
def case() -> Case:
    return Case()


def test_names_that_answer_as_the_account_wants_get_a_certificate(case: Case) -> None:
    found = case.obtain()
    names = found.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == list(NAMES)
    key = serialization.load_pem_private_key(found.pem, None)
    assert key.public_key() == found.certificate.public_key()
    assert b"nobody's business" not in found.pem
    assert "PRIVATE" not in repr(found)


def test_each_certificate_has_a_key_of_its_own_and_the_account_is_made_once(case: Case) -> None:
    first, second = case.obtain(), case.obtain()
    assert first.certificate.public_key() != second.certificate.public_key()
    assert case.server.asked.count("/newAccount") == 1
    assert case.server.asked.count("/directory") == 1


def test_a_nonce_that_is_refused_is_replaced_and_not_for_ever(case: Case) -> None:
    case.server.rejects_nonces = 4
    case.obtain()
    case.server.rejects_nonces = 99
    assert case.error().kind == "badNonce"


def test_names_that_answer_otherwise_get_none_and_the_reason_is_told(case: Case) -> None:
    case.answer = "another answer"
    error = case.error()
    assert error.kind == "unauthorized"
    assert "api.example.test" in str(error)
    assert "the answer was another one" in str(error)


def test_a_server_that_is_busy_says_when_to_come_back(case: Case) -> None:
    case.server.refuse_order = Refused("rateLimited", 429, retry_after="900")
    error = case.error()
    assert (error.kind, error.retry_after_s) == ("rateLimited", 900.0)
    case.server.refuse_order = Refused("rateLimited", 429, retry_after="99999999999999999999")
    assert case.error().retry_after_s == 3_600.0


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/directory", {"newNonce": "https://inside.test/newNonce"}),
        ("/directory", {"newOrder": "http://acme.test/newOrder"}),
        ("/directory", {"newAccount": "https://acme.test.evil.test/newAccount"}),
        ("/directory", {"newAccount": "https://acme.test@169.254.169.254/latest"}),
        ("/newOrder", {"authorizations": ["https://inside.test/a"]}),
        ("/newOrder", {"finalize": "file:///etc/passwd"}),
        ("/newOrder", {"finalize": "https://[acme.test"}),
        ("/authorization/0/0", {"challenges": [{"type": "http-01", "url": "https://10.0.0.1/"}]}),
        ("/order/0", {"certificate": "https://169.254.169.254/latest"}),
    ],
    ids=str,
)
def test_a_server_that_leads_elsewhere_is_not_followed(case: Case, path: str, change: dict[str, Any]) -> None:
    case.server.changes[path] = change
    assert case.error().kind == "answer"


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/newOrder", {"authorizations": None}),
        ("/newOrder", {"authorizations": [7]}),
        ("/newOrder", {"authorizations": ["https://acme.test/authorization/0/0"] * 5_000}),
        ("/newOrder", {"finalize": None}),
        ("/authorization/0/0", {"challenges": None}),
        ("/authorization/0/0", {"challenges": [None, "x", {"type": "http-01"}]}),
        ("/authorization/0/0", {"status": None, "identifier": None}),
        ("/order/0", {"status": "invalid", "error": {"type": 7, "detail": ["x"]}}),
        ("/order/0", {"status": "invalid", "error": {"type": "x\n" * 9_000, "detail": "\x1b[2J"}}),
        ("/order/0", {"status": "invalid", "error": "x"}),
        ("/order/0", {"certificate": {}}),
    ],
    ids=str,
)
def test_a_server_that_answers_nonsense_is_an_error_and_no_crash(case: Case, path: str, change: dict[str, Any]) -> None:
    case.server.changes[path] = change
    error = case.error()
    assert error.kind
    assert str(error).isprintable()
    assert len(str(error)) < 600
    assert len(case.server.asked) < 30


def test_a_server_that_never_makes_up_its_mind_is_left(case: Case) -> None:
    case.server.changes["/order/0"] = {"status": "processing"}
    assert "make up its mind" in str(case.error())
    assert len(case.paused) == 30
    assert max(case.paused) <= 30


@pytest.mark.parametrize("wrong", ["key", "names", "expired", "ahead", "none"])
def test_what_was_not_asked_for_is_shown_to_nobody(case: Case, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    match wrong:
        case "key":
            case.server.leaf_key = ec.generate_private_key(ec.SECP256R1()).public_key()
        case "names":
            case.server.leaf_names = [*NAMES, "bank.example.test"]
        case "expired":
            case.server.now = lambda: NOW - dt.timedelta(days=91)
        case "ahead":
            case.server.now = lambda: NOW + dt.timedelta(minutes=6)
        case _:
            monkeypatch.setattr(case.server, "signed", lambda *_: b"no certificate")
    assert case.error().kind == "answer"


def test_a_server_that_is_away_is_said_to_be(case: Case) -> None:
    case.server.is_away = True
    assert case.error().kind == "unreachable"


def test_the_one_replaced_is_named(case: Case) -> None:
    case.obtain(replaces="a.b")
    assert case.server.orders[0]["replaces"] == "a.b"


def test_an_account_is_made_once_and_its_key_is_sealed(tmp_path: Path) -> None:
    secret = ServerSecret(bytes(32))
    first = load_account(tmp_path, DIRECTORY, secret)
    assert load_account(tmp_path, DIRECTORY, secret).thumbprint == first.thumbprint
    assert load_account(tmp_path, f"{HOST}/other", secret).thumbprint != first.thumbprint
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
        assert b'"d"' not in file.read_bytes()
        assert first.key.jwk()["d"].encode() not in file.read_bytes()
    with pytest.raises(PolicyError, match="cannot be opened"):
        load_account(tmp_path, DIRECTORY, ServerSecret(bytes(31) + b"x"))


def test_a_thumbprint_is_as_rfc_7638_has_it() -> None:
    key = generate_key("ES256")
    assert Account(key).thumbprint == key.id
