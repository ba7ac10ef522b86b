"""Logins at another provider: A8 of the reference, and attacks of its section 9 from the relying party's side."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml
from pydantic import ValidationError
from tests.identity.federation.provider import CLIENT, SECRET, OtherProvider, outbound, running
from tests.identity.lab import Lab, Visitor, sent_back

from doorward.identity.events import events_of
from doorward.identity.federation.links import add_link, links_of
from doorward.identity.federation.policy import FederationPolicy
from doorward.identity.users import add_user, disable_user, get_user
from doorward.jose import generate_key
from doorward.policy.issuer import IssuerSettings
from doorward.store import Store

CALLBACK = "/auth/external/corp/callback"


class World:
    """The lab's provider as a client of another."""

    def __init__(self, store: Store, directory: Path) -> None:
        self.lab, self.directory = Lab(store), directory
        (directory / "secret").write_text(f"{SECRET}\n")
        self.others: list[FederationPolicy] = []
        self.lab.settings = replace(self.lab.settings, outbound=outbound, federation=lambda: tuple(self.others))
        self.lab.app = self.lab.made_app()

    def believe(self, other: OtherProvider, name: str = "corp", **more: Any) -> None:
        self.others.append(
            FederationPolicy(
                name=name,
                title=f"The {name}",
                issuer=other.issuer,
                client_id=CLIENT,
                client_secret_file=str(self.directory / "secret"),
                **more,
            )
        )

    def begin(self, visitor: Visitor, name: str = "corp", **fields: str) -> str:
        answer = visitor.get(f"/auth/external/{name}", **fields)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def link(self, user: str = "alice", subject: str = "ext-1") -> None:
        with self.lab.store.begin() as connection:
            assert add_link(connection, self.others[0].issuer, subject, user, now=self.lab.now)


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    return World(store, tmp_path)


@pytest.fixture
def other(world: World) -> Iterator[OtherProvider]:
    with running(lambda: world.lab.now) as found:
        world.believe(found)
        yield found


def is_in(visitor: Visitor, answer: httpx.Response) -> bool:
    return "Your account" in visitor.follow(answer).text


def test_a_linked_account_leads_in_and_on_to_the_client_that_waits(world: World, other: OtherProvider) -> None:
    world.link()
    visitor = world.lab.visitor()
    page = visitor.follow(visitor.ask_authorization("own"))
    assert "Sign in with The corp" in page.text
    tx = visitor.hidden("/auth/login")["tx"]
    back = other.login(world.begin(visitor, tx=tx))
    answer = visitor.get(CALLBACK, **back)
    code = sent_back(visitor.follow(answer))["code"]
    assert world.lab.redeem(code, "own").status_code == 200
    (event,) = [found for found in events_of(world.lab.store, "alice") if found.kind == "login.ok"]
    assert event.detail["amr"] == ["fed"]


def test_who_is_not_linked_gets_no_account_and_no_session_whatever_they_are_called(
    world: World, other: OtherProvider
) -> None:
    visitor = world.lab.visitor()
    claims = {"preferred_username": "alice", "email": "alice@example.com", "email_verified": True}
    answer = visitor.get(CALLBACK, **other.login(world.begin(visitor), "alice", **claims))
    assert "not linked" in answer.text
    assert not is_in(visitor, visitor.get("/account"))


def test_a_user_links_an_account_elsewhere_after_a_fresh_login_and_can_take_it_back(
    world: World, other: OtherProvider
) -> None:
    visitor = world.lab.visitor().signed_in()
    visitor.get("/account")
    page = visitor.send("/account/external/corp")
    location = page.text.partition('href="https://127.0.0.1')[2].partition('"')[0].replace("&amp;", "&")
    answer = visitor.get(CALLBACK, **other.login(f"https://127.0.0.1{location}"))
    assert is_in(visitor, answer)
    stranger = world.lab.visitor()
    assert is_in(stranger, stranger.get(CALLBACK, **other.login(world.begin(stranger))))
    visitor.get("/account")
    visitor.send("/account/external")
    with world.lab.store.begin() as connection:
        assert links_of(connection, "alice") == []
    stranger = world.lab.visitor()
    assert not is_in(stranger, stranger.get(CALLBACK, **other.login(world.begin(stranger))))


def linking(world: World, visitor: Visitor) -> str:
    visitor.get("/account")
    page = visitor.send("/account/external/corp")
    return "https://127.0.0.1" + page.text.partition('href="https://127.0.0.1')[2].partition('"')[0].replace(
        "&amp;", "&"
    )


def test_a_link_goes_to_the_session_that_began_it_and_to_nobody_elses(world: World, other: OtherProvider) -> None:
    """Keycloak CVE-2026-9087."""
    add_user(world.lab.store, "bob", now=world.lab.now, password="correct horse battery staple")
    visitor = world.lab.visitor().signed_in()
    back = other.login(linking(world, visitor))
    visitor.get("/account")
    visitor.send("/auth/logout")
    visitor.page = None
    visitor.follow(visitor.sign_in(name="bob"))
    assert "Sign in again" in visitor.get(CALLBACK, **back).text
    with world.lab.store.begin() as connection:
        assert links_of(connection, "bob") == links_of(connection, "alice") == []


def test_a_link_needs_a_fresh_login_at_both_ends(world: World, other: OtherProvider) -> None:
    """ID-75."""
    visitor = world.lab.visitor().signed_in()
    world.lab.now += 500
    back = other.login(linking(world, visitor))
    world.lab.now += 101
    assert "Sign in again" in visitor.get(CALLBACK, **back).text
    with world.lab.store.begin() as connection:
        assert links_of(connection, "alice") == []
    visitor.get("/account")
    assert visitor.send("/account/external/corp").headers["location"] == "/auth/login"


def test_an_account_elsewhere_is_one_users_alone(world: World, other: OtherProvider) -> None:
    add_user(world.lab.store, "bob", now=world.lab.now)
    world.link("bob")
    visitor = world.lab.visitor().signed_in()
    assert "linked already" in visitor.get(CALLBACK, **other.login(linking(world, visitor))).text


def test_of_many_who_link_one_account_at_once_one_has_it(world: World, other: OtherProvider) -> None:
    names = [f"user-{number}" for number in range(8)]
    for name in names:
        add_user(world.lab.store, name, now=world.lab.now)

    def link(name: str) -> bool:
        with world.lab.store.begin() as connection:
            return add_link(connection, other.issuer, "ext-1", name, now=world.lab.now)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(link, names)) == 1


@pytest.mark.parametrize("fields", [{"prompt": "login"}, {"max_age": "30"}, {"max_age": "0"}], ids=str)
def test_an_old_session_elsewhere_is_not_the_login_that_a_client_asked_for(
    world: World, other: OtherProvider, fields: dict[str, str]
) -> None:
    """ID-58: the client would hear of a login that never was."""
    world.link()
    said: tuple[Any, ...] = (None, True, "now", world.lab.now - 3_600, world.lab.now - 91)
    for auth_time in said:
        visitor = world.lab.visitor()
        tx = parse_qs(urlsplit(visitor.ask_authorization("own", **fields).headers["location"]).query)["tx"][0]
        location = world.begin(visitor, tx=tx)
        asked = parse_qs(urlsplit(location).query)
        assert asked["max_age"] == [fields.get("max_age", "0")]
        assert asked.get("prompt") == (None if fields == {"max_age": "30"} else ["login"])
        answer = visitor.get(CALLBACK, **other.login(location, auth_time=auth_time))
        assert answer.status_code == 400, auth_time
        assert not is_in(visitor, visitor.get("/account"))
        back = other.login(world.begin(visitor, tx=tx), auth_time=world.lab.now)
        assert "code" in sent_back(visitor.follow(visitor.get(CALLBACK, **back)))


def test_a_disabled_user_is_not_let_in_from_elsewhere(world: World, other: OtherProvider) -> None:
    world.link()
    disable_user(world.lab.store, "alice", now=world.lab.now)
    visitor = world.lab.visitor()
    assert not is_in(visitor, visitor.get(CALLBACK, **other.login(world.begin(visitor))))


def test_a_login_elsewhere_never_stands_for_the_second_factor(world: World, other: OtherProvider) -> None:
    """ID-78."""
    owner = world.lab.visitor().signed_in()
    seed, _ = owner.add_totp()
    world.link()
    visitor = world.lab.visitor()
    answer = visitor.get(CALLBACK, **other.login(world.begin(visitor), amr=["mfa"]))
    assert answer.headers["location"] == "/auth/factor"
    assert not is_in(visitor, visitor.get("/account"))
    visitor.get("/auth/factor")
    from doorward.identity.factors.totp import hotp, step_at

    assert is_in(visitor, visitor.send("/auth/factor", code=hotp(seed, step_at(world.lab.now))))
    newest = next(found for found in events_of(world.lab.store, "alice") if found.kind == "login.ok")
    assert newest.detail["amr"] == ["fed", "otp", "mfa"]


WRONG_TOKENS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://other.example"},
    "another client": {"aud": "somebody"},
    "two clients, no azp": {"aud": [CLIENT, "somebody"]},
    "two clients, another azp": {"aud": [CLIENT, "somebody"], "azp": "somebody"},
    "another login": {"nonce": "n"},
    "no nonce": {"nonce": None},
    "no subject": {"sub": None},
    "expired": {"exp": 1_700_000_000},
    "from the future": {"iat": 1_900_000_000},
}


@pytest.mark.parametrize("changed", WRONG_TOKENS.values(), ids=WRONG_TOKENS.keys())
def test_an_id_token_that_answers_something_else_lets_nobody_in(
    world: World, other: OtherProvider, changed: dict[str, Any]
) -> None:
    world.link()
    visitor = world.lab.visitor()
    other.changed = changed
    answer = visitor.get(CALLBACK, **other.login(world.begin(visitor)))
    assert "did not sign you in" in answer.text
    assert not is_in(visitor, visitor.get("/account"))
    other.changed = {}
    assert is_in(visitor, visitor.get(CALLBACK, **other.login(world.begin(visitor))))


@pytest.mark.parametrize("how", ["another key", "another type", "an algorithm not pinned"])
def test_an_id_token_that_is_signed_or_typed_otherwise_lets_nobody_in(
    world: World, other: OtherProvider, how: str
) -> None:
    world.link()
    if how == "another key":
        other.signs_with = generate_key("ES256")
    elif how == "another type":
        other.typ = "at+jwt"
    else:
        world.others[0] = world.others[0].model_copy(update={"algorithms": ("ES256",)})
        other.keys = [other.key, generate_key("EdDSA")]
        other.signs_with = other.keys[1]
    visitor = world.lab.visitor()
    assert "did not sign you in" in visitor.get(CALLBACK, **other.login(world.begin(visitor))).text


def test_an_answer_is_good_once_in_its_browser_and_for_ten_minutes(world: World, other: OtherProvider) -> None:
    """State fixation: a stranger's answer brought into somebody's browser signs nobody in."""
    world.link()
    victim, attacker = world.lab.visitor(), world.lab.visitor()
    victim.get("/auth/login")
    assert "another browser" in victim.get(CALLBACK, **other.login(world.begin(attacker))).text
    late = other.login(world.begin(victim))
    world.lab.now += 601
    assert "too old" in victim.get(CALLBACK, **late).text
    back = other.login(world.begin(victim))
    assert is_in(victim, victim.get(CALLBACK, **back))
    assert "too old" in victim.get(CALLBACK, **back).text
    for state in ("", "x" * 43):
        assert "too old" in victim.get(CALLBACK, **(back | {"state": state})).text


def test_an_answer_of_one_provider_is_never_taken_for_anothers(world: World, other: OtherProvider) -> None:
    """Mix-up: RFC 9207, RFC 9700 section 4.4."""
    world.link()
    visitor = world.lab.visitor()
    with running(lambda: world.lab.now) as evil:
        world.believe(evil, "evil")
        back = other.login(world.begin(visitor))
        assert "began in another browser" in visitor.get("/auth/external/evil/callback", **back).text
        back = other.login(world.begin(visitor))
        for wrong in (evil.issuer, f"{other.issuer}/", None):
            back = other.login(world.begin(visitor))
            fields = {name: value for name, value in (back | {"iss": wrong}).items() if value is not None}
            assert "did not sign you in" in visitor.get(CALLBACK, **fields).text
        assert "/token" not in evil.asked + other.asked, "no code went to anybody"


def test_a_provider_that_promises_no_iss_may_leave_it_out_and_never_lie(world: World, other: OtherProvider) -> None:
    world.link()
    del other.metadata["authorization_response_iss_parameter_supported"]
    visitor = world.lab.visitor()
    back = other.login(world.begin(visitor)) | {"iss": "https://evil.example"}
    assert "did not sign you in" in visitor.get(CALLBACK, **back).text
    back = other.login(world.begin(visitor))
    del back["iss"]
    assert is_in(visitor, visitor.get(CALLBACK, **back))


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://127.0.0.1/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "https://user@evil.example/"},
        {"authorization_endpoint": "https://[evil/"},
        {"token_endpoint": "https://evil.example:99999/"},
        {"jwks_uri": None},
    ],
    ids=[
        "another issuer",
        "no issuer",
        "plain http",
        "a script",
        "user information",
        "no address",
        "no port",
        "no keys",
    ],
)
def test_metadata_of_another_issuer_or_without_https_are_not_believed(
    world: World, other: OtherProvider, changed: dict[str, Any]
) -> None:
    other.metadata |= changed
    answer = world.lab.visitor().get("/auth/external/corp")
    assert (answer.status_code, "location" in answer.headers) == (502, False)


def test_an_address_inside_is_not_asked_unless_the_operator_allows_it(world: World, other: OtherProvider) -> None:
    from doorward.outbound import OutboundClient

    world.lab.settings = replace(world.lab.settings, outbound=OutboundClient)
    world.lab.app = world.lab.made_app()
    assert world.lab.visitor().get("/auth/external/corp").status_code == 502
    assert other.asked == []


def test_a_parameter_that_comes_twice_and_a_code_that_is_missing_are_refused(
    world: World, other: OtherProvider
) -> None:
    visitor = world.lab.visitor()
    back = other.login(world.begin(visitor))
    twice = "&".join(f"{name}={value}" for name, value in (*back.items(), ("code", "c")))
    assert visitor.get(f"{CALLBACK}?{twice}").status_code == 400
    assert "did not sign you in" in visitor.get(CALLBACK, **{**back, "code": ""}).text
    refused = other.login(world.begin(visitor)) | {"error": "access_denied"}
    assert "did not sign you in" in visitor.get(CALLBACK, **refused).text
    assert "/token" not in other.asked


def test_its_keys_are_fetched_for_an_unknown_kid_once_a_minute_at_most(world: World, other: OtherProvider) -> None:
    """ID-31."""
    world.link()
    visitor = world.lab.visitor()
    assert is_in(visitor, visitor.get(CALLBACK, **other.login(world.begin(visitor))))
    other.signs_with = new = generate_key("ES256")
    other.keys.append(new)
    for _ in range(3):
        assert "did not" in visitor.get(CALLBACK, **other.login(world.begin(visitor))).text
    assert other.asked.count("/jwks") == 1
    world.lab.now += 60
    assert is_in(visitor, visitor.get(CALLBACK, **other.login(world.begin(visitor))))
    assert other.asked.count("/jwks") == 2


def test_its_keys_are_fetched_hourly(world: World, other: OtherProvider) -> None:
    world.link()
    for waited, fetched in ((0, 1), (3_599, 1), (1, 2)):
        world.lab.now += waited
        visitor = world.lab.visitor()
        assert is_in(visitor, visitor.get(CALLBACK, **other.login(world.begin(visitor))))
        assert other.asked.count("/jwks") == fetched


@pytest.mark.parametrize("how", ["in the form", "not at all"])
def test_the_secret_is_sent_as_the_policy_says(world: World, other: OtherProvider, how: str) -> None:
    world.link()
    changed = {"authentication": "client_secret_post"} if how == "in the form" else {"client_secret_file": None}
    world.others[0] = world.others[0].model_copy(update=changed)
    visitor = world.lab.visitor()
    assert "did not" in visitor.get(CALLBACK, **other.login(world.begin(visitor))).text
    other.takes_secret = how
    assert is_in(visitor, visitor.get(CALLBACK, **other.login(world.begin(visitor))))


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\xff\xfe", b"x" * 1_025], ids=["empty", "a line's end", "no text", "long"]
)
def test_without_its_secret_no_code_is_sent_anywhere(world: World, other: OtherProvider, content: bytes) -> None:
    world.link()
    visitor = world.lab.visitor()
    (world.directory / "secret").write_bytes(content)
    assert "did not sign you in" in visitor.get(CALLBACK, **other.login(world.begin(visitor))).text
    (world.directory / "secret").unlink()
    assert "did not sign you in" in visitor.get(CALLBACK, **other.login(world.begin(visitor))).text
    assert "/token" not in other.asked


def test_a_user_links_up_to_twenty_accounts_elsewhere(world: World, other: OtherProvider) -> None:
    for number in range(20):
        world.link(subject=f"ext-{number}")
    with world.lab.store.begin() as connection:
        assert not add_link(connection, other.issuer, "ext-20", "alice", now=world.lab.now)


def test_neither_state_nor_verifier_nor_nonce_can_be_read_from_the_store(world: World, other: OtherProvider) -> None:
    from sqlalchemy import select

    from doorward.store.tables.spending import single_use

    asked = dict(pair.split("=", 1) for pair in world.begin(world.lab.visitor()).partition("?")[2].split("&"))
    with world.lab.store.begin() as connection:
        row = connection.execute(select(single_use).where(single_use.c.purpose == "external_login")).one()
    text = repr(tuple(row))
    assert asked["state"] not in text
    assert asked["nonce"] not in text
    assert row.hash == hashlib.sha256(asked["state"].encode()).hexdigest()


@pytest.fixture
def making(world: World) -> Iterator[OtherProvider]:
    with running(lambda: world.lab.now) as found:
        world.believe(
            found,
            accounts="created",
            roles={"clerk": "reader"},
            default_roles=["guest"],
            claims={"account_id": "account"},
        )
        yield found


def arrive(world: World, other: OtherProvider, subject: str = "ext-9", **claims: Any) -> tuple[Visitor, httpx.Response]:
    visitor = world.lab.visitor()
    return visitor, visitor.get(CALLBACK, **other.login(world.begin(visitor), subject, **claims))


def test_an_account_is_made_with_the_roles_and_claims_of_the_allow_lists_and_follows_them(
    world: World, making: OtherProvider
) -> None:
    claims: dict[str, Any] = {
        "preferred_username": "carol",
        "account": "a-9",
        "roles": ["clerk", "admin"],
        "is_admin": "yes",
    }
    assert is_in(*arrive(world, making, **claims))
    carol = get_user(world.lab.store, "carol")
    assert (carol.roles, carol.claims, carol.has_password) == (("guest", "reader"), {"account_id": "a-9"}, False)
    assert is_in(*arrive(world, making, preferred_username="mallory", account="a-9", roles="admin"))
    assert get_user(world.lab.store, "carol").roles == ("guest",), (
        "what is gone there is gone here, under the same name"
    )


@pytest.mark.parametrize(
    "claims",
    [{"preferred_username": "alice"}, {"preferred_username": "web"}, {"preferred_username": "a b"}, {}],
    ids=["a user's name", "a client's name", "no name", "nothing"],
)
def test_no_account_is_made_under_a_name_that_is_taken_or_none(
    world: World, making: OtherProvider, claims: dict[str, Any]
) -> None:
    visitor, answer = arrive(world, making, **claims)
    assert "not linked" in answer.text
    assert not is_in(visitor, visitor.get("/account"))
    with world.lab.store.begin() as connection:
        assert links_of(connection, "alice") == []


def test_a_disabled_account_is_not_made_again(world: World, making: OtherProvider) -> None:
    arrive(world, making, preferred_username="carol")
    disable_user(world.lab.store, "carol", now=world.lab.now)
    visitor, answer = arrive(world, making, preferred_username="carol-2")
    assert "not linked" in answer.text
    assert not is_in(visitor, visitor.get("/account"))


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "http://corp.example"},
        {"issuer": "https://corp.example/?x"},
        {"name": "../x"},
        {"scopes": ["profile"]},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"accounts": "matched-by-email"},
    ],
    ids=str,
)
def test_what_would_be_unsafe_cannot_be_written(changed: dict[str, Any]) -> None:
    good = {"name": "corp", "title": "Corp", "issuer": "https://corp.example", "client_id": "doorward"}
    FederationPolicy.model_validate(good)
    with pytest.raises(ValidationError):
        FederationPolicy.model_validate(good | changed)


def test_the_example_of_the_documentation_is_a_policy() -> None:
    text = (Path(__file__).parents[3] / "docs" / "federation.md").read_text()
    example = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    settings = IssuerSettings.model_validate(example["issuer"])
    assert settings.federation[0].accounts == "created"


def test_two_providers_of_one_name_or_issuer_cannot_be_written() -> None:
    one = {"name": "a", "title": "A", "issuer": "https://a.example", "client_id": "x"}
    for other in (one | {"name": "b"}, one | {"issuer": "https://b.example"}):
        with pytest.raises(ValidationError, match="the same"):
            IssuerSettings.model_validate({"federation": [one, other]})
