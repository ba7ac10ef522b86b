"""Tokens that an issuer is asked about: an issuer by hand, which answers when the test says so."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from doorward.controls.authenticate import IssuerPolicy, compile_check
from doorward.controls.authenticate.introspection import REFUSED_MOST, Answer
from doorward.controls.authenticate.policy import AuthenticatePolicy, IntrospectionPolicy
from doorward.denial import Denied
from doorward.exchange import Caller, Check, Exchange, Pending
from doorward.operation import Operation

ISSUER = "https://opaque.example"
TOKEN = "op_2YotnFZFEjr1zCsicMWpAA"
SETTINGS: dict[str, Any] = {"endpoint": f"{ISSUER}/introspect", "client_id": "gateway", "secret_file": "secret"}


class Desk:
    """An issuer that is asked; a test answers."""

    def __init__(self, door: Any, **settings: Any) -> None:
        self.door = door
        self.asked: list[str] = []
        self.waiting: list[Callable[[Answer], None]] = []
        self.at: float = door.NOW
        issuer = IssuerPolicy(
            issuer=ISSUER, audience="api", introspection=IntrospectionPolicy(**{**SETTINGS, **settings})
        )
        door.policy = door.policy.model_copy(update={"issuers": (*door.policy.issuers, issuer)})
        door.credentials.introspector = self
        self.check: Check = compile_check(
            Operation(id="read", method="GET", path="/x", template="/x"), door.policy, door.credentials
        )

    def ask(self, issuer: IssuerPolicy, token: str, done: Callable[[Answer], None]) -> None:
        assert issuer.issuer == ISSUER
        self.asked.append(token)
        self.waiting.append(done)

    def claims(self, **changes: Any) -> dict[str, Any]:
        usual = {
            "active": True,
            "sub": "alice",
            "aud": "api",
            "scope": "read write",
            "roles": ["reader"],
            "client_id": "web",
            "exp": int(self.door.NOW) + 600,
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def answer(self, body: bytes | None = None, problem: str = "", **changes: Any) -> None:
        found = json.dumps(self.claims(**changes)).encode() if body is None else body
        for done in self.waiting[:]:
            self.waiting.remove(done)
            done(Answer(body=b"" if problem else found, problem=problem, at=self.at))

    def begin(self, token: str = TOKEN, *, now: float | None = None, **more: Any) -> "Visit":
        return Visit(self, self.door.exchange(("Authorization", f"Bearer {token}"), now=now or self.at, **more))


class Visit:
    """A request, checked as a mount does it: again, once what it waits for is there."""

    def __init__(self, desk: Desk, exchange: Exchange) -> None:
        self._check, self.exchange = desk.check, exchange
        self.code: str | None = None
        self.detail = ""
        self.is_waiting = False
        self.run()

    def run(self) -> None:
        self.is_waiting = False
        try:
            self._check(self.exchange)
        except Pending as pending:
            self.is_waiting = True
            pending.ask(self.run)
        except Denied as denied:
            self.code, self.detail = denied.code.removeprefix("authenticate."), denied.detail

    @property
    def caller(self) -> Caller:
        assert (self.code, self.is_waiting) == (None, False), self.detail
        assert self.exchange.caller is not None
        return self.exchange.caller


@pytest.fixture
def desk(door: Any) -> Desk:
    return Desk(door)


def test_what_the_issuer_says_of_a_token_is_who_calls(desk: Desk) -> None:
    visit = desk.begin()
    assert visit.is_waiting
    desk.answer()
    caller = visit.caller
    assert (caller.subject, caller.kind, caller.issuer) == ("alice", "user", ISSUER)
    assert caller.roles == {"reader"}
    assert caller.scopes == {"read", "write"}
    assert "active" not in caller.claims
    assert desk.asked == [TOKEN]


def test_each_token_is_asked_about_once_at_a_time_and_all_who_wait_get_the_answer(desk: Desk) -> None:
    visits = [desk.begin(now=desk.door.NOW + number / 10) for number in range(5)]
    other = desk.begin(TOKEN + "other")
    desk.at += 2
    desk.answer()
    assert desk.asked == [TOKEN, TOKEN + "other"]
    assert {visit.caller.subject for visit in (*visits, other)} == {"alice"}


def test_an_answer_counts_for_as_long_as_the_policy_says_from_when_it_was_asked(desk: Desk) -> None:
    desk.begin()
    desk.at += 2  # the answer takes its time
    desk.answer()
    assert desk.begin(now=desk.door.NOW + 10).caller.subject
    late = desk.begin(now=desk.door.NOW + 10.1)
    assert late.is_waiting
    desk.at += 9
    desk.answer(active=False)
    assert late.code == "token_inactive"


def test_an_answer_never_counts_longer_than_the_token(desk: Desk) -> None:
    desk.begin()
    desk.answer(exp=int(desk.door.NOW) + 3)
    assert desk.begin(now=desk.door.NOW + 3).caller.subject
    assert desk.begin(now=desk.door.NOW + 3.1).is_waiting


def test_an_issuer_that_changes_its_mind_is_believed_each_time(desk: Desk) -> None:
    for number, active in enumerate((True, False, True, False)):
        desk.at = desk.door.NOW + number * 20
        visit = desk.begin()
        desk.answer(active=active)
        assert (visit.code is None) == active


def test_that_a_token_is_none_is_remembered_for_five_seconds(desk: Desk) -> None:
    desk.begin()
    desk.answer(b'{"active":false}')
    assert desk.begin(now=desk.door.NOW + 5).code == "token_inactive"
    assert desk.asked == [TOKEN]
    assert desk.begin(now=desk.door.NOW + 5.1).is_waiting


def test_a_flood_of_made_up_tokens_pushes_no_good_one_out(desk: Desk) -> None:
    desk.begin()
    desk.answer()
    for number in range(REFUSED_MOST + 10):
        desk.begin(f"op_made_up_{number}")
        desk.answer(b'{"active":false}')
    asked = len(desk.asked)
    assert desk.begin().caller.subject
    assert len(desk.asked) == asked
    assert desk.begin("op_made_up_0").is_waiting, "those are forgotten first"


@pytest.mark.parametrize("problem", ["", "down"])
def test_a_clock_that_is_set_back_makes_nobody_ask_for_ever(desk: Desk, problem: str) -> None:
    first, second = desk.begin(), desk.begin(now=desk.door.NOW + 1)
    desk.at -= 3600
    desk.answer(problem=problem)
    assert len(desk.asked) == 1
    assert {first.code, second.code} == ({"unavailable"} if problem else {None})
    assert [first.is_waiting, second.is_waiting] == [False, False]
    # Nor does it count for the hour that comes again.
    assert desk.begin(now=desk.at + 10.1).is_waiting


def test_where_each_request_asks_those_who_wait_still_get_the_answer(door: Any) -> None:
    desk = Desk(door, cache_s=0)
    first, second = desk.begin(), desk.begin(now=door.NOW + 1)
    desk.at += 2
    desk.answer()
    assert first.caller.subject
    assert second.caller.subject
    assert desk.begin(now=door.NOW + 2.1).is_waiting


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"<html>",
        b"\xff",
        b'{"active":"true"}',
        b'{"active":1}',
        b'{"active":null}',
        b'{"active":[true]}',
        b'{"active":false,"active":true}',
        b'{"Active":true}',
        b'{"active":tru',
        b"[" * 10_000,
        b'{"active":true,"exp":NaN}',
    ],
)
def test_an_answer_that_says_neither_yes_nor_no_lets_nobody_in_and_is_not_remembered(desk: Desk, body: bytes) -> None:
    visit = desk.begin()
    desk.answer(body)
    assert visit.code == "unavailable"
    assert desk.begin(now=desk.at + 0.1).is_waiting


def test_an_issuer_that_cannot_be_asked_lets_nobody_in_and_all_who_wait_are_told_at_once(desk: Desk) -> None:
    visits = [desk.begin(now=desk.door.NOW + number / 10) for number in range(5)]
    desk.at += 2
    desk.answer(problem="it is silent")
    assert [visit.code for visit in visits] == ["unavailable"] * 5
    assert desk.asked == [TOKEN]
    again = desk.begin(now=desk.at + 0.1)
    desk.at += 0.2
    desk.answer()
    assert again.caller.subject


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"aud": "another"}, "token_claims"),
        ({"aud": None}, "token_claims"),
        ({"aud": []}, "token_claims"),
        ({"aud": ["another", 1, "api"]}, "token_claims"),
        ({"aud": {"api": 1}}, "token_claims"),
        ({"iss": "https://another.example"}, "token_claims"),
        ({"iss": 1}, "token_claims"),
        ({"sub": None}, "token_claims"),
        ({"sub": ""}, "token_claims"),
        ({"sub": 1}, "token_claims"),
        ({"sub": "a\nb"}, "token_claims"),
        ({"sub": "a" * 256}, "token_claims"),
        ({"token_type": "refresh_token"}, "token_claims"),
        ({"token_type": 1}, "token_claims"),
        ({"typ": "Refresh"}, "token_claims"),
        ({"typ": "ID"}, "token_claims"),
        ({"token_use": "refresh_token"}, "token_claims"),
        ({"nonce": "n"}, "token_claims"),
        ({"cnf": {"jwk": {}}}, "token_claims"),
        ({"client_id": 1}, "token_claims"),
        ({"exp": "2030"}, "token_time"),
        ({"exp": True}, "token_time"),
        ({"exp": -1}, "token_time"),
        ({"exp": 1_000_000_000}, "token_time"),
        ({"nbf": 1_800_000_061}, "token_time"),
        ({"iat": 1_800_000_061}, "token_time"),
    ],
)
def test_an_active_token_for_somebody_else_or_something_else_opens_nothing(
    desk: Desk, changes: dict[str, Any], code: str
) -> None:
    visit = desk.begin()
    desk.answer(**changes)
    assert visit.code == code


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["another", "api"]},
        {"iss": ISSUER},
        {"token_type": "Bearer", "typ": "Bearer", "token_use": "access_token"},
        {"exp": None},
        {"nbf": 1_800_000_060, "iat": 1_800_000_060},
        {"exp": 1_799_999_941},
        {"client_id": None},
    ],
)
def test_what_issuers_may_say_differently_is_taken(desk: Desk, changes: dict[str, Any]) -> None:
    visit = desk.begin()
    desk.answer(**changes)
    assert visit.caller.subject == "alice"


def test_an_answer_without_audience_is_taken_only_where_the_policy_says_so(door: Any) -> None:
    desk = Desk(door, insecure_no_audience=True)
    first = desk.begin()
    desk.answer(aud=None)
    assert first.caller.subject
    second = desk.begin(TOKEN + "b")
    desk.answer(aud="another")
    assert second.code == "token_claims", "one that is named must be ours all the same"


def test_roles_and_claims_go_through_the_issuers_allow_lists(door: Any) -> None:
    desk = Desk(door)
    issuer = door.policy.issuers[-1].model_copy(
        update={"roles": {"partner-clerk": "clerk"}, "claims": {"account_id": "org.account"}}
    )
    door.policy = door.policy.model_copy(update={"issuers": (issuer,)})
    desk.check = compile_check(
        Operation(id="read", method="GET", path="/x", template="/x"), door.policy, door.credentials
    )
    visit = desk.begin()
    desk.answer(roles=["partner-clerk", "admin"], org={"account": "a-1"}, account_id="forged")
    assert visit.caller.roles == {"clerk"}
    assert visit.caller.claims == {"account_id": "a-1"}


def test_a_revocation_here_ends_what_the_issuer_still_calls_active(desk: Desk) -> None:
    desk.begin()
    desk.answer()
    desk.door.credentials.apply(desk.door.data(revoked=[("subject", ISSUER, "alice")]))
    assert desk.begin().code == "token_revoked"


def test_a_bound_token_is_no_bearer_token(desk: Desk) -> None:
    visit = desk.begin()
    desk.answer(cnf={"x5t#S256": "a" * 43})
    assert visit.code == "certificate_missing"
    assert desk.begin(certificate="a" * 43).caller.subject
    other = desk.begin(TOKEN + "b")
    desk.answer(cnf={"jkt": "a" * 43})
    assert other.code == "proof_missing"


@pytest.mark.parametrize("token", ["", "op_ü", "op_a b", "op_a,b", "op_=a", 'op_"'])
def test_what_is_no_token_is_asked_about_nowhere(desk: Desk, token: str) -> None:
    assert desk.begin(token).code == "token_header"
    assert desk.asked == []


def test_a_token_that_is_too_long_is_asked_about_nowhere(desk: Desk) -> None:
    assert desk.begin("op_" + "a" * 8190).code == "token_size"
    assert desk.asked == []


def test_a_signed_token_is_proved_by_its_signature_and_nobody_is_asked(desk: Desk) -> None:
    assert desk.begin(desk.door.token()).caller.issuer == desk.door.ISSUER
    assert desk.asked == []


def test_an_issuer_that_is_asked_does_not_sign_unless_its_keys_are_said(desk: Desk) -> None:
    forged = desk.door.token(iss=ISSUER)
    assert desk.begin(forged).code == "token_claims"


def test_with_several_issuers_the_prefix_says_who_is_asked(door: Any) -> None:
    desk = Desk(door, prefix="op_")
    assert desk.begin("another_token").code == "token_size", "a token of nobody's is a bad JWT"
    assert desk.begin("op_a.b.c").is_waiting, "a prefix that fits leaves no doubt"
    assert desk.asked == ["op_a.b.c"]


def test_two_issuers_with_one_prefix_are_refused() -> None:
    issuers = [
        {"issuer": f"https://{name}.example", "audience": "api", "introspection": SETTINGS} for name in ("a", "b")
    ]
    with pytest.raises(ValueError, match="which issuer to ask"):
        AuthenticatePolicy.model_validate({"issuers": issuers})


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "http://opaque.example/"},
        {"endpoint": "https://user@opaque.example/"},
        {"secret_file": None},
        {"key_file": "key"},
        {"cache_s": 31},
        {"cache_s": -1},
        {"timeout_s": 11},
        {"prefix": "op_ "},
        {"client_id": ""},
        {"secret": "written here"},
    ],
)
def test_settings_that_could_not_hold_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        IntrospectionPolicy.model_validate({**SETTINGS, **change})


def test_without_anybody_who_asks_nobody_gets_in(door: Any) -> None:
    desk = Desk(door)
    door.credentials.introspector = None
    assert desk.begin().code == "unavailable"


def test_what_reloads_leave_behind_is_bounded(desk: Desk) -> None:
    issuer = desk.door.policy.issuers[-1]
    for number in range(20):
        other = issuer.model_copy(update={"audience": f"api-{number}"})
        desk.door.credentials.opaque_tokens(desk.door.policy.model_copy(update={"issuers": (other,)}))
    assert len(desk.door.credentials._opaque) == 4
    visit = desk.begin()
    desk.answer()
    assert visit.caller.subject == "alice", "plans of before go on"


def test_one_policy_has_one_memory_whatever_operation_asks(desk: Desk) -> None:
    desk.begin()
    desk.answer()
    desk.check = compile_check(
        Operation(id="other", method="GET", path="/y", template="/y"), desk.door.policy, desk.door.credentials
    )
    assert desk.begin().caller.subject
    assert desk.asked == [TOKEN]
