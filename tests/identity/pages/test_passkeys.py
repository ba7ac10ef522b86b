"""Passkeys over HTTP, with an authenticator in software that can lie: statement ID-71 of the reference."""

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.identity.authenticator import Authenticator, b64
from tests.identity.lab import ISSUER, KEY, PASSWORD, Lab, Visitor

from doorward.identity.credentials import Proved
from doorward.identity.enrolling import list_factors, make_reset, remove_all_factors
from doorward.identity.events import events_of
from doorward.identity.factors.passkeys import Asked, read_answer
from doorward.identity.users import add_user, disable_user
from doorward.jose import Expected, split_unverified, verify_jwt
from doorward.store import Store

NEW = "seven purple kettles hum"
SESSION = "__Host-doorward-session"
EVIL = "https://issuer.example.evil.example"


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store)


@pytest.fixture
def key(lab: Lab) -> Authenticator:
    """A passkey of alice."""
    made = Authenticator()
    lab.visitor().signed_in().add_passkey(made)
    return made


def is_in(visitor: Visitor) -> bool:
    return "Signed in as" in visitor.get("/account").text


def kinds(lab: Lab) -> list[str]:
    return [event.kind for event in events_of(lab.store, "alice")]


def shown(lab: Lab, visitor: Visitor) -> tuple[str, list[str]]:
    """`acr` and `amr` of the ID token that a client gets of this visitor."""
    token = lab.redeem(visitor.authorized()).json()["id_token"]
    expected = Expected(issuer=ISSUER, audience="web", types=frozenset({"jwt"}))
    claims = verify_jwt(split_unverified(token), KEY.public, expected, now=lab.now)
    return claims["acr"], claims["amr"]


def with_password(lab: Lab) -> Visitor:
    """A browser in which the password was right and the second factor is waited for."""
    visitor = lab.visitor()
    assert visitor.sign_in().headers["location"] == "/auth/factor/passkey"
    return visitor


def test_a_passkey_alone_signs_in_and_the_client_hears_how(lab: Lab, key: Authenticator) -> None:
    """ID-57, ID-71."""
    visitor = lab.visitor()
    visitor.follow(visitor.use_passkey(key))
    assert is_in(visitor)
    assert shown(lab, visitor) == ("urn:doorward:acr:2", ["pop", "user", "mfa"])


def test_a_passkey_is_the_second_factor_after_the_password(lab: Lab, key: Authenticator) -> None:
    key.verifies_user = False
    visitor = with_password(lab)
    assert not is_in(visitor)
    visitor.follow(visitor.use_passkey(key, "/auth/factor/passkey"))
    assert shown(lab, visitor) == ("urn:doorward:acr:2", ["pwd", "pop", "user", "mfa"])


def test_with_a_passkey_the_password_alone_opens_nothing(lab: Lab, key: Authenticator) -> None:
    """ID-78."""
    visitor = with_password(lab)
    assert SESSION not in visitor.cookies
    assert not is_in(visitor)


def test_a_passkey_without_user_verification_does_not_sign_in_alone(lab: Lab, key: Authenticator) -> None:
    key.verifies_user = False
    visitor = lab.visitor()
    assert visitor.use_passkey(key).status_code == 403
    assert not is_in(visitor)


def test_the_first_passkey_brings_recovery_codes_and_the_second_leaves_them(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    page = visitor.add_passkey(Authenticator())
    codes = re.findall(r"<li><code>([a-z2-7-]+)</code></li>", page.text)
    assert len(codes) == 10
    assert visitor.add_passkey(Authenticator()).headers["location"] == "/account"
    other = with_password(lab)
    other.get("/auth/factor")
    other.follow(other.send("/auth/factor", code=codes[0]))
    assert is_in(other)


def test_passkeys_have_names_are_listed_and_removed_one_by_one(lab: Lab, key: Authenticator) -> None:
    visitor = lab.visitor()
    visitor.follow(visitor.use_passkey(key))
    second = Authenticator()
    lab.now += 1
    visitor.add_passkey(second, label="blue <b>key</b>\x07")
    assert "blue &lt;b&gt;key&lt;/b&gt;" in visitor.get("/account").text
    first, other = list_factors(lab.store, "alice")
    visitor.post("/account/passkeys/rename", **visitor.hidden("/auth/logout"), factor=first.id, label="old key")
    assert [factor.label for factor in list_factors(lab.store, "alice")] == ["old key", "blue <b>key</b>"]
    visitor.get("/account")
    visitor.post("/account/factors/remove", **visitor.hidden("/auth/logout"), factor=other.id)
    assert [factor.id for factor in list_factors(lab.store, "alice")] == [first.id]
    assert lab.visitor().use_passkey(second).status_code == 403
    assert lab.visitor().use_passkey(key).status_code == 303


def test_with_the_last_factor_the_recovery_codes_go_and_the_operator_can_remove_all(
    lab: Lab, key: Authenticator
) -> None:
    visitor = lab.visitor()
    visitor.follow(visitor.use_passkey(key))
    visitor.add_totp()
    app = next(factor for factor in list_factors(lab.store, "alice") if factor.kind == "totp")
    visitor.get("/account")
    visitor.post("/account/factors/remove", **visitor.hidden("/auth/logout"), factor=app.id)
    assert "10 recovery codes left" in visitor.get("/account").text
    (left,) = list_factors(lab.store, "alice")
    visitor.post("/account/factors/remove", **visitor.hidden("/auth/logout"), factor=left.id)
    assert "0 recovery codes left" in visitor.get("/account").text
    visitor.add_passkey(Authenticator())
    assert remove_all_factors(lab.store, "alice", now=lab.now) == 1
    assert lab.visitor().sign_in().headers["location"] == "/account"


@pytest.mark.parametrize("path", ["/account/passkeys/add", "/account/passkeys/rename"])
def test_passkeys_change_only_after_a_login_of_the_last_ten_minutes(lab: Lab, path: str) -> None:
    """ID-75."""
    visitor, key = lab.visitor().signed_in(), Authenticator()
    visitor.get("/account/passkeys/add")
    answer = key.create(visitor.options())
    hidden = visitor.hidden("/account/passkeys/add")
    lab.now += 601
    late = visitor.post(path, **{**hidden, "answer": answer})
    assert (late.status_code, late.headers["location"]) == (303, "/auth/login")
    assert visitor.get("/account/passkeys/add").headers["location"] == "/auth/login"
    assert list_factors(lab.store, "alice") == []


def test_nobody_touches_another_users_passkey(lab: Lab, key: Authenticator) -> None:
    add_user(lab.store, "bob", now=lab.now, password=PASSWORD)
    bob = lab.visitor().signed_in(name="bob")
    (mine,) = list_factors(lab.store, "alice")
    for path in ("/account/passkeys/rename", "/account/factors/remove"):
        bob.get("/account")
        bob.post(path, **bob.hidden("/auth/logout"), factor=mine.id, label="bob was here")
    assert list_factors(lab.store, "alice") == [mine]
    # a credential belongs to one user
    assert "registered already" in bob.add_passkey(key).text
    assert list_factors(lab.store, "bob") == []


def test_bobs_passkey_is_no_second_factor_of_alice(lab: Lab, key: Authenticator) -> None:
    add_user(lab.store, "bob", now=lab.now, password=PASSWORD)
    bobs = Authenticator()
    lab.visitor().signed_in(name="bob").add_passkey(bobs)
    visitor = with_password(lab)
    assert visitor.use_passkey(bobs, "/auth/factor/passkey").status_code == 403
    bobs.user_handle = key.user_handle
    assert visitor.use_passkey(bobs, "/auth/factor/passkey").status_code == 403
    assert lab.visitor().use_passkey(bobs).status_code == 403
    assert not is_in(visitor)


LIES: dict[str, Callable[[Authenticator], None]] = {
    "another origin": lambda key: setattr(key, "origin", EVIL),
    "another port": lambda key: setattr(key, "origin", f"{ISSUER}:8443"),
    "plain http": lambda key: setattr(key, "origin", "http://issuer.example"),
    "another relying party": lambda key: setattr(key, "rp_id", "example"),
    "nobody there": lambda key: setattr(key, "is_present", False),
    "framed by another site": lambda key: key.client_data.update(crossOrigin=True),
    "framed, spelled otherwise": lambda key: key.client_data.update(crossOrigin=1),
    "another ceremony": lambda key: key.client_data.update(type="webauthn.create"),
    "another challenge": lambda key: key.client_data.update(challenge=b64(b"c" * 56)),
    "a short challenge": lambda key: key.client_data.update(challenge=b64(b"c" * 8)),
    "no challenge": lambda key: key.client_data.update(challenge=None),
    "another key": lambda key: setattr(key, "key", Authenticator().key),
    "another credential": lambda key: setattr(key, "credential_id", b"c" * 32),
    "another user": lambda key: setattr(key, "user_handle", b64(b"u" * 32)),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
@pytest.mark.parametrize("path", ["/auth/passkey", "/auth/factor/passkey"])
def test_an_answer_that_lies_opens_nothing(
    lab: Lab, key: Authenticator, lie: Callable[[Authenticator], None], path: str
) -> None:
    lie(key)
    visitor = with_password(lab)
    assert visitor.use_passkey(key, path).status_code == 403
    assert not is_in(visitor)


REGISTRATION_LIES = {
    name: lie
    for name, lie in LIES.items()
    if name not in {"another ceremony", "another key", "another credential", "another user"}
}


@pytest.mark.parametrize("lie", REGISTRATION_LIES.values(), ids=REGISTRATION_LIES)
def test_a_registration_that_lies_adds_nothing(lab: Lab, lie: Callable[[Authenticator], None]) -> None:
    visitor, key = lab.visitor().signed_in(), Authenticator()
    lie(key)
    assert visitor.add_passkey(key).status_code == 400
    assert list_factors(lab.store, "alice") == []


def test_a_user_is_named_by_a_passkey_that_signs_in_alone(lab: Lab, key: Authenticator) -> None:
    key.user_handle = None
    assert lab.visitor().use_passkey(key).status_code == 403
    visitor = with_password(lab)
    assert visitor.use_passkey(key, "/auth/factor/passkey").status_code == 303


def test_an_answer_counts_once_in_its_own_browser_and_for_ten_minutes(lab: Lab, key: Authenticator) -> None:
    visitor, thief = lab.visitor(), lab.visitor()
    visitor.get("/auth/passkey")
    answer = key.get(visitor.options())
    thief.get("/auth/passkey")
    assert thief.send("/auth/passkey", answer=answer).status_code == 403
    visitor.send("/auth/passkey", answer=answer)
    assert is_in(visitor)
    visitor.get("/auth/passkey")
    assert visitor.send("/auth/passkey", answer=answer).status_code == 403
    late = lab.visitor()
    late.get("/auth/passkey")
    answer = key.get(late.options())
    lab.now += 600
    assert late.send("/auth/passkey", answer=answer).status_code == 403
    assert not is_in(late)


def test_a_challenge_is_good_for_one_use_alone(lab: Lab, key: Authenticator) -> None:
    visitor = with_password(lab)
    visitor.get("/auth/factor/passkey")
    answer = key.get(visitor.options())
    visitor.get("/auth/passkey")
    assert visitor.send("/auth/passkey", answer=answer).status_code == 403
    visitor.get("/auth/passkey")
    answer = key.get(visitor.options())
    visitor.get("/auth/factor/passkey")
    assert visitor.send("/auth/factor/passkey", answer=answer).status_code == 403
    assert not is_in(visitor)


def test_a_wrong_answer_spends_its_challenge(lab: Lab, key: Authenticator) -> None:
    visitor = lab.visitor()
    visitor.get("/auth/passkey")
    options = visitor.options()
    key.origin = EVIL
    assert visitor.send("/auth/passkey", answer=key.get(options)).status_code == 403
    key.origin = ISSUER
    assert visitor.send("/auth/passkey", answer=key.get(options)).status_code == 403
    assert not is_in(visitor)


def test_challenges_are_long_random_and_cost_no_row(lab: Lab) -> None:
    with lab.store.begin() as connection:
        before = connection.exec_driver_sql("SELECT count(*) FROM single_use").scalar()
    found = set()
    for _ in range(20):
        visitor = lab.visitor()
        visitor.get("/auth/passkey")
        found.add(visitor.options()["challenge"])
    assert len(found) == 20
    assert {len(challenge) >= 43 for challenge in found} == {True}
    with lab.store.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM single_use").scalar() == before


def test_eight_answers_to_one_challenge_have_one_winner(lab: Lab, key: Authenticator) -> None:
    from doorward.identity.factors.passkeys import Passkeys, RelyingParty

    passkeys = Passkeys(_secret(), RelyingParty(id="issuer.example", origin=ISSUER))
    asked = Asked(use="sign_in", visit="v" * 64)
    verifier = _verifier(lab)
    for _ in range(10):
        answer = read_answer(key.get(json.loads(passkeys.authentication_options(asked, now=lab.now))))
        barrier = threading.Barrier(8)

        def once(answer: Any = answer, barrier: threading.Barrier = barrier) -> bool:
            barrier.wait()
            found = verifier.passkey(passkeys, answer, asked, address="192.0.2.1", now=lab.now)
            return isinstance(found, Proved)

        with ThreadPoolExecutor(8) as pool:
            assert sum(future.result() for future in [pool.submit(once) for _ in range(8)]) == 1


def test_a_counter_that_does_not_grow_is_told_and_lets_its_user_in(lab: Lab, key: Authenticator) -> None:
    assert lab.visitor().use_passkey(key).status_code == 303
    assert lab.visitor().use_passkey(key).status_code == 303
    assert "passkey.counter" not in kinds(lab)
    key.count = 0
    visitor = lab.visitor()
    visitor.follow(visitor.use_passkey(key))
    assert is_in(visitor)
    assert kinds(lab).count("passkey.counter") == 1


def test_a_passkey_that_does_not_count_is_no_event(lab: Lab, key: Authenticator) -> None:
    for _ in range(2):
        key.count = -1
        assert lab.visitor().use_passkey(key).status_code == 303
    assert "passkey.counter" not in kinds(lab)


def test_a_disabled_user_does_not_get_in(lab: Lab, key: Authenticator) -> None:
    disable_user(lab.store, "alice", now=lab.now)
    visitor = lab.visitor()
    assert visitor.use_passkey(key).status_code == 403
    assert not is_in(visitor)


def test_who_guesses_passwords_does_not_keep_a_passkey_out(lab: Lab, key: Authenticator) -> None:
    for number in range(95):
        lab.now += 3_600
        lab.visitor(address=f"198.51.100.{number}").sign_in(f"guess number {number}")
    visitor = lab.visitor()
    visitor.follow(visitor.use_passkey(key))
    assert is_in(visitor)
    assert lab.visitor().sign_in().headers["location"] == "/auth/factor/passkey"


def test_failures_of_a_passkey_are_counted_and_slowed_down(lab: Lab, key: Authenticator) -> None:
    """ID-68: all paths count together."""
    key.verifies_user = False
    visitor = lab.visitor()
    answers = [visitor.use_passkey(key).status_code for _ in range(6)]
    assert answers == [403] * 5 + [429]


HOSTILE = {
    "nothing": "",
    "no JSON": "{",
    "a list": "[]",
    "a number": "7",
    "twice": '{"id": "x", "id": "y"}',
    "empty": "{}",
    "no response": '{"id": "x", "rawId": "x", "type": "public-key"}',
    "a text": '{"id": "x", "rawId": "x", "type": "public-key", "response": "x"}',
    "numbers": '{"id": 1, "rawId": 2, "type": 3, "response": {"clientDataJSON": 4}}',
    "no base64": '{"id": "x", "rawId": "\\u00e9!", "type": "public-key", "response": {"clientDataJSON": "*"}}',
    "deep": '{"response":' * 500 + "1" + "}" * 500,
    "long": '{"x": "' + "x" * 6_000 + '"}',
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_answer_is_refused(lab: Lab, answer: str) -> None:
    visitor = lab.visitor().signed_in()
    visitor.get("/account/passkeys/add")
    assert visitor.send("/account/passkeys/add", answer=answer).status_code in {400, 413}
    visitor.get("/auth/passkey")
    assert visitor.send("/auth/passkey", answer=answer).status_code in {403, 413}


def _spoiled(answer: str, member: str, number: int) -> str:
    document = json.loads(answer)
    text = document["response"][member]
    at = number * len(text) // 40
    document["response"][member] = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
    return json.dumps(document)


@pytest.mark.parametrize("member", ["clientDataJSON", "authenticatorData", "signature"])
def test_an_answer_with_one_character_changed_opens_nothing(lab: Lab, key: Authenticator, member: str) -> None:
    for number in range(0, 40, 3):
        lab.now += 3_600  # or what slows guesses down would answer
        visitor = lab.visitor(address=f"198.51.100.{number}")
        visitor.get("/auth/passkey")
        answer = _spoiled(key.get(visitor.options()), member, number)
        assert visitor.send("/auth/passkey", answer=answer).status_code == 403
        assert not is_in(visitor)


def test_a_registration_with_one_character_changed_breaks_nothing(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    for number in range(40):
        visitor.get("/account/passkeys/add")
        answer = _spoiled(Authenticator().create(visitor.options()), "attestationObject", number)
        assert visitor.send("/account/passkeys/add", answer=answer).status_code in {200, 303, 400}


def test_a_passkey_page_runs_our_file_alone_and_no_password_is_typed_on_it(lab: Lab, key: Authenticator) -> None:
    visitor = with_password(lab)
    pages = [visitor.get("/auth/factor/passkey"), visitor.get("/auth/passkey")]
    visitor.follow(visitor.use_passkey(key))
    pages.append(visitor.get("/account/passkeys/add"))
    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert re.findall(r"<script[^>]*>", page.text) == ['<script src="/auth/passkey.js" defer>']
        assert 'type="password"' not in page.text
        assert not re.search(r"\son\w+=|style=", page.text)
    script = visitor.get("/auth/passkey.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "innerHTML" not in script.text


def test_where_passkeys_belong_comes_from_the_policy_alone(lab: Lab) -> None:
    """Zitadel CVE-2025-64101."""
    visitor = lab.visitor(
        **{"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    )
    visitor.get("/auth/passkey")
    assert visitor.options()["rpId"] == "issuer.example"


def test_without_a_name_there_are_no_passkeys(store: Store) -> None:
    lab = Lab(store, issuer="https://192.0.2.80:8444")
    visitor = lab.visitor()
    assert "passkey" not in visitor.get("/auth/login").text
    assert visitor.get("/auth/passkey").headers["location"] == "/auth/login"
    visitor.signed_in()
    assert "passkeys/add" not in visitor.get("/account").text
    assert visitor.get("/account/passkeys/add").headers["location"] == "/auth/login"


def test_a_waiting_request_goes_on_after_a_passkey(lab: Lab, key: Authenticator) -> None:
    visitor = lab.visitor()
    asked = visitor.ask_authorization()
    page = visitor.get(asked.headers["location"])
    link = re.search(r'href="(/auth/passkey\?tx=[^"]+)"', page.text)
    assert link is not None
    page = visitor.get(link[1])
    assert "form-action 'self' https://app.example" in page.headers["content-security-policy"]
    answer = visitor.follow(visitor.send("/auth/passkey", answer=key.get(visitor.options())))
    assert "asks for access as" in answer.text


def test_a_user_has_up_to_twenty_passkeys(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    answers: list[httpx.Response] = [visitor.add_passkey(Authenticator()) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [200, *[303] * 19, 400]
    assert len(list_factors(lab.store, "alice")) == 20


def _secret() -> Any:
    from tests.identity.lab import SECRET

    return SECRET


def _verifier(lab: Lab) -> Any:
    from doorward.identity.credentials import Verifier

    return Verifier(lab.store, _secret())


def reset_link(lab: Lab, visitor: Visitor) -> str:
    ticket = make_reset(lab.store, "alice", now=lab.now)
    page = visitor.get("/auth/reset", ticket=ticket)
    assert "Use a passkey instead of a code" in page.text
    return ticket


def test_a_passkey_is_the_second_factor_of_a_new_password(lab: Lab, key: Authenticator) -> None:
    """ID-72: its user may have no recovery code left."""
    visitor = lab.visitor()
    ticket = reset_link(lab, visitor)
    shown = visitor.use_passkey(key, "/auth/reset/passkey", ticket=ticket)
    assert "code" not in visitor.follow(shown).text.lower()
    assert "Password set" in visitor.send("/auth/reset", password=NEW).text
    assert lab.visitor().sign_in(NEW).headers["location"] == "/auth/factor/passkey"
    assert "void" in lab.visitor().get("/auth/reset", ticket=ticket).text


def test_a_passkey_shown_for_a_new_password_counts_in_its_browser_alone(lab: Lab, key: Authenticator) -> None:
    """ID-72."""
    visitor, thief = lab.visitor(), lab.visitor()
    shown = visitor.use_passkey(key, "/auth/reset/passkey", ticket=reset_link(lab, visitor))
    place = shown.headers["location"]
    thief.get(place)
    assert thief.send("/auth/reset", password=NEW).status_code == 400
    lab.now += 600
    assert "void" in visitor.get(place).text


def test_another_users_passkey_or_an_answer_to_something_else_sets_no_password(lab: Lab, key: Authenticator) -> None:
    """ID-72."""
    add_user(lab.store, "bob", now=lab.now, password=PASSWORD)
    bobs = Authenticator()
    lab.visitor().signed_in(name="bob").add_passkey(bobs)
    visitor = lab.visitor()
    ticket = reset_link(lab, visitor)
    assert visitor.use_passkey(bobs, "/auth/reset/passkey", ticket=ticket).status_code == 403
    visitor.get("/auth/passkey")
    answer = key.get(visitor.options())
    visitor.get("/auth/reset/passkey", ticket=ticket)
    assert visitor.send("/auth/reset/passkey", answer=answer).status_code == 403
    visitor.get("/auth/reset", ticket=ticket)
    assert visitor.send("/auth/reset", password=NEW).status_code == 400
    assert lab.visitor().sign_in(NEW).status_code == 403
