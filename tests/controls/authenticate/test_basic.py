import base64
from typing import Any

import pytest

from doorward.controls.authenticate import compile_check, takes_secrets
from doorward.errors import PolicyError
from doorward.operation import Operation, SecurityScheme

SECRET = "k" * 52
BASIC = SecurityScheme(name="basic", kind="http", http_scheme="basic")
BEARER = SecurityScheme(name="bearer", kind="http", http_scheme="bearer")
KEY = SecurityScheme(name="key", kind="apiKey", location="header", parameter="X-Api-Key")


def shown(name: str = "batch", secret: str = SECRET) -> tuple[str, str]:
    return ("Authorization", "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode())


@pytest.fixture
def machine(door: Any) -> Any:
    door.security = ({BASIC: ()},)
    door.credentials.apply(door.data(clients=[door.client_record(SECRET)]))
    return door


def test_a_client_is_proved_by_its_secret(machine: Any) -> None:
    caller = machine.ask(shown()).caller
    assert (caller.subject, caller.kind, caller.issuer) == ("batch", "client", machine.ISSUER)
    assert (caller.roles, caller.scopes) == ({"reader"}, {"orders:read"})
    assert caller.claims == {"account_id": "a-1"}


def test_the_scheme_is_read_whatever_its_case(machine: Any) -> None:
    name, value = shown()
    assert machine.ask((name, value.replace("Basic", "bAsIc"))).caller.subject == "batch"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("batch", SECRET[:-1]),
        ("batch", SECRET + "k"),
        ("batch", ""),
        ("", SECRET),
        ("", ""),
        ("other", SECRET),
        ("Batch", SECRET),
        ("batch ", SECRET),
        ("bätch", SECRET),
        ("a" * 500, SECRET),
    ],
)
def test_another_name_or_secret_opens_nothing(machine: Any, name: str, secret: str) -> None:
    assert machine.code(shown(name, secret)) == "authenticate.basic"


@pytest.mark.parametrize("value", ["", "!", "YQ", "YmF0Y2g=", "YmF0Y2g6a2s=\t", "=" * 8, "é", "YmF0 Y2g6"])
def test_what_is_no_name_and_secret_opens_nothing(machine: Any, value: str) -> None:
    assert machine.code(("Authorization", f"Basic {value}")) == "authenticate.basic"


def test_a_disabled_client_is_refused(machine: Any) -> None:
    machine.credentials.apply(machine.data(clients=[machine.client_record(SECRET, disabled=True)]))
    assert machine.code(shown()) == "authenticate.basic"
    machine.credentials.apply(machine.data())
    assert machine.code(shown()) == "authenticate.basic"


def test_a_secret_in_the_clear_is_refused_and_not_looked_at(machine: Any) -> None:
    right, wrong = (machine.denied(shown(secret=secret), scheme="http") for secret in (SECRET, "wrong"))
    assert (right.code, right.detail, right.headers) == (wrong.code, wrong.detail, wrong.headers)
    assert right.code == "authenticate.basic"


def test_the_challenge_names_the_scheme_and_tells_nothing(machine: Any) -> None:
    challenge = ((b"www-authenticate", b'Basic realm="api", charset="UTF-8"'),)
    missing, wrong = machine.denied(), machine.denied(shown(secret="wrong"))
    assert (missing.code, missing.headers) == ("authenticate.missing", challenge)
    assert (wrong.code, wrong.headers) == ("authenticate.basic", challenge)
    assert "wrong" not in wrong.detail.replace("wrong secret", "")


def test_a_token_or_a_secret_may_be_taken_and_each_is_named(machine: Any) -> None:
    machine.security = ({BEARER: ()}, {BASIC: ()})
    assert machine.ask(shown()).caller.subject == "batch"
    assert machine.ask(machine.bearer()).caller.subject == "alice"
    assert machine.code(shown(secret="wrong")) == "authenticate.basic"
    assert [value.split(b" ")[0] for _, value in machine.denied().headers] == [b"Bearer", b"Basic"]


def test_a_wrong_secret_is_a_denial_even_beside_a_good_key(machine: Any) -> None:
    machine.security = ({KEY: ()}, {BASIC: ()})
    assert machine.ask(("X-Api-Key", machine.API_KEY)).caller.subject == "partner"
    assert machine.code(("X-Api-Key", machine.API_KEY), shown(secret="wrong")) == "authenticate.basic"


def test_an_operation_that_takes_tokens_only_takes_no_secret(machine: Any) -> None:
    machine.security = ({BEARER: ()},)
    assert machine.code(shown()) == "authenticate.missing"
    assert not takes_secrets(Operation(id="o", method="GET", path="/", template="/", security=machine.security))


def test_two_credentials_of_one_field_cannot_both_be_demanded(machine: Any) -> None:
    operation = Operation(id="o", method="GET", path="/", template="/", security=({BEARER: (), BASIC: ()},))
    with pytest.raises(PolicyError, match="cannot check"):
        compile_check(operation, machine.policy, machine.credentials)


def test_a_secret_and_a_key_must_be_of_one_caller(machine: Any) -> None:
    machine.security = ({KEY: (), BASIC: ()},)
    both = (("X-Api-Key", machine.API_KEY), shown())
    assert machine.code(*both) == "authenticate.token_claims"
    machine.credentials.apply(
        machine.data(clients=[machine.client_record(SECRET)], api_keys=[machine.key_record(subject="batch")])
    )
    assert machine.ask(*both).caller.subject == "batch"
    assert machine.code(shown()) == "authenticate.missing"
