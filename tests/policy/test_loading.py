from pathlib import Path

import pytest

from doorward.errors import PolicyError, PolicyErrors
from doorward.policy.document import Policy
from doorward.policy.loading import load_policy

SMALLEST = "api: openapi.yaml\nupstream: http://127.0.0.1:8000\ninsecure_plain_http: true\n"


def load(directory: Path, text: str, **environment: str) -> Policy:
    path = directory / "doorward.yaml"
    path.write_text(text, "utf-8")
    return load_policy(path, environment)


def mistakes(directory: Path, text: str) -> list[PolicyError]:
    with pytest.raises(PolicyError) as refusal:
        load(directory, text)
    error = refusal.value
    return error.errors if isinstance(error, PolicyErrors) else [error]


def test_the_smallest_policy_loads_and_is_closed(tmp_path: Path) -> None:
    policy = load(tmp_path, SMALLEST)
    assert policy.api == tmp_path / "openapi.yaml"
    assert policy.state == tmp_path / ".doorward"
    assert (policy.roles, policy.public, policy.modes) == ({}, (), {})
    assert policy.listen == "127.0.0.1:8443"


def test_the_example_of_the_design_loads(tmp_path: Path) -> None:
    policy = load(
        tmp_path,
        SMALLEST
        + """\
issuers: [local, {issuer: "https://login.example.com/", audience: orders}]
roles:
  reader: [GET *]
  clerk: [GET *, POST /orders]
  admin: ["*"]
owners:
  /accounts/{account_id}: caller.account_id
limits: {per_caller: 600/minute, per_address: 1200/minute, quota: {reader: 10000/day}}
modes: {inspect: off}
""",
    )
    assert [issuer.issuer for issuer in policy.authenticate.issuers] == [
        policy.issuer.url,
        "https://login.example.com/",
    ]
    assert policy.authorize.roles["clerk"] == ("GET *", "POST /orders")
    assert policy.forward.upstream == "http://127.0.0.1:8000"
    assert policy.modes == {"inspect": "off"}, "YAML 1.1 would have made `off` a boolean"


@pytest.mark.parametrize(
    ("line", "key", "problem", "hint"),
    [
        ("issuer: {profile: fapi}", "issuer.profile", "`fapi` is not one of", "did you mean `fapi2`?"),
        ("upstrem: x", "upstrem", "is not a known key", "did you mean `upstream`?"),
        ("limits: {bdy_bytes: 10}", "limits.bdy_bytes", "is not a known key", "did you mean `body_bytes`?"),
        ("modes: {inspect: enforced}", "modes.inspect", "`enforced` is not one of", "did you mean `enforce`?"),
        ("modes: {limts: off}", "modes.limts", "`limts` is not one of", "did you mean `limits`?"),
        ("workers: two", "workers", "`two` is not a whole number", "expected a whole number"),
        ("workers: 0", "workers", "`0` is below 1", "Number of worker processes"),
        ("validate: {json_depth: 1000}", "validate.json_depth", "`1000` is above 200", "Deepest nesting"),
        ("roles: {reader: GET *}", "roles.reader", "`GET *` is not a list", "expected a list"),
        ("roles: [reader]", "roles", "a list is not a mapping", "expected a mapping"),
        ("roles: {reader: [GTE *]}", "roles", "'GTE' is not a method", ""),
        ("issuers: [locl]", "issuers[0]", "`locl` is not one of", "did you mean `local`?"),
        ("issuers: [{issuer: x}]", "issuers[0].audience", "is missing", ""),
        (
            "issuers: [{issuer: https://x, audience: y}, {issuer: https://x, audience: z}]",
            "issuers",
            "listed twice",
            "",
        ),
        ("issuers: [{issuer: x, audience: y}]", "issuers", "no https URL", ""),
        ("authenticate: {issuers: [{issuer: x, audience: y}]}", "authenticate", "issuers do not stand here", ""),
        ("forward: {upstream: http://x}", "forward", "the upstream does not stand here", ""),
        ("operations: {GET health: {}}", 'operations."GET health"', "does not name an operation", ""),
        ("operations: {GET /x: {publik: true}}", 'operations."GET /x".publik', "is not a known key", "`public`"),
        ("public: [/health]", "public[0]", "does not name an operation", ""),
        ("listen: localhost", "listen", "is not an address", ""),
        ("listen: 127.0.0.1:99999", "listen", "is not an address", ""),
        ("plain_redirect: 8080", "plain_redirect", "`8080` is not text", ""),
        ("issuer: {mail: {host: h, sender: a}}", "issuer.mail.sender", "`a` does not fit ^", "as `login@example.com`"),
        ("limits: {per_caller: 600/minut}", "limits.per_caller", "is not a rate", ""),
        ("state: ${NOWHERE}", "state", "the environment variable NOWHERE is not set", "export NOWHERE="),
        ("state: file:nothing", "state", "the secret file nothing cannot be read", ""),
        ("workers: 1\nworkers: 2", "workers", "is written twice, first on line 4", ""),
        ("roles: {a: &x [GET *], b: *x}", "roles.b", "an alias", "write the value out"),
        ("roles: {<<: {a: []}}", "roles", "a merge key", ""),
        ("roles: !!python/name:os.system", "roles", "tag", ""),
    ],
)
def test_a_mistake_names_line_key_problem_and_what_to_write(
    tmp_path: Path, line: str, key: str, problem: str, hint: str
) -> None:
    first = mistakes(tmp_path, SMALLEST + line)[0]
    assert (first.key, first.line) == (key, 4 + line.count("\n"))
    assert problem in first.problem
    assert hint in first.hint
    assert first.file == str(tmp_path / "doorward.yaml")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = mistakes(tmp_path, SMALLEST + "workers: x\nlisten: y\nnonsense: z\n")
    assert [error.line for error in found] == [4, 5, 6]


def test_a_policy_without_tls_must_say_so(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, SMALLEST.replace("insecure_plain_http: true", ""))
    assert "tls is missing" in mistake.problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not a mapping"),
        ("- a", "is not a mapping"),
        ("api: [", "not YAML"),
        ("api:\n\t- x", "not YAML"),
        ("[" * 5000, "not YAML"),
        ("a: " + "[" * 300 + "]" * 300, "nested deeper"),
        ("a: [" + "1," * 200_000 + "1]", "too many values"),
        ("x" * 2_000_000, "is larger than"),
    ],
)
def test_what_is_no_policy_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in mistakes(tmp_path, text)[0].problem


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no such file"):
        load_policy(tmp_path / "absent.yaml")
    (tmp_path / "doorward.yaml").write_bytes(b"api: x\nupstream: \xff")
    with pytest.raises(PolicyError, match="is not UTF-8 text") as mistake:
        load_policy(tmp_path / "doorward.yaml")
    assert mistake.value.line == 2


def test_secrets_come_from_the_environment_and_from_files(tmp_path: Path) -> None:
    (tmp_path / "where").write_text("https://issuer.example\n")
    text = SMALLEST.replace("127.0.0.1:8000", "${HOST}:8000") + "issuer: {url: file:where}"
    policy = load(tmp_path, text, HOST="upstream.internal")
    assert policy.upstream == "http://upstream.internal:8000"
    assert policy.issuer.url == "https://issuer.example"


def test_a_mistake_in_a_mapping_never_shows_what_the_mapping_holds(tmp_path: Path) -> None:
    found = mistakes(tmp_path, SMALLEST + "workers: {password: hunter2}")
    assert "hunter2" not in str(found[0]) + found[0].hint
