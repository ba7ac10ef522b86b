import gc
from typing import Any

import pytest

from doorward.controls.authenticate import Credentials, compile_check
from doorward.denial import Denied
from doorward.jose import generate_key
from doorward.operation import Operation


def test_a_valid_token_proves_its_caller(door: Any) -> None:
    caller = door.ask(
        door.bearer(roles=["reader"], scope="orders:read orders:write", account_id="a-1", client_id="web")
    ).caller
    assert (caller.subject, caller.kind, caller.issuer) == ("alice", "user", door.ISSUER)
    assert caller.roles == {"reader"}
    assert caller.scopes == {"orders:read", "orders:write"}
    assert caller.claims["account_id"] == "a-1"
    assert (caller.credential_id, caller.expires_at) == ("t-1", door.NOW + 600)


def test_a_client_that_calls_in_its_own_name_is_a_client(door: Any) -> None:
    assert door.ask(door.bearer(sub="batch", client_id="batch")).caller.kind == "client"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_ignores_case_and_more_spaces(door: Any, scheme: str) -> None:
    assert door.ask(("Authorization", f"{scheme} {door.token()} ")).caller.subject == "alice"


@pytest.mark.parametrize("headers", [[], [("Authorization", "Basic YTpi")], [("Authorization", "Bearer")]])
def test_a_request_without_a_credential_is_challenged(door: Any, headers: list[tuple[str, str]]) -> None:
    denied = door.denied(*headers)
    assert denied.code == "authenticate.missing"
    assert denied.headers == ((b"www-authenticate", b'Bearer realm="api"'),)


def test_a_wrong_token_is_challenged_with_one_text_for_every_reason(door: Any) -> None:
    challenges = {door.denied(door.bearer(exp=1)).headers, door.denied(("Authorization", "Bearer x")).headers}
    assert challenges == {((b"www-authenticate", b'Bearer realm="api", error="invalid_token"'),)}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "https://attacker.example"}, "token_claims"),
        ({"iss": None}, "token_claims"),
        ({"aud": "other"}, "token_claims"),
        ({"nonce": "n"}, "token_claims"),
        ({"at_hash": "h"}, "token_claims"),
        ({"events": {}}, "token_claims"),
        ({"jti": 5}, "token_claims"),
        ({"jti": "a\0b"}, "token_claims"),
        ({"client_id": ["a"]}, "token_claims"),
        ({"typ": "JWE"}, None),
        ({"exp": 1}, "token_time"),
    ],
)
def test_claims_decide(door: Any, changes: dict[str, object], code: str | None) -> None:
    token = door.token(**{name: value for name, value in changes.items() if name != "typ"})
    if code is None:
        assert door.ask(door.bearer(token))
    else:
        assert door.code(door.bearer(token)) == f"authenticate.{code}"


def test_a_key_nobody_published_is_refused(door: Any) -> None:
    assert door.code(door.bearer(door.token(generate_key("ES256")))) == "authenticate.token_key"


def test_a_key_of_an_algorithm_the_issuer_may_not_use_is_refused(door: Any) -> None:
    door.use_issuer(algorithms=("EdDSA",))
    assert door.code(door.bearer()) == "authenticate.token_algorithm"


def test_types_are_those_of_the_policy(door: Any) -> None:
    door.use_issuer(token_types=("at+jwt",))
    assert door.code(door.bearer(door.token(typ="JWT"))) == "authenticate.token_claims"
    assert door.ask(door.bearer())


def test_roles_and_scopes_may_lie_deeper_or_in_lists(door: Any) -> None:
    door.use_issuer(roles_claim="realm_access.roles", scopes_claim="scp")
    caller = door.ask(door.bearer(realm_access={"roles": ["admin", 5]}, scp=["a", "b"])).caller
    assert (caller.roles, caller.scopes) == ({"admin"}, {"a", "b"})


@pytest.mark.parametrize("roles", [None, 5, {"admin": True}, [["admin"]], {"roles": "admin"}])
def test_roles_in_an_unknown_form_grant_nothing(door: Any, roles: object) -> None:
    assert door.ask(door.bearer(roles=roles)).caller.roles == frozenset()


def test_a_claim_whose_name_has_dots_is_found_by_it(door: Any) -> None:
    door.use_issuer(roles_claim="https://example.com/roles")
    assert door.ask(door.bearer(**{"https://example.com/roles": ["admin"]})).caller.roles == {"admin"}


@pytest.mark.parametrize("issuers", [{}, {"https://issuer.example": []}])
def test_an_issuer_without_keys_is_unavailable_and_never_a_pass(door: Any, issuers: dict[str, Any]) -> None:
    door.credentials.apply(door.data(issuers=issuers))
    denied = door.denied(door.bearer())
    assert (denied.code, denied.denial.status) == ("authenticate.unavailable", 503)
    assert denied.headers[0][0] == b"retry-after"


def test_a_weak_key_of_an_issuer_is_left_out_and_told(door: Any) -> None:
    bad = {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}
    door.credentials.apply(door.data(issuers={door.ISSUER: [bad, door.KEY.public.jwk()]}))
    assert door.ask(door.bearer())
    assert len(door.credentials.unusable_keys) == 1


# -- the cache -----------------------------------------------------------------------------------------------------


def test_a_remembered_token_is_the_same_caller(door: Any) -> None:
    header = door.bearer()
    assert door.ask(header).caller is door.ask(header).caller


def test_a_remembered_token_expires(door: Any) -> None:
    header = door.bearer()
    door.ask(header)
    assert door.ask(header, now=door.NOW + 659.9)
    assert door.code(header, now=door.NOW + 660) == "authenticate.token_time"


@pytest.mark.parametrize(
    "revoked", [("token", "t-1"), ("subject", "alice"), ("client", "web"), ("key", None)], ids=lambda pair: pair[0]
)
def test_a_remembered_token_ends_with_its_revocation(door: Any, revoked: tuple[str, str | None]) -> None:
    header = door.bearer(client_id="web")
    door.ask(header)
    kind, name = revoked
    door.credentials.apply(door.data(revoked=[(kind, door.ISSUER, name or door.KEY.id)]))
    assert door.code(header) == "authenticate.token_revoked"


def test_a_fresh_token_that_is_revoked_is_refused_too(door: Any) -> None:
    door.credentials.apply(door.data(revoked=[("token", door.ISSUER, "t-1")]))
    assert door.code(door.bearer()) == "authenticate.token_revoked"
    assert door.ask(door.bearer(jti="t-2"))


def test_a_revocation_at_another_issuer_says_nothing(door: Any) -> None:
    door.credentials.apply(door.data(revoked=[("subject", "https://other.example", "alice")]))
    assert door.ask(door.bearer())


def test_a_revocation_that_is_taken_back_counts_no_more(door: Any) -> None:
    door.credentials.apply(door.data(revoked=[("subject", door.ISSUER, "alice")]))
    door.credentials.apply(door.data())
    assert door.ask(door.bearer())


def test_a_key_rotated_out_ends_remembered_tokens(door: Any) -> None:
    header = door.bearer()
    door.ask(header)
    door.credentials.apply(door.data(issuers={door.ISSUER: [generate_key("ES256").public.jwk()]}))
    assert door.code(header) == "authenticate.token_key"


def test_a_key_replaced_under_its_old_id_ends_remembered_tokens(door: Any) -> None:
    header = door.bearer()
    door.ask(header)
    replaced = generate_key("ES256").public.jwk() | {"kid": door.KEY.id}
    door.credentials.apply(door.data(issuers={door.ISSUER: [replaced]}))
    assert door.code(header) == "authenticate.token_signature"


def test_data_of_a_wrong_form_changes_nothing(door: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        door.credentials.apply({"issuers": {}, "api_keys": [{}], "revoked": []})
    assert door.ask(door.bearer())


def test_what_one_policy_accepted_says_nothing_under_another(door: Any) -> None:
    header = door.bearer()
    door.ask(header)
    door.use_issuer(audience="another-api")
    assert door.code(header) == "authenticate.token_claims"


def test_no_more_tokens_are_remembered_than_the_policy_says(door: Any) -> None:
    door.policy = door.policy.model_copy(update={"token_cache_count": 2})
    for number in range(5):
        door.ask(door.bearer(jti=f"t-{number}"))
    assert len(door.credentials.cache_for(door.policy)) == 2


def test_the_token_used_last_is_remembered_longest(door: Any) -> None:
    door.policy = door.policy.model_copy(update={"token_cache_count": 2})
    often, rarely, new = (door.bearer(jti=name) for name in ("often", "rarely", "new"))
    kept = door.ask(often).caller
    door.ask(rarely)
    door.ask(often)
    door.ask(new)
    assert door.ask(often).caller is kept


def test_without_a_cache_every_token_is_checked_anew(door: Any) -> None:
    door.policy = door.policy.model_copy(update={"token_cache_count": 0})
    header = door.bearer()
    assert door.ask(header).caller is not door.ask(header).caller


def test_what_was_remembered_goes_with_the_last_plan_that_used_it(door: Any) -> None:
    plan = compile_check(Operation(id="o", method="GET", path="/x", template="/x"), door.policy, door.credentials)
    plan(door.exchange(door.bearer()))
    assert len(door.credentials.cache_for(door.policy)) == 1
    del plan
    gc.collect()
    assert len(door.credentials.cache_for(door.policy)) == 0


def test_a_refused_token_is_not_remembered(door: Any) -> None:
    for _ in range(3):
        door.code(door.bearer(exp=1))
    assert len(door.credentials.cache_for(door.policy)) == 0


def test_plans_compiled_before_see_new_credentials(door: Any) -> None:
    credentials = Credentials.from_data(door.data(issuers={}))
    check = compile_check(Operation(id="o", method="GET", path="/x", template="/x"), door.policy, credentials)
    with pytest.raises(Denied):
        check(door.exchange(door.bearer()))
    credentials.apply(door.data())
    check(door.exchange(door.bearer()))
