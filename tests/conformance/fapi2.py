"""FAPI 2.0 Security Profile, final, with `issuer: {profile: fapi2}`: pushed requests, `private_key_jwt`, tokens bound to a key by DPoP."""

from typing import Any

import httpx
from tests.conformance.bank import PROVING, Bank
from tests.conformance.ground import Ground, landed, stayed, went_on
from tests.conformance.scorecard import module, not_applicable
from tests.identity.lab import CALLBACK

from doorward.jose import generate_key, split_unverified

_P = "fapi2-security-profile-final-"
_RSA = generate_key("RS256", rsa_bits=2048)
_NO_OBJECTS = (
    "no request objects are taken; what is pushed stands for one, what stands beside it in the URL for nothing"
)


def _refused(answer: httpx.Response, *errors: str) -> None:
    assert answer.status_code in {400, 401}, answer.text
    assert answer.json()["error"] in errors, answer.text


def _claims(tokens: dict[str, Any]) -> dict[str, Any]:
    return dict(split_unverified(tokens["id_token"])._claims)


@module(f"{_P}discovery-end-point-verification")
def discovery(ground: Ground) -> None:
    """Metadata hold what the profile requires."""
    Bank(ground)
    told = ground.metadata()
    assert told["issuer"] == ground.issuer
    assert all(told[name].startswith(f"{ground.issuer}/") for name in told if name.endswith("_endpoint"))
    assert "private_key_jwt" in told["token_endpoint_auth_methods_supported"]
    assert {"ES256", "PS256"} <= set(told["token_endpoint_auth_signing_alg_values_supported"])
    assert {"ES256", "PS256"} <= set(told["dpop_signing_alg_values_supported"])
    assert (told["response_types_supported"], told["code_challenge_methods_supported"]) == (["code"], ["S256"])
    assert told["authorization_response_iss_parameter_supported"] is True
    assert told["require_pushed_authorization_requests"] is True


@module(f"{_P}happy-flow")
def happy_flow(ground: Ground) -> None:
    """Whole flow with two clients; access tokens are sender-constrained."""
    for bank in (Bank(ground), Bank(ground, "shop")):
        tokens = bank.tokens()
        assert tokens["token_type"] == "DPoP"
        assert bank.resource(tokens["access_token"]).json()["sub"] == "alice"
        assert bank.resource(tokens["access_token"], "Bearer", []).status_code == 401


@module(f"{_P}user-rejects-authentication")
def user_rejects(ground: Ground) -> None:
    """User cancels: access_denied by redirect."""
    bank, visitor = Bank(ground), ground.person()
    visitor.get("/oauth/authorize", client_id="bank", request_uri=bank.push().json()["request_uri"])
    back = landed(visitor.send("/auth/consent", answer="deny"))
    assert (back["error"], back["iss"]) == ("access_denied", ground.issuer)


@module(f"{_P}ensure-authorization-request-without-state-success")
def without_state(ground: Ground) -> None:
    """No state: succeeds, no state or s_hash in the answer."""
    bank = Bank(ground)
    back = landed(bank.brought(ground.person(), bank.push(state=None)))
    assert set(back) == {"code", "iss"}
    assert "s_hash" not in _claims(bank.trade(back["code"]).json())


@module(f"{_P}ensure-authorization-request-without-nonce-success")
def without_nonce(ground: Ground) -> None:
    """No nonce: succeeds, no nonce in the ID token."""
    assert "nonce" not in _claims(Bank(ground).tokens(nonce=None))


@module(f"{_P}ensure-authorization-request-with-64-char-nonce-success")
def long_enough_nonce(ground: Ground) -> None:
    """A 64-character nonce is returned whole."""
    assert _claims(Bank(ground).tokens(nonce="n" * 64))["nonce"] == "n" * 64


@module(f"{_P}ensure-other-scope-order-succeeds")
def other_scope_order(ground: Ground) -> None:
    """Scopes in reverse order succeed."""
    scopes = ["offline_access", "openid", "orders:read"]
    tokens = Bank(ground).tokens(scope=" ".join(reversed(scopes)))
    assert sorted(tokens["scope"].split()) == scopes


not_applicable(
    __name__,
    f"{_P}test-claims-parameter-identity-claims",
    "Optional: every claim of claims_supported can be asked for; unknown ones are ignored.",
    "the `claims` parameter is not offered",
)


@module(f"{_P}access-token-type-header-case-sensitivity")
def scheme_in_any_case(ground: Ground) -> None:
    """The scheme name in Authorization is compared without regard to case."""
    bank = Bank(ground)
    token = bank.tokens()["access_token"]
    assert [bank.resource(token, scheme).status_code for scheme in ("dpop", "DPOP", "dPoP")] == [200] * 3


@module(f"{_P}check-dpop-proof-nbf-exp")
def proof_with_nbf_and_exp(ground: Ground) -> None:
    """A proof that also carries nbf and exp is accepted."""
    bank = Bank(ground)
    more: dict[str, Any] = {"nbf": ground.now, "exp": ground.now + 60}
    answer = bank.trade(bank.code(), bank.proof("/oauth/token", **more))
    assert bank.resource(answer.json()["access_token"], **more).status_code == 200


def _with_clock(ground: Ground, seconds: int) -> None:
    bank, made = Bank(ground), ground.now + seconds
    code = bank.code(bank.push(bank.proof("/oauth/par", iat=made)))
    answer = bank.trade(code, bank.proof("/oauth/token", iat=made))
    assert bank.resource(answer.json()["access_token"], iat=made).status_code == 200


@module(f"{_P}ensure-dpopproof-with-iat-10seconds-before-succeeds")
def proof_10_s_ago(ground: Ground) -> None:
    """A proof with iat 10 s ago is accepted at PAR, token and resource."""
    _with_clock(ground, -10)


@module(f"{_P}ensure-dpopproof-with-iat-10seconds-after-succeeds")
def proof_10_s_ahead(ground: Ground) -> None:
    """A proof with iat 10 s ahead is accepted at PAR, token and resource."""
    _with_clock(ground, 10)


@module(f"{_P}ensure-mismatched-dpop-jkt-fails")
def mismatched_jkt(ground: Ground) -> None:
    """dpop_jkt differs from the proof sent to PAR: PAR refuses."""
    bank = Bank(ground)
    answer = bank.push(bank.proof("/oauth/par"), dpop_jkt=PROVING["shop"].public.thumbprint)
    _refused(answer, "invalid_dpop_proof", "invalid_request")


@module(f"{_P}ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt")
def mismatched_proofs(ground: Ground) -> None:
    """Proofs at PAR and token endpoint by different keys: token endpoint refuses."""
    bank = Bank(ground)
    code = bank.code(bank.push(bank.proof("/oauth/par")))
    _refused(bank.trade(code, bank.proof("/oauth/token", key=PROVING["shop"])), "invalid_grant", "invalid_dpop_proof")


@module(f"{_P}ensure-token-endpoint-fails-with-mismatched-dpop-jkt")
def mismatched_jkt_at_token(ground: Ground) -> None:
    """dpop_jkt differs from the proof at the token endpoint: refused."""
    bank = Bank(ground)
    code = bank.code(bank.push(dpop_jkt=PROVING["shop"].public.thumbprint))
    _refused(bank.trade(code), "invalid_grant", "invalid_dpop_proof")


@module(f"{_P}ensure-dpopproof-at-par-endpoint-binding-success")
def bound_at_par(ground: Ground) -> None:
    """Proof at PAR and same key at the token endpoint: success."""
    bank = Bank(ground)
    assert bank.trade(bank.code(bank.push(bank.proof("/oauth/par")))).status_code == 200


@module(f"{_P}ensure-dpop-auth-code-binding-success")
def bound_by_jkt(ground: Ground) -> None:
    """dpop_jkt matching the proofs: success."""
    bank = Bank(ground)
    pushed = bank.push(bank.proof("/oauth/par"), dpop_jkt=PROVING["bank"].public.thumbprint)
    assert bank.trade(bank.code(pushed)).status_code == 200


@module(f"{_P}ensure-different-nonce-inside-and-outside-request-object", note=_NO_OBJECTS)
def other_nonce_outside(ground: Ground) -> None:
    """nonce differs in and out of the request object: error, or the inner one is used."""
    bank = Bank(ground)
    back = went_on(bank.brought(ground.person(), bank.push(), nonce="outer"))
    assert _claims(bank.trade(back["code"]).json())["nonce"] == "n-1"


@module(f"{_P}ensure-different-state-inside-and-outside-request-object", note=_NO_OBJECTS)
def other_state_outside(ground: Ground) -> None:
    """state differs in and out of the request object: error, or the inner one is used."""
    bank = Bank(ground)
    assert went_on(bank.brought(ground.person(), bank.push(), state="outer"))["state"] == "s-1"


@module(f"{_P}ensure-authorization-request-with-long-nonce")
def long_nonce(ground: Ground) -> None:
    """A 384-character nonce: returned whole, or an error; never cut."""
    assert _claims(Bank(ground).tokens(nonce="n" * 384))["nonce"] == "n" * 384


@module(f"{_P}ensure-authorization-request-with-long-state")
def long_state(ground: Ground) -> None:
    """A long state: returned whole, or an error; never cut."""
    bank = Bank(ground)
    assert went_on(bank.brought(ground.person(), bank.push(state="s" * 384)))["state"] == "s" * 384
    _refused(bank.push(state="s" * 2_000), "invalid_request")


@module(f"{_P}state-only-outside-request-object-not-used", note=_NO_OBJECTS)
def state_only_outside(ground: Ground) -> None:
    """state only outside the request object is ignored, or an error."""
    bank = Bank(ground)
    assert "state" not in landed(bank.brought(ground.person(), bank.push(state=None), state="outer"))


@module(f"{_P}ensure-request-object-without-redirect-uri-fails")
def object_without_redirect_uri(ground: Ground) -> None:
    """A request without redirect_uri is refused."""
    _refused(Bank(ground).push(redirect_uri=None), "invalid_request")


@module(f"{_P}ensure-registered-redirect-uri")
def unregistered_redirect_uri(ground: Ground) -> None:
    """An unregistered redirect_uri is refused."""
    _refused(Bank(ground).push(redirect_uri="https://evil.example/callback"), "invalid_request")


@module(f"{_P}plain-fapi-tolerate-unregistered-redirect-uri", note="refused")
def tolerated_redirect_uri(ground: Ground) -> None:
    """An unregistered redirect_uri under PAR may be allowed, or is refused."""
    _refused(Bank(ground).push(redirect_uri=f"{CALLBACK}/unregistered"), "invalid_request")


@module(f"{_P}ensure-unsigned-authorization-request-without-using-par-fails")
def unpushed(ground: Ground) -> None:
    """Parameters in the URL instead of PAR are refused."""
    Bank(ground)
    assert landed(ground.person().ask_authorization("bank"))["error"] == "invalid_request"


@module(f"{_P}ensure-redirect-uri-in-authorization-request")
def no_redirect_uri(ground: Ground) -> None:
    """No redirect_uri: PAR answers invalid_request."""
    _refused(Bank(ground).push(redirect_uri=None), "invalid_request")


@module(f"{_P}ensure-response-type-code-idtoken-fails")
def code_idtoken(ground: Ground) -> None:
    """response_type "code id_token" is refused."""
    _refused(Bank(ground).push(response_type="code id_token"), "unsupported_response_type")


@module(f"{_P}ensure-response-type-token-fails")
def response_type_token(ground: Ground) -> None:
    """response_type "token" is refused."""
    _refused(Bank(ground).push(response_type="token"), "unsupported_response_type")


@module(f"{_P}ensure-client-id-in-token-endpoint")
def another_client_id(ground: Ground) -> None:
    """client_id of another client at the token endpoint is refused."""
    bank, _ = Bank(ground), Bank(ground, "shop")
    _refused(bank.trade(bank.code(), client_id="shop"), "invalid_client", "invalid_request")


@module(f"{_P}ensure-holder-of-key-required")
def holder_of_key(ground: Ground) -> None:
    """A token request without proof of possession is refused."""
    bank = Bank(ground)
    _refused(bank.trade(bank.code(), None), "invalid_request", "invalid_dpop_proof")


@module(f"{_P}ensure-authorization-code-is-bound-to-client")
def code_of_another(ground: Ground) -> None:
    """A valid code with another client's credentials is refused."""
    bank, shop = Bank(ground), Bank(ground, "shop")
    _refused(shop.trade(bank.code()), "invalid_grant")


@module(f"{_P}attempt-reuse-authorization-code-after-one-second")
def code_again(ground: Ground) -> None:
    """Code reused after 1 s: invalid_grant; the issued access token is revoked."""
    bank = Bank(ground)
    code = bank.code()
    token = bank.trade(code).json()["access_token"]
    ground.now += 1
    _refused(bank.trade(code), "invalid_grant")
    assert bank.resource(token).status_code == 401


@module(f"{_P}ensure-token-endpoint-fails-with-expired-auth-code")
def expired_code(ground: Ground) -> None:
    """First use of a code after more than 60 s: invalid_grant."""
    bank = Bank(ground)
    code = bank.code()
    ground.now += 61
    _refused(bank.trade(code), "invalid_grant")


@module(f"{_P}ensure-signed-client-assertion-with-RS256-fails")
def rs256_assertion(ground: Ground) -> None:
    """A client assertion signed with RS256: invalid_client."""
    bank = Bank(ground)
    _refused(bank.push(proves=bank.assertion(_RSA)), "invalid_client")
    _refused(bank.trade(bank.code(), proves=bank.assertion(_RSA)), "invalid_client")


@module(f"{_P}ensure-client-assertion-in-token-endpoint")
def no_assertion(ground: Ground) -> None:
    """A token request without client assertion: invalid_client or invalid_request."""
    bank = Bank(ground)
    _refused(bank.trade(bank.code(), proves={"client_id": "bank"}), "invalid_client", "invalid_request")


@module(f"{_P}ensure-client-assertion-with-exp-is-5-minutes-in-past-fails")
def old_assertion(ground: Ground) -> None:
    """A client assertion that expired 5 minutes ago is refused."""
    bank = Bank(ground)
    proves = bank.assertion(exp=ground.now - 300)
    _refused(bank.trade(bank.code(), proves=proves), "invalid_client", "invalid_request")


@module(f"{_P}ensure-client-assertion-with-wrong-aud-fails")
def assertion_for_others(ground: Ground) -> None:
    """A client assertion for another server is refused."""
    bank = Bank(ground)
    _refused(bank.trade(bank.code(), proves=bank.assertion(aud="https://other.example")), "invalid_client")


@module(f"{_P}ensure-client-assertion-with-no-sub-fails")
def assertion_without_sub(ground: Ground) -> None:
    """A client assertion without sub: invalid_client."""
    bank = Bank(ground)
    _refused(bank.trade(bank.code(), proves=bank.assertion(sub=None)), "invalid_client")


@module(f"{_P}dpop-negative-tests")
def dpop_negative(ground: Ground) -> None:
    """At the resource every proof for something else is refused, RS256 too; harmless differences are accepted."""
    bank = Bank(ground)
    token = bank.tokens()["access_token"]
    bad_proofs(ground, bank, token)
    rsa = bank.trade(bank.code(), bank.proof("/oauth/token", key=_RSA))
    assert rsa.status_code == 400, "a proof by RS256 was taken"


def bad_proofs(ground: Ground, bank: Bank, token: str) -> None:
    now, made = ground.now, bank.resource_proof
    private = PROVING["bank"].jwk()
    bad = [
        made(token, header={"typ": None}),
        made(token, header={"typ": "JWT"}),
        made(token, header={"alg": "none"}),
        made(token, header={"alg": None}),
        made(token, header={"jwk": None}),
        made(token, header={"jwk": private}),
        made(token, key=PROVING["shop"]),
        made(token)[:-8] + "AAAAAAAA",
        "nonsense",
    ]
    wrong: list[dict[str, Any]] = [
        {"jti": None},
        {"htm": None},
        {"htm": "POST"},
        {"htu": None},
        {"htu": f"{ground.issuer}/oauth/token"},
        {"iat": None},
        {"iat": now - 3_600},
        {"iat": now + 3_600},
        {"ath": None},
        {"ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"},
    ]
    for proof in [*bad, *(made(token, **changed) for changed in wrong)]:
        assert bank.resource(token, proofs=[proof]).status_code == 401, proof
    assert bank.resource(token, proofs=[made(token), made(token)]).status_code == 401, "two proofs"
    assert bank.resource(token, proofs=[]).status_code == 401, "no proof"
    once = made(token)
    assert [bank.resource(token, proofs=[once]).status_code for _ in "12"] == [200, 401]
    url = f"{ground.issuer}/oauth/userinfo"
    same = [f"{url}?x=1", f"{url}#x", url.replace("https", "HTTPS").replace("issuer", "ISSUER")]
    harmless: list[dict[str, Any]] = [*({"htu": text} for text in same), {"extra": "member"}]
    for changed in harmless:
        assert bank.resource(token, **changed).status_code == 200, changed


@module(f"{_P}refresh-token")
def refresh(ground: Ground) -> None:
    """The refresh token is bound to client and sender; a request without client authentication is refused."""
    bank, shop = Bank(ground), Bank(ground, "shop")
    given = {"grant_type": "refresh_token", "refresh_token": bank.tokens()["refresh_token"]}
    own = {"dpop": bank.proof("/oauth/token")}
    _refused(ground.post("/oauth/token", headers=own, **given, client_id="bank"), "invalid_client", "invalid_request")
    foreign = {"dpop": shop.proof("/oauth/token")}
    _refused(ground.post("/oauth/token", headers=foreign, **given, **shop.assertion()), "invalid_grant")
    foreign = {"dpop": shop.proof("/oauth/token")}
    _refused(ground.post("/oauth/token", headers=foreign, **given, **bank.assertion()), "invalid_grant")
    good = ground.post("/oauth/token", headers={"dpop": bank.proof("/oauth/token")}, **given, **bank.assertion())
    assert good.status_code == 200
    assert good.json()["refresh_token"] == given["refresh_token"], "never replaced"


for _name, _summary in (
    ("ensure-server-handles-non-matching-intent-id", "Intent of another client is refused."),
    ("test-essential-acr-sca-claim", "Essential acr for strong authentication is honoured or access_denied."),
):
    not_applicable(__name__, _P + _name, _summary, "UK Open Banking only")


@module(f"{_P}par-ensure-reused-request-uri-prior-to-auth-completion-succeeds")
def opened_twice(ground: Ground) -> None:
    """The same request_uri opened twice before login works: it is spent at completion, not at the first visit."""
    named = {"client_id": "bank", "request_uri": Bank(ground).push().json()["request_uri"]}
    visitor = ground.visitor()
    visitor.get("/oauth/authorize", **named)
    visitor.follow(visitor.get("/oauth/authorize", **named))
    visitor.follow(visitor.sign_in())
    assert went_on(visitor.send("/auth/consent", answer="allow"))


@module(f"{_P}par-attempt-reuse-request_uri")
def used_again(ground: Ground) -> None:
    """request_uri used again after completion: an error page."""
    bank, visitor = Bank(ground), ground.person()
    pushed = bank.push()
    went_on(bank.brought(visitor, pushed))
    stayed(bank.brought(visitor, pushed))


@module(f"{_P}par-attempt-to-use-expired-request_uri")
def expired_request(ground: Ground) -> None:
    """An expired request_uri is refused."""
    bank = Bank(ground)
    pushed = bank.push()
    ground.now += pushed.json()["expires_in"] + 1
    stayed(bank.brought(ground.person(), pushed))


@module(f"{_P}par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted")
def assertion_8_s_ahead(ground: Ground) -> None:
    """A client assertion with nbf 8 s ahead is accepted at PAR."""
    bank = Bank(ground)
    assert bank.push(proves=bank.assertion(nbf=ground.now + 8)).status_code == 201


@module(f"{_P}par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails")
def assertion_far_ahead(ground: Ground) -> None:
    """A client assertion with iat, nbf and exp more than 60 s ahead is refused."""
    bank, later = Bank(ground), ground.now + 70
    _refused(bank.push(proves=bank.assertion(iat=later, nbf=later, exp=later + 60)), "invalid_client")


@module(f"{_P}par-attempt-to-use-request_uri-for-different-client")
def request_of_another(ground: Ground) -> None:
    """request_uri of one client used by another is refused."""
    bank, shop = Bank(ground), Bank(ground, "shop")
    stayed(shop.brought(ground.person(), bank.push()))


@module(f"{_P}par-authorization-request-containing-request_uri-form-param")
def request_uri_pushed(ground: Ground) -> None:
    """request_uri as a form parameter at PAR is refused."""
    bank = Bank(ground)
    _refused(bank.push(request_uri=bank.push().json()["request_uri"]), "invalid_request")


@module(f"{_P}par-attempt-invalid-http-method")
def par_by_get(ground: Ground) -> None:
    """PAR by another method than POST is refused."""
    Bank(ground)
    assert [ground.ask(method, "/oauth/par").status_code for method in ("GET", "PUT", "DELETE")] == [405] * 3


@module(f"{_P}par-ensure-pkce-required")
def pkce_required(ground: Ground) -> None:
    """No PKCE: refused."""
    _refused(Bank(ground).push(code_challenge=None, code_challenge_method=None), "invalid_request")


@module(f"{_P}ensure-pkce-code-verifier-required")
def verifier_required(ground: Ground) -> None:
    """A token request without code_verifier: invalid_grant."""
    bank = Bank(ground)
    _refused(bank.trade(bank.code(), code_verifier=None), "invalid_grant")


@module(f"{_P}incorrect-pkce-code-verifier-rejected")
def wrong_verifier(ground: Ground) -> None:
    """A wrong code_verifier: invalid_grant."""
    bank = Bank(ground)
    _refused(bank.trade(bank.code(), code_verifier="w" * 43), "invalid_grant")


@module(f"{_P}par-plain-pkce-rejected")
def plain_pkce(ground: Ground) -> None:
    """PKCE plain: refused."""
    _refused(Bank(ground).push(code_challenge_method="plain"), "invalid_request")


@module(f"{_P}par-without-duplicate-parameters")
def only_the_name(ground: Ground) -> None:
    """An authorization request with client_id and request_uri only succeeds."""
    bank = Bank(ground)
    assert bank.trade(bank.code()).status_code == 200


def _audience(ground: Ground, audience: Any) -> None:
    bank = Bank(ground)
    _refused(bank.push(proves=bank.assertion(aud=audience)), "invalid_client")


@module(f"{_P}par-test-array-as-audience-fails")
def array_as_audience(ground: Ground) -> None:
    """A client assertion with an array as aud at PAR is refused."""
    _audience(ground, [ground.issuer])


@module(f"{_P}par-test-par-endpoint-url-as-audience-fails")
def par_as_audience(ground: Ground) -> None:
    """A client assertion with the PAR URL as aud is refused."""
    _audience(ground, f"{ground.issuer}/oauth/par")


@module(f"{_P}par-test-token-endpoint-url-as-audience-fails")
def token_endpoint_as_audience(ground: Ground) -> None:
    """A client assertion with the token endpoint URL as aud is refused."""
    _audience(ground, f"{ground.issuer}/oauth/token")
