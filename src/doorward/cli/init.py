"""`doorward init`: a short policy, the keys and a development certificate for an API, ready for `doorward run`."""

import datetime as dt
import os
import secrets
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from doorward.cli.certificates import make_development_certificates
from doorward.errors import PolicyError
from doorward.jose import generate_key, save_private_keys
from doorward.operation import ApiDescription, Operation
from doorward.policy.openapi import load_description
from doorward.policy.operation_policy import operation_key
from doorward.policy.snapshot import KEY_BYTES
from doorward.store import open_store

POLICY_NAME: Final = "doorward.yaml"
STATE_NAME: Final = ".doorward"
SUGGESTIONS: Final = 8
"""Most lines suggested of one kind: a policy that nobody reads to the end protects nobody."""


def register(app: typer.Typer) -> None:
    """Add `doorward init`."""
    app.command("init", help="write a short policy, keys and a development certificate for an API")(init)


def init(
    openapi: Annotated[Path, typer.Option(help="the API's OpenAPI document (3.0, 3.1 or 3.2), JSON or YAML")],
    upstream: Annotated[str, typer.Option(help="where the API runs, such as http://127.0.0.1:8000")],
    directory: Annotated[Path, typer.Option(help="where to write the policy and the keys")] = Path(),
) -> None:
    """Write a short policy, keys and a development certificate for an API."""
    description = load_description(openapi)
    check_upstream(upstream)
    policy, state = directory / POLICY_NAME, directory / STATE_NAME
    for made in (policy, state):
        if made.exists():
            raise PolicyError(
                f"{made} exists already and is not overwritten",
                hint="name another --directory, or move it away (the audit trail and all keys are in .doorward)",
            )
    directory.mkdir(parents=True, exist_ok=True)
    make_state(state)
    write_new(policy, policy_text(description, api=_from(directory, openapi), upstream=upstream).encode(), 0o644)
    _say_what_is_next(policy, state, description)


def check_upstream(upstream: str) -> None:
    """Nothing, for the URL of an HTTP server. Errors: PolicyError."""
    parts = urlsplit(upstream)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise PolicyError(f"{upstream!r} is not a URL of a server", key="--upstream", hint="http://127.0.0.1:8000")


def make_state(state: Path) -> None:
    """A new state directory: keys, development certificates, an empty store. Errors: PolicyError, OSError."""
    for made in (state, state / "keys", state / "tls", state / "audit"):
        made.mkdir(mode=0o700)
    # Whatever the project's own ignore list says, private keys are not committed.
    write_new(state / ".gitignore", b"*\n", 0o600)
    save_private_keys(state / "keys" / "issuer.json", [generate_key("ES256")])
    save_private_keys(state / "keys" / "upstream.json", [generate_key("ES256")])
    for name in ("record.key", "snapshot.key"):
        write_new(state / "keys" / name, secrets.token_bytes(KEY_BYTES), 0o600)
    made_certificates = make_development_certificates(dt.datetime.now(dt.UTC))
    for name, content in (
        ("ca.pem", made_certificates.ca_certificate),
        ("ca.key", made_certificates.ca_key),
        ("server.pem", made_certificates.server_certificate),
        ("server.key", made_certificates.server_key),
    ):
        write_new(state / "tls" / name, content, 0o600)
    open_store(f"sqlite:///{(state / 'store.db').resolve()}").close()


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Nothing; the file is new and never had a wider mode. Errors: FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def policy_text(description: ApiDescription, *, api: str, upstream: str) -> str:
    """The policy for an API as a person would write it: what is needed, and what it suggests as comments."""
    lines = [
        f"# Doorward guards {_one_line(description.title)}",
        "# every setting and its default: doorward schema",
        "",
        f"api: {_quoted(api)}  # what may be asked and answered",
        f"upstream: {_quoted(upstream)}  # who answers",
        "listen: 127.0.0.1:8443",
        "tls: {certificate: .doorward/tls/server.pem, key: .doorward/tls/server.key}  # a development certificate",
        "",
        "issuers: [local]  # who may vouch for a caller: Doorward's own provider",
        "# issuer: {insecure_development_tokens: true}  # to try things out: lets `doorward token` act for any user",
        "",
        "roles:  # what a role may do; nothing else is allowed",
        "  reader: [GET *]",
        '  admin: ["*"]',
        "",
        *_suggestions(
            "owners:  # whose object it is; others get 404",
            (f"  {template}: caller.{claim}" for template, claim in owner_suggestions(description.operations)),
        ),
        *_suggestions(
            "public:  # the description asks no credential for these; without this list they need one",
            (f"  - {operation_key(operation)}" for operation in description.operations if not operation.security),
        ),
        "# limits: {per_caller: 600/minute, per_address: 1200/minute}",
    ]
    return "\n".join(lines) + "\n"


def owner_suggestions(operations: Iterable[Operation]) -> list[tuple[str, str]]:
    """Path templates that end in one object's id, with the claim that would name its owner, in order, once each."""
    found: dict[str, str] = {}
    for operation in operations:
        head, _, last = operation.template.rpartition("/")
        if last.startswith("{") and last.endswith("}") and "{" not in head:
            name = last[1:-1]
            noun = head.rpartition("/")[2]
            found[operation.template] = name if name != "id" else f"{noun.removesuffix('s')}_id"
    return [(template, claim) for template, claim in found.items() if claim.isidentifier()]


def _suggestions(head: str, lines: Iterable[str]) -> list[str]:
    found = list(lines)
    if not found:
        return []
    more = [f"#   and {len(found) - SUGGESTIONS} more"] if len(found) > SUGGESTIONS else []
    return [f"# {head}", *(f"# {line}" for line in found[:SUGGESTIONS]), *more, ""]


def _quoted(text: str) -> str:
    """A YAML scalar: plain where that is safe, in double quotes otherwise."""
    if all(character.isascii() and (character.isalnum() or character in "/._-:") for character in text):
        return text
    escaped = "".join(
        character
        if character.isascii() and character.isprintable() and character not in '"\\'
        else f"\\U{ord(character):08x}"
        for character in text
    )
    return f'"{escaped}"'


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)[:100]


def _from(directory: Path, file: Path) -> str:
    return os.path.relpath(file.resolve(), directory.resolve())


def _say_what_is_next(policy: Path, state: Path, description: ApiDescription) -> None:
    name = shlex.quote(str(policy))
    option = "" if policy.parent == Path() else f" --policy {name}"
    print(f"wrote {policy}: {len(description.operations)} operations of {_one_line(description.title)}")
    print(f"wrote {state}/: keys, a development certificate, an empty store (private)")
    print()
    print("next:")
    print(f"  doorward check{option}  # says who may call what")
    print(f"  doorward key add me --role reader{option}  # prints an API key, once")
    print(f"  doorward run{option}  # the next line in another terminal")
    path = next((each.path for each in description.operations if each.method == "GET" and "{" not in each.path), "/")
    ca = shlex.quote(str(state / "tls" / "ca.pem"))
    print(f"  curl --cacert {ca} -H 'x-api-key: KEY' {shlex.quote(f'https://127.0.0.1:8443{path}')}")
