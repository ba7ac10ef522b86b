from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from doorward.attack.case import Ask
from doorward.controls.authorize import (
    AuthorizePolicy,
    compile_check,
    roles_granting,
    unmatched_grants,
    unmatched_owners,
)
from doorward.controls.authorize.attacks import ATTACKS
from doorward.controls.authorize.grant import Grant
from doorward.controls.authorize.owner import require_owner
from doorward.denial import DENIALS, Denied
from doorward.exchange import Caller, Exchange, Headers, Request, Source
from doorward.operation import Operation, SecurityScheme

OAUTH = SecurityScheme(name="oauth", kind="oauth2")
ROLES = {"reader": ("GET *",), "clerk": ("GET /orders/*", "POST /orders"), "admin": ("*",)}


def operation(method: str = "GET", template: str = "/orders", scopes: tuple[str, ...] | None = None) -> Operation:
    security = () if scopes is None else ({OAUTH: scopes},)
    return Operation(
        id=f"{method} {template}", method=method, path=f"/v1{template}", template=template, security=security
    )


def caller(
    *roles: str, scopes: tuple[str, ...] = (), claims: Mapping[str, object] | None = None, subject: str = "alice"
) -> Caller:
    return Caller(
        subject=subject, kind="user", issuer="i", roles=frozenset(roles), scopes=frozenset(scopes), claims=claims or {}
    )


def ask(
    policy: AuthorizePolicy,
    op: Operation,
    who: Caller | None,
    *,
    demanded: tuple[frozenset[str], ...] | None = (),
    **path_values: str,
) -> Denied | None:
    request = Request(op.method, b"/", b"/", b"", Headers([]))
    exchange = Exchange(
        id="0" * 32, now=0.0, ticks=0.0, source=Source(address=""), request=request, path_values=path_values
    )
    exchange.caller, exchange.scopes_demanded = who, demanded
    try:
        compile_check(op, policy)(exchange)
    except Denied as denied:
        return denied
    return None


def code(*args: Any, **kwargs: Any) -> str | None:
    denied = ask(*args, **kwargs)
    return None if denied is None else denied.code


# -- roles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grant", "method", "template", "covers"),
    [
        ("*", "DELETE", "/orders/{id}", True),
        ("GET *", "GET", "/", True),
        ("GET *", "POST", "/orders", False),
        ("GET *", "HEAD", "/orders", False),
        ("POST /orders", "POST", "/orders", True),
        ("POST /orders", "POST", "/orders/{id}", False),
        ("POST /orders", "POST", "/ordersx", False),
        ("GET /orders/*", "GET", "/orders/{id}", True),
        ("GET /orders/*", "GET", "/orders/{id}/items", True),
        ("GET /orders/*", "GET", "/orders", False),
        ("GET /orders/*", "GET", "/orders-archive/{id}", False),
        ("GET /orders/{id}", "GET", "/orders/{order_id}", True),
        ("GET /orders/{id}", "GET", "/orders/latest", False),
        ("GET /orders/{id}/*", "GET", "/orders/{x}/items", True),
    ],
)
def test_a_grant_covers_what_it_says(grant: str, method: str, template: str, covers: bool) -> None:
    assert Grant.parse(grant).covers(operation(method, template)) is covers


@pytest.mark.parametrize("who", [caller("reader"), caller("nobody", "reader"), caller("admin")])
def test_a_caller_with_a_role_that_grants_it_may(who: Caller) -> None:
    assert code(AuthorizePolicy(roles=ROLES), operation(), who) is None


@pytest.mark.parametrize("who", [caller(), caller("clerk"), caller("Reader"), caller("*"), None])
def test_everybody_else_may_not(who: Caller | None) -> None:
    assert code(AuthorizePolicy(roles=ROLES), operation(), who) == "authorize.role"


def test_without_roles_nobody_may_do_anything() -> None:
    assert code(AuthorizePolicy(), operation(), caller("admin")) == "authorize.role"


def test_the_roles_of_an_operation_are_told() -> None:
    assert roles_granting(operation("POST"), AuthorizePolicy(roles=ROLES)) == {"clerk", "admin"}


# -- scopes --------------------------------------------------------------------------------------------------------

READ, WRITE = frozenset({"read"}), frozenset({"write"})


@pytest.mark.parametrize(
    ("demanded", "held", "passes"),
    [
        ((READ,), ("read",), True),
        ((READ,), ("write",), False),
        ((READ | WRITE,), ("read",), False),
        ((READ, WRITE), ("write",), True),
        ((frozenset(),), (), True),
        ((), ("read",), False),
        (None, ("read",), False),
        (None, ("read", "write"), True),
    ],
)
def test_one_set_of_demanded_scopes_must_be_granted(
    demanded: tuple[frozenset[str], ...] | None, held: tuple[str, ...], passes: bool
) -> None:
    policy = AuthorizePolicy(roles=ROLES)
    op = operation(scopes=("read", "write"))
    found = code(policy, op, caller("reader", scopes=held), demanded=demanded)
    assert found == (None if passes else "authorize.scope")


def test_a_missing_scope_is_named_in_the_challenge() -> None:
    op = operation(scopes=("read", 'odd"scope'))
    denied = ask(AuthorizePolicy(roles=ROLES), op, caller("reader"), demanded=(frozenset({"read", 'odd"scope'}),))
    assert denied is not None
    assert denied.headers == ((b"www-authenticate", b'Bearer error="insufficient_scope", scope="read"'),)


# -- owners --------------------------------------------------------------------------------------------------------

OWNERS: dict[str, Any] = {"/accounts/{account_id}": "caller.account_id"}
POLICY = AuthorizePolicy(roles={"reader": ("*",), "auditor": ("*",)}, owners=OWNERS)
ALICE = caller("reader", claims={"account_id": "a-1"})


@pytest.mark.parametrize("template", ["/accounts/{account_id}", "/accounts/{account_id}/transfers"])
def test_a_caller_reaches_its_own_object_and_what_is_below(template: str) -> None:
    assert code(POLICY, operation("GET", template), ALICE, account_id="a-1") is None


@pytest.mark.parametrize("account_id", ["b-2", "A-1", "a-1 ", "a-10", ""])
def test_every_other_object_seems_not_to_exist(account_id: str) -> None:
    denied = ask(POLICY, operation("GET", "/accounts/{account_id}/transfers"), ALICE, account_id=account_id)
    assert denied is not None
    assert (denied.code, denied.denial.status) == ("authorize.owner", 404)


def test_a_parameter_of_another_name_at_the_same_place_is_guarded_too() -> None:
    op = operation("GET", "/accounts/{id}/cards")
    assert code(POLICY, op, ALICE, id="b-2") == "authorize.owner"
    assert code(POLICY, op, ALICE, id="a-1") is None


@pytest.mark.parametrize("template", ["/accounts", "/accounts/search", "/accounts-old/{account_id}", "/x/accounts/{a}"])
def test_a_rule_is_for_its_own_paths_only(template: str) -> None:
    assert code(POLICY, operation("GET", template), caller("reader")) is None


def test_an_id_that_cannot_be_found_is_a_denial() -> None:
    assert code(POLICY, operation("GET", "/accounts/{account_id}"), ALICE) == "authorize.owner"


@pytest.mark.parametrize("claims", [{}, {"account_id": None}, {"account_id": {"a-1": 1}}, {"account_id": True}])
def test_a_caller_without_a_usable_claim_owns_nothing(claims: dict[str, object]) -> None:
    who = caller("reader", claims=claims)
    assert code(POLICY, operation("GET", "/accounts/{account_id}"), who, account_id="a-1") == "authorize.owner"


@pytest.mark.parametrize(
    ("object_id", "owned", "owns"),
    [
        ("a-1", ["b-2", "a-1"], True),
        ("c-3", ["b-2", "a-1"], False),
        ("7", 7, True),
        ("07", 7, False),
        ("7", [7, "8"], True),
        ("1", True, False),
        ("1", [True], False),
        ("a", "abc", False),
        ("", "", False),
        ("", [""], False),
        ("None", None, False),
    ],
)
def test_ownership_is_equality_with_a_text_a_number_or_one_of_a_list(object_id: str, owned: object, owns: bool) -> None:
    if owns:
        require_owner(object_id, owned)
        return
    with pytest.raises(Denied):
        require_owner(object_id, owned)


def test_the_subject_and_claims_inside_objects_can_own() -> None:
    owners = {"/users/{id}": "caller.subject", "/shops/{id}": "caller.shop.id"}
    policy = AuthorizePolicy(roles={"reader": ("*",)}, owners=owners)
    who = caller("reader", claims={"shop": {"id": "s-1"}, "subject": "bob"})
    assert code(policy, operation("GET", "/users/{id}"), who, id="alice") is None
    assert code(policy, operation("GET", "/users/{id}"), who, id="bob") == "authorize.owner"
    assert code(policy, operation("GET", "/shops/{id}"), who, id="s-1") is None


def test_exempt_roles_reach_everybodys_objects() -> None:
    owners = {"/accounts/{id}": {"claim": "caller.account_id", "except_roles": ["auditor"]}}
    policy = AuthorizePolicy.model_validate({"roles": POLICY.roles, "owners": owners})
    op = operation("GET", "/accounts/{id}")
    assert code(policy, op, caller("auditor"), id="b-2") is None
    assert code(policy, op, ALICE, id="b-2") == "authorize.owner"


def test_every_rule_on_the_way_must_agree() -> None:
    owners = {**OWNERS, "/accounts/{account_id}/cards/{card}": "caller.cards"}
    policy = AuthorizePolicy(roles=POLICY.roles, owners=owners)
    op = operation("GET", "/accounts/{account_id}/cards/{card}")
    who = caller("reader", claims={"account_id": "a-1", "cards": ["c-1"]})
    assert code(policy, op, who, account_id="a-1", card="c-1") is None
    assert code(policy, op, who, account_id="a-1", card="c-2") == "authorize.owner"
    assert code(policy, op, who, account_id="b-2", card="c-1") == "authorize.owner"


# -- the policy ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "hint"),
    [
        ({"roles": {"r": ["GTE *"]}}, "did you mean GET"),
        ({"roles": {"r": ["get /orders"]}}, "did you mean GET"),
        ({"roles": {"r": ["GET"]}}, "path template"),
        ({"roles": {"r": ["GET orders"]}}, "path template"),
        ({"roles": {"r": ["GET /or*ers"]}}, "path template"),
        ({"roles": {"r": ["GET /a /b"]}}, "path template"),
        ({"roles": {"r": ["* /orders"]}}, "not a method"),
        ({"owners": {"/accounts": "caller.id"}}, "ends with the id"),
        ({"owners": {"/accounts/{id}/x": "caller.id"}}, "ends with the id"),
        ({"owners": {"/accounts/{id}": "account_id"}}, "caller"),
        (
            {"roles": {"admin": ["*"]}, "owners": {"/a/{id}": {"claim": "caller.x", "except_roles": ["amdin"]}}},
            "did you mean 'admin'",
        ),
        ({"owners": {"/a/{id}": {"claim": "caller.x", "unless": []}}}, "unless"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(policy: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        AuthorizePolicy.model_validate(policy)


def test_grants_and_rules_that_fit_no_operation_are_found() -> None:
    policy = AuthorizePolicy(
        roles={"r": ("GET /orders", "GET /oders")}, owners={"/orders/{id}": "caller.x", "/oders/{id}": "caller.x"}
    )
    operations = [operation("GET", "/orders"), operation("GET", "/orders/{id}")]
    assert unmatched_grants(policy, operations) == [("r", "GET /oders")]
    assert unmatched_owners(policy, operations) == ["/oders/{id}"]


# -- attacks -------------------------------------------------------------------------------------------------------


class Described:
    """An API with one operation of each kind; the path value is the target's last segment."""

    def privileged(self, who: str) -> Ask:
        return Ask(method="DELETE", target="/orders", who=who)  # type: ignore[arg-type]

    def scoped(self, *, has_scope: bool) -> Ask:
        return Ask(target="/scoped", who="reader" if has_scope else "writer")

    def owned(self, *, own: bool) -> Ask:
        return Ask(target=f"/accounts/{'a-1' if own else 'b-2'}?full=1", who="reader")


# A page's origin is looked at when a WebSocket is opened (tests/gateway/test_websocket.py), properties when the body is
# there (tests/controls/authorize/test_properties.py), as are ids in it (test_places.py), GraphQL requests when they are
# parsed (tests/controls/validate).
DECIDED_HERE = [
    attack
    for attack in ATTACKS
    if attack.earns not in {"authorize.origin", "authorize.property", "authorize.operation"}
    and attack.id not in {"authorize.another_object_named", "authorize.another_object_argument"}
]


@pytest.mark.parametrize("attack", DECIDED_HERE, ids=lambda attack: attack.id)
def test_an_attack_earns_its_code_and_its_twin_passes(attack: Any) -> None:
    from urllib.parse import unquote

    roles = {"reader": ("GET *",), "writer": ("GET *",), "admin": ("*",)}
    policy = AuthorizePolicy(roles=roles, owners=OWNERS)

    def answer(asked: Ask) -> str | None:
        path = unquote(asked.target.partition("?")[0])
        claims = {"account_id": "a-1"}
        who = caller(asked.who, scopes=("s",) if asked.who == "reader" else (), claims=claims)
        if path.startswith("/accounts/"):
            op = operation(asked.method, "/accounts/{account_id}")
            return code(policy, op, who, account_id=path.rpartition("/")[2])
        op = operation(asked.method, path, ("s",) if path == "/scoped" else None)
        return code(policy, op, who, demanded=(frozenset({"s"}),))

    assert answer(attack.send(Described())) == attack.earns
    assert answer(attack.twin(Described())) is None


@pytest.mark.parametrize("name", [name for name in DENIALS if name.startswith("authorize.")])
def test_every_code_of_this_control_has_an_attack(name: str) -> None:
    assert any(attack.earns == name for attack in ATTACKS)
