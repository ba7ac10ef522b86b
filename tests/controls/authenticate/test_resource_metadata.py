"""Who vouches for callers of this API, told before they call (RFC 9728)."""

from typing import Any

import orjson
import pytest
from pydantic import ValidationError
from tests.test_pipeline import DOCUMENT, exchange_of, pipeline_of

from doorward.controls.authenticate import AuthenticatePolicy
from doorward.denial import Denied
from doorward.exchange import Exchange, Headers, Response

PLACE = b"/.well-known/oauth-protected-resource"
API = {"authenticate": {"resource": "https://api.example.com"}}


def told(exchange: Exchange, **settings: Any) -> Response | None:
    return pipeline_of(**settings).preflight(exchange)


def document(**settings: Any) -> dict[str, Any]:
    answer = told(exchange_of(path=PLACE), **settings)
    assert answer is not None
    assert answer.status == 200
    assert dict(answer.headers)[b"content-type"] == b"application/json"
    assert answer.body is not None
    return dict(orjson.loads(answer.body))


def challenge(**settings: Any) -> bytes:
    with pytest.raises(Denied) as denied:
        pipeline_of(**settings).admit_head(exchange_of())
    return dict(denied.value.headers)[b"www-authenticate"]


def test_the_document_names_the_api_its_issuers_and_scopes(monkeypatch: pytest.MonkeyPatch) -> None:
    schemes = {"login": {"type": "oauth2", "flows": {}}}
    monkeypatch.setitem(DOCUMENT, "components", {"securitySchemes": schemes})
    monkeypatch.setitem(DOCUMENT["paths"]["/orders"]["get"], "security", [{"login": ["orders:read", "a"]}])
    issuers = ["local", {"issuer": "https://login.example.com/t", "audience": "orders"}]
    assert document(**API, issuers=issuers) == {
        "resource": "https://api.example.com",
        "authorization_servers": ["https://127.0.0.1:8444", "https://login.example.com/t"],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "PS256", "RS256", "Ed25519"],
        "scopes_supported": ["a", "orders:read"],
    }


@pytest.mark.parametrize(
    ("proof", "member"),
    [("dpop", "dpop_bound_access_tokens_required"), ("certificate", "tls_client_certificate_bound_access_tokens")],
)
def test_the_document_says_which_proof_is_demanded(proof: str, member: str) -> None:
    settings = {
        "authenticate": {"resource": "https://localhost", "proof": proof},
        "transport": {"hosts": ["localhost"]},
    }
    assert document(**settings)[member] is True
    assert member not in document(**API)


def test_a_resource_below_a_path_has_its_place_there() -> None:
    settings = {"authenticate": {"resource": "https://api.example.com/v1/"}}
    answer = told(exchange_of(path=PLACE + b"/v1"), **settings)
    assert answer is not None
    assert b"https://api.example.com/v1/" in (answer.body or b"")
    assert told(exchange_of(path=PLACE), **settings) is None
    assert challenge(**settings).endswith(
        b', resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/v1"'
    )


@pytest.mark.parametrize(
    ("settings", "resource"),
    [
        ({"transport": {"hosts": ["localhost"]}}, "https://localhost"),
        ({"transport": {"hosts": ["localhost", "b.example"]}}, None),
        ({}, None),
        ({"authenticate": {"proof_origins": ["https://c.example:8443"]}}, "https://c.example:8443"),
        ({"authenticate": {"proof_origins": ["http://c.example"]}}, None),
        ({**API, "transport": {"hosts": ["localhost"]}}, "https://api.example.com"),
        ({"authenticate": {"resource": "off"}, "transport": {"hosts": ["localhost"]}}, None),
        ({**API, "issuers": []}, None),
    ],
)
def test_the_apis_url_is_what_the_policy_says_or_the_one_it_knows(
    settings: dict[str, Any], resource: str | None
) -> None:
    answer = told(exchange_of(path=PLACE), **settings)
    if resource is None:
        assert answer is None
        return
    assert answer is not None
    assert orjson.loads(answer.body or b"")["resource"] == resource
    assert b"resource_metadata" in challenge(**settings)


def test_a_refusal_names_the_place_for_missing_and_for_bad_tokens_and_not_where_it_is_unknown() -> None:
    place = b'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'
    assert challenge(**API) == b'Bearer realm="api", ' + place
    exchange = exchange_of()
    exchange.request.headers = Headers([(b"host", b"localhost"), (b"authorization", b"Bearer x")])
    with pytest.raises(Denied) as denied:
        pipeline_of(**API).admit_head(exchange)
    assert place in dict(denied.value.headers)[b"www-authenticate"]
    assert challenge() == b'Bearer realm="api"'


def test_the_host_of_a_request_never_gets_into_the_document() -> None:
    """RFC 9728 section 7.3: a document that named a foreign server would send users' passwords there."""
    names = [(b"host", b"evil.example"), (b"x-forwarded-host", b"evil.example"), (b"forwarded", b"host=evil.example")]

    def from_there() -> Exchange:
        exchange = exchange_of(path=PLACE)
        exchange.request.headers = Headers(names)
        return exchange

    answer = told(from_there(), **API)
    assert answer is not None
    assert b"evil" not in (answer.body or b"")
    with pytest.raises(Denied, match=r"transport\.host"):
        told(from_there(), **API, transport={"hosts": ["localhost"]})


@pytest.mark.parametrize(
    ("method", "path"), [("POST", PLACE), ("GET", PLACE + b"/"), ("GET", PLACE + b"x"), ("GET", b"/")]
)
def test_nothing_else_is_answered(method: str, path: bytes) -> None:
    assert told(exchange_of(method, path), **API) is None


def test_an_api_that_describes_the_place_itself_speaks_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"get": {"responses": {"200": {"description": "ok"}}}}
    monkeypatch.setitem(DOCUMENT["paths"], PLACE.decode(), own)
    assert told(exchange_of(path=PLACE), **API) is None


def test_whoever_asks_counts_against_the_limits_of_the_address() -> None:
    pipeline = pipeline_of(**API, limits={"per_address": "1/minute"})
    assert pipeline.preflight(exchange_of(path=PLACE)) is not None
    with pytest.raises(Denied, match=r"limits\.rate"):
        pipeline.preflight(exchange_of(path=PLACE))


@pytest.mark.parametrize(
    "text",
    [
        "http://api.example.com",
        "https://a?b",
        "https://a#b",
        "https://u@a",
        'https://a/"',
        "https://a b",
        "api",
        "https://",
        "https://a//b",
    ],
)
def test_what_is_no_plain_https_url_is_no_resource(text: str) -> None:
    with pytest.raises(ValidationError, match="API's URL"):
        AuthenticatePolicy(resource=text)
