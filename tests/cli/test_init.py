import ipaddress
import json
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from doorward.cli import app
from doorward.errors import PolicyError
from doorward.jose import load_private_keys
from doorward.policy.loading import load_policy

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Orders\n# evil: true", "version": "1"},
    "security": [{"bearer": []}],
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    "paths": {
        "/health": {"get": {"security": [], "responses": {"200": {"description": "ok"}}}},
        "/accounts/{account_id}": {
            "parameters": [{"name": "account_id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"responses": {"200": {"description": "ok"}}},
            "delete": {"responses": {"204": {"description": "gone"}}},
        },
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"responses": {"200": {"description": "ok"}}},
        },
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made")
    run(directory)
    return directory


def run(directory: Path, *, upstream: str = "http://127.0.0.1:8000") -> str:
    api = directory / "openapi.json"
    api.write_text(json.dumps(DOCUMENT))
    arguments = ["init", "--openapi", str(api), "--upstream", upstream, "--directory", str(directory)]
    return CliRunner().invoke(app, arguments, catch_exceptions=False).stdout


def test_the_policy_it_writes_loads_and_guards_that_api(made: Path) -> None:
    policy = load_policy(made / "doorward.yaml")
    assert policy.api == made / "openapi.json"
    assert policy.upstream == "http://127.0.0.1:8000"
    assert policy.roles == {"reader": ("GET *",), "admin": ("*",)}
    assert not policy.public, "nothing is opened without the operator"
    assert policy.state == made / ".doorward"


def test_the_policy_is_short_and_suggests_owners_and_public_operations_as_comments(made: Path) -> None:
    text = (made / "doorward.yaml").read_text()
    assert len(text.splitlines()) < 40
    assert "#   /accounts/{account_id}: caller.account_id" in text
    assert "#   /orders/{id}: caller.order_id" in text
    assert "#   - GET /health" in text


def test_the_suggestions_are_valid_once_uncommented(made: Path) -> None:
    text = (made / "doorward.yaml").read_text()
    for line in ("owners:", "  /accounts/", "  /orders/", "public:", "  - GET"):
        text = text.replace(f"# {line}", line)
    trial = made / "trial.yaml"
    trial.write_text(text)
    policy = load_policy(trial)
    assert policy.owners["/orders/{id}"] == "caller.order_id"
    assert policy.public == ("GET /health",)
    assert policy.authorize.owners


def test_a_title_cannot_write_into_the_policy(made: Path) -> None:
    assert not any(line.startswith("# evil") for line in (made / "doorward.yaml").read_text().splitlines())


def test_everything_secret_is_readable_by_its_owner_only(made: Path) -> None:
    state = made / ".doorward"
    for path in (state, *state.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert (state / ".gitignore").read_text() == "*\n"


def test_the_keys_are_there_and_differ(made: Path) -> None:
    keys = made / ".doorward" / "keys"
    issuer, upstream = load_private_keys(keys / "issuer.json"), load_private_keys(keys / "upstream.json")
    assert issuer[0].id != upstream[0].id
    assert issuer[0].algorithm == "ES256"
    record, snapshot = (keys / "record.key").read_bytes(), (keys / "snapshot.key").read_bytes()
    assert len(record) == len(snapshot) == 32
    assert record != snapshot


def test_the_certificate_serves_loopback_under_the_strictest_verification(made: Path) -> None:
    tls = made / ".doorward" / "tls"
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tls / "server.pem", tls / "server.key")
    client = ssl.create_default_context(cafile=str(tls / "ca.pem"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("localhost", "127.0.0.1", "::1"):
        handshake(client, server, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client, server, "api.example")


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue


def test_the_development_authority_can_vouch_for_loopback_only(made: Path) -> None:
    authority = x509.load_pem_x509_certificate((made / ".doorward" / "tls" / "ca.pem").read_bytes())
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert constraints.value.permitted_subtrees is not None
    assert {name.value for name in constraints.value.permitted_subtrees} == {
        "localhost",
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    }


def test_it_overwrites_nothing(tmp_path: Path) -> None:
    run(tmp_path)
    before = (tmp_path / ".doorward" / "keys" / "issuer.json").read_bytes()
    with pytest.raises(PolicyError, match="not overwritten"):
        run(tmp_path)
    assert (tmp_path / ".doorward" / "keys" / "issuer.json").read_bytes() == before


@pytest.mark.parametrize("upstream", ["127.0.0.1:8000", "ftp://x", "http://", "http://u:p@x", "http://x/?q"])
def test_an_upstream_that_is_no_server_url_is_refused_before_anything_is_written(tmp_path: Path, upstream: str) -> None:
    with pytest.raises(PolicyError):
        run(tmp_path, upstream=upstream)
    assert [path.name for path in tmp_path.iterdir()] == ["openapi.json"]


def test_it_says_what_to_do_next(tmp_path: Path) -> None:
    said = run(tmp_path)
    assert "doorward check" in said
    assert "doorward run" in said
    assert "--cacert" in said
