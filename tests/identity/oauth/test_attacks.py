"""Attacks of section 9 of the reference on the grant itself: things brought to where they do not belong."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from tests.identity.lab import CALLBACK, CHALLENGE, VERIFIER, Lab, sent_back

from doorward.identity.oauth.endpoints import PUSHED_PREFIX
from doorward.store import Store


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store)


def test_a_code_injected_into_anothers_login_is_worth_nothing(lab: Lab) -> None:
    """Code injection (RFC 9700 section 4.5): the victim's client redeems with the verifier of its own request."""
    stolen = lab.code("web")
    refused = lab.redeem(stolen, "web", code_verifier="of-the-login-that-the-attacker-began-" + "x" * 20)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert lab.redeem(stolen, "web").json()["error"] == "invalid_grant", "it is spent, whoever comes next"


@pytest.mark.parametrize(
    "downgrade",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
        {"code_challenge": CHALLENGE, "code_challenge_method": None},
        {"code_challenge": "", "code_challenge_method": "S256"},
        {"code_challenge": f"{CHALLENGE}=", "code_challenge_method": "S256"},
    ],
    ids=["none", "plain", "no method, which means plain", "empty", "padded"],
)
def test_proof_of_the_asker_cannot_be_bargained_away(lab: Lab, downgrade: dict[str, Any]) -> None:
    """PKCE downgrade (RFC 9700 section 4.8.2)."""
    back = sent_back(lab.visitor().signed_in().ask_authorization("own", **downgrade))
    assert back["error"] == "invalid_request"
    assert "code" not in back


def test_a_redirect_uri_of_another_client_gets_neither_code_nor_token(lab: Lab) -> None:
    code = lab.code("web")
    for uri in ("https://evil.example/callback", f"{CALLBACK}/", CALLBACK.upper(), ""):
        assert lab.redeem(lab.code("web"), "web", redirect_uri=uri).json()["error"] == "invalid_grant"
    assert lab.redeem(code, "web").status_code == 200


def _userinfo(lab: Lab, secret: str) -> bool:
    return lab.ask("GET", "/oauth/userinfo", headers={"authorization": f"Bearer {secret}"}).status_code == 200


def _refreshes(lab: Lab, secret: str) -> bool:
    return lab.refresh(secret).status_code == 200


def _redeems(lab: Lab, secret: str) -> bool:
    return lab.redeem(secret).status_code == 200


def _is_brought(lab: Lab, secret: str) -> bool:
    answer = lab.visitor().signed_in().get("/oauth/authorize", client_id="web", request_uri=PUSHED_PREFIX + secret)
    return answer.status_code != 400


def _signs_out(lab: Lab, secret: str) -> bool:
    return lab.visitor().get("/oauth/logout", id_token_hint=secret).status_code == 200


_PLACES: dict[str, Callable[[Lab, str], bool]] = {
    "access_token": _userinfo,
    "refresh_token": _refreshes,
    "code": _redeems,
    "request": _is_brought,
    "id_token": _signs_out,
}


def _made(lab: Lab) -> dict[str, str]:
    tokens = lab.tokens()
    asked = {"redirect_uri": CALLBACK, "response_type": "code", "scope": "openid", "code_challenge": CHALLENGE}
    pushed = lab.post("/oauth/par", **lab.authenticated("web"), **asked, code_challenge_method="S256").json()
    return {
        "access_token": tokens["access_token"],
        "refresh_token": tokens["refresh_token"],
        "id_token": tokens["id_token"],
        "code": lab.code(),
        "request": pushed["request_uri"].removeprefix(PUSHED_PREFIX),
    }


def test_nothing_issued_for_one_place_is_taken_at_another(lab: Lab) -> None:
    """One token at two endpoints (Keycloak CVE-2026-4325): each is good where it belongs, and nowhere else."""
    made = _made(lab)
    taken = {
        (what, place)
        for what, place in itertools.product(made, _PLACES)
        if what != place and _PLACES[place](lab, made[what])
    }
    assert taken == set()
    assert [what for what in made if not _PLACES[what](lab, made[what])] == []
