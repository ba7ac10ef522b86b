"""Profiles: ID-63, ID-76 and section 5 of the reference. Each row that is enforced is tried on both of its sides."""

import itertools
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cli.test_check import API, POLICY, check
from tests.identity.lab import CALLBACK, CHALLENGE, ISSUER, VERIFIER, Lab, Visitor

from doorward.identity.assertions import ASSERTION_TYPE
from doorward.identity.clients import add_client
from doorward.identity.factors.totp import hotp, step_at
from doorward.identity.oauth.endpoints import PUSHED_PREFIX
from doorward.identity.profiles import DEVIATIONS, PROFILES, Profile, ProfileName, profile_of
from doorward.identity.risk.decision import Facts, decide
from doorward.jose import PrivateKey, generate_key, public_jwks, sign_jwt, sign_proof
from doorward.store import Store

KEY, PROVING = generate_key("ES256"), generate_key("ES256")


class Strict(Lab):
    """A provider with profiles, and `bank`, a client with a key."""

    def __init__(self, store: Store, *names: ProfileName) -> None:
        super().__init__(store)
        profile = profile_of(names)
        self.settings = replace(self.settings, profile=profile, token_lifetime_s=profile.access_s)
        self.app = self.made_app()
        self.count = itertools.count()
        self.seed: bytes | None = None
        keys = json.dumps(public_jwks([KEY])).encode()
        scopes = ["orders:read", "offline_access"]
        add_client(store, "bank", now=self.now, scopes=scopes, redirect_uris=[CALLBACK], jwks=keys, is_trusted=True)
        self.now += 60

    def ask_as_bank(self, path: str, proving: PrivateKey | None = PROVING, **form: Any) -> httpx.Response:
        number = next(self.count)
        claims = {"iss": "bank", "sub": "bank", "aud": ISSUER, "jti": f"a{number}", "exp": self.now + 60}
        form |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": sign_jwt(KEY, claims, "JWT")}
        proof = {"jti": f"p{number}", "htm": "POST", "htu": f"{ISSUER}{path}", "iat": self.now}
        return self.post(path, headers={} if proving is None else {"dpop": sign_proof(proving, proof)}, **form)

    def pushed(self, **more: str) -> str:
        asked: dict[str, Any] = {
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid offline_access",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **more,
        }
        uri = str(self.ask_as_bank("/oauth/par", **asked).json()["request_uri"])
        assert uri.startswith(PUSHED_PREFIX)
        return uri

    def pushed_code(self) -> str:
        person = self.person()
        answer = person.get("/oauth/authorize", client_id="bank", request_uri=self.pushed())
        return httpx.URL(answer.headers["location"]).params["code"]

    def person(self) -> Visitor:
        """Somebody signed in as the profile wants it."""
        visitor = self.visitor()
        if not self.settings.profile.second_factor_always:
            return visitor.signed_in()
        if self.seed is None:
            self.seed, _ = self.visitor().signed_in().add_totp()
        visitor.sign_in()
        visitor.get("/auth/factor")
        visitor.follow(visitor.send("/auth/factor", code=hotp(self.seed, step_at(self.now))))
        # the code is spent, and this person comes again
        self.now += 30
        return visitor

    def redeemed(self, code: str, proving: PrivateKey | None = PROVING) -> httpx.Response:
        given = {"code": code, "code_verifier": VERIFIER, "redirect_uri": CALLBACK}
        return self.ask_as_bank("/oauth/token", proving, grant_type="authorization_code", **given)


def error(answer: httpx.Response) -> Any:
    return answer.status_code, answer.json()["error"]


@pytest.mark.parametrize("name", ["fapi2", "strict"])
def test_a_client_with_key_pushed_request_and_proof_is_served(store: Store, name: ProfileName) -> None:
    """ID-63."""
    lab = Strict(store, name)
    body = lab.redeemed(lab.pushed_code()).json()
    assert (body["token_type"], body["expires_in"]) == ("DPoP", PROFILES[name].access_s)
    again = lab.ask_as_bank("/oauth/token", grant_type="refresh_token", refresh_token=body["refresh_token"]).json()
    assert again["refresh_token"] == body["refresh_token"], "FAPI 2.0: refresh tokens stay"


def test_secrets_and_public_clients_are_not(store: Store) -> None:
    """ID-63."""
    lab = Strict(store, "fapi2")
    assert error(lab.token("web", grant_type="client_credentials")) == (400, "unauthorized_client")
    assert error(lab.token("spa", grant_type="refresh_token", refresh_token="none")) == (400, "unauthorized_client")
    for path in ("/oauth/par", "/oauth/introspect", "/oauth/revoke"):
        assert error(lab.post(path, token="none", **lab.authenticated("web"))) == (400, "unauthorized_client")


def test_requests_that_were_not_pushed_are_not(store: Store) -> None:
    """ID-63."""
    lab = Strict(store, "fapi2")
    answer = lab.visitor().signed_in().ask_authorization("bank")
    assert "error=invalid_request" in answer.headers["location"]


def test_tokens_without_proof_are_not(store: Store) -> None:
    """ID-63."""
    lab = Strict(store, "fapi2")
    assert error(lab.ask_as_bank("/oauth/token", None, grant_type="client_credentials")) == (400, "invalid_request")
    assert lab.ask_as_bank("/oauth/token", grant_type="client_credentials").status_code == 200


def test_rs256_is_not_used(store: Store) -> None:
    """ID-64."""
    lab = Strict(store, "fapi2")
    weak = generate_key("RS256", rsa_bits=2048)
    answer = lab.ask_as_bank("/oauth/token", weak, grant_type="client_credentials")
    assert error(answer) == (400, "invalid_dpop_proof")
    told = lab.ask("GET", "/.well-known/openid-configuration").json()
    assert "RS256" not in told["dpop_signing_alg_values_supported"]
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert told["require_pushed_authorization_requests"] is True
    told = lab.ask("GET", "/.well-known/oauth-authorization-server").json()["dpop_signing_alg_values_supported"]
    asked = lab.ask("GET", "/oauth/userinfo", headers={"authorization": "DPoP x"}).headers["www-authenticate"]
    assert told == ["ES256", "EdDSA", "PS256", "Ed25519"]
    assert f'algs="{" ".join(told)}"' in asked


def test_the_baseline_serves_all_of_them(store: Store) -> None:
    lab = Strict(store)
    assert lab.token("web", grant_type="client_credentials").status_code == 200
    assert lab.ask_as_bank("/oauth/token", None, grant_type="client_credentials").status_code == 200
    weak = generate_key("RS256", rsa_bits=2048)
    assert lab.ask_as_bank("/oauth/token", weak, grant_type="client_credentials").status_code == 200
    assert "code=" in lab.visitor().signed_in().ask_authorization("bank").headers["location"]


def test_strict_codes_live_half_a_minute_and_authorizations_eight_hours(store: Store) -> None:
    lab = Strict(store, "strict")
    code = lab.pushed_code()
    lab.now += 30
    assert error(lab.redeemed(code)) == (400, "invalid_grant")
    token = lab.redeemed(lab.pushed_code()).json()["refresh_token"]
    lab.now += 8 * 3600 - 1
    assert lab.ask_as_bank("/oauth/token", grant_type="refresh_token", refresh_token=token).status_code == 200
    lab.now += 1
    answer = lab.ask_as_bank("/oauth/token", grant_type="refresh_token", refresh_token=token)
    assert error(answer) == (400, "invalid_grant")


@pytest.mark.parametrize(("name", "idle_s"), [("pci", 900), ("strict", 900), ("baseline", 3600)])
def test_sessions_end_when_they_are_left_alone(store: Store, name: ProfileName, idle_s: int) -> None:
    """ID-76."""
    lab = Strict(store, name)
    visitor = lab.visitor().signed_in()
    lab.now += idle_s - 1
    assert "Your account" in visitor.get("/account").text
    lab.now += idle_s
    assert visitor.get("/account").status_code == 303


def test_strict_sessions_end_after_twelve_hours(store: Store) -> None:
    lab = Strict(store, "strict")
    visitor = lab.visitor().signed_in()
    begin = lab.now
    while lab.now < begin + 12 * 3600 - 600:
        lab.now += 600
        assert "Your account" in visitor.get("/account").text
    lab.now = begin + 12 * 3600
    assert visitor.get("/account").status_code == 303


@pytest.mark.parametrize(("count", "kind"), [(9, "allow"), (10, "challenge")])
def test_ten_wrong_passwords_ask_for_more_and_never_of_a_known_browser(count: int, kind: str) -> None:
    """ID-76: locked until identity is confirmed, which an attacker cannot do to a victim's own browser."""

    def facts(*, known: bool, passed: bool = False) -> Facts:
        return Facts(
            known_device=known,
            failures=0 if known else 3,
            since_failure_s=1e6,
            in_a_row=count,
            challenge_passed=passed,
            step_up_count=PROFILES["pci"].step_up_count,
        )

    assert decide(facts(known=False)).kind == kind
    assert decide(facts(known=False, passed=True)).kind == "allow"
    assert decide(facts(known=True)).kind == "allow"
    assert decide(replace(facts(known=False), step_up_count=20)).kind == "allow"


def test_of_several_the_stricter_value_of_each_row_counts() -> None:
    both = profile_of(["pci", "fapi2"])
    for row in fields(Profile):
        values = [getattr(PROFILES[name], row.name) for name in ("baseline", "fapi2", "pci")]
        assert getattr(both, row.name) == (any(values) if isinstance(values[0], bool) else min(values))
    for profile in PROFILES.values():
        assert profile_of(["baseline"]) == PROFILES["baseline"]
        assert all(
            getattr(profile, row.name) >= getattr(PROFILES["baseline"], row.name)
            if isinstance(getattr(profile, row.name), bool)
            else getattr(profile, row.name) <= getattr(PROFILES["baseline"], row.name)
            for row in fields(Profile)
        ), "no profile is laxer than the baseline"


def test_check_tells_the_profile_and_every_deviation(tmp_path: Path) -> None:
    (tmp_path / "openapi.yaml").write_text(API)
    policy = tmp_path / "doorward.yaml"
    policy.write_text(POLICY + "issuer: {profile: [pci, strict], rotate_keys_days: null}\n")
    told = check(tmp_path)
    assert told.exit_code == 0
    assert "profile: pci, strict" in told.stderr
    for deviation in DEVIATIONS:
        assert f"{deviation.profile}: {deviation.row}" in told.stderr
    assert "the signing key is never replaced by itself" in told.stderr
    policy.write_text(POLICY + "issuer: {profile: fapi2, insecure_development_tokens: true}\n")
    told = check(tmp_path)
    assert told.exit_code == 1
    assert "tokens are bound to people who signed in" in told.stderr
    policy.write_text(POLICY)
    told = check(tmp_path)
    assert "profile: baseline" in told.stderr
    assert "pci" not in told.stderr


def test_strict_lets_nobody_further_than_their_account_without_a_second_factor(store: Store) -> None:
    lab = Strict(store, "strict")
    visitor = lab.visitor().signed_in()
    uri = lab.pushed()
    answer = visitor.get("/oauth/authorize", client_id="bank", request_uri=uri)
    assert (answer.status_code, "second factor is missing" in answer.text) == (403, True)
    assert "second factor is missing" in visitor.get("/auth/device").text
    assert visitor.get("/account").status_code == 200
    seed, _ = visitor.add_totp()
    assert (
        visitor.get("/oauth/authorize", client_id="bank", request_uri=lab.pushed()).headers["location"]
        == "/auth/factor"
    )
    assert visitor.get("/auth/device").headers["location"] == "/auth/factor"
    visitor.get("/auth/factor")
    answer = visitor.follow(visitor.send("/auth/factor", code=hotp(seed, step_at(lab.now))))
    assert answer.status_code == 200
    answer = visitor.get("/oauth/authorize", client_id="bank", request_uri=lab.pushed())
    assert "code=" in answer.headers["location"]


def test_strict_silent_requests_without_a_second_factor_get_no_code(store: Store) -> None:
    lab = Strict(store, "strict")
    answer = lab.visitor().signed_in().get("/oauth/authorize", client_id="bank", request_uri=lab.pushed(prompt="none"))
    assert "error=unmet_authentication_requirements" in answer.headers["location"]


@pytest.mark.parametrize(("name", "counts"), [("strict", False), ("baseline", True)])
def test_the_code_before_the_current_one_counts_or_not(store: Store, name: ProfileName, counts: bool) -> None:
    lab = Strict(store, name)
    seed, _ = lab.visitor().signed_in().add_totp()
    lab.now += 60
    visitor = lab.visitor()
    visitor.sign_in()
    visitor.get("/auth/factor")
    answer = visitor.follow(visitor.send("/auth/factor", code=hotp(seed, step_at(lab.now) - 1)))
    assert ("Your account" in answer.text) is counts
