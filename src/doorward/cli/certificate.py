"""`doorward certificate`: the certificate authority, and the certificates of callers and servers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from time import time
from typing import Annotated, Any, Final, cast

import typer

from doorward.cli import callers
from doorward.cli.callers import POLICY, ClaimOption, JsonOption, PolicyOption, RoleOption, ScopeOption
from doorward.errors import PolicyError
from doorward.identity import ca
from doorward.identity.ca.building import Constraints
from doorward.identity.ca.certificates import Issued, Reason
from doorward.identity.sealing import KEY_FILE, ServerSecret, load_or_make_secret
from doorward.policy.document import Policy
from doorward.store import Store

_COMMANDS: Final = typer.Typer(help="certificates of callers and servers", no_args_is_help=True)
_Name = Annotated[str, typer.Argument(help="who calls with it: a user, a client, or a new name")]
_Server = Annotated[bool, typer.Option("--server", help="for a server, not for a caller")]
_Dns = Annotated[list[str] | None, typer.Option("--dns", help="a name or address of the server; may be repeated")]
_Expires = Annotated[str, typer.Option(help="how long it is good for: 24h, 30m; at most 30d")]
_Out = Annotated[Path | None, typer.Option("--out", help="the file to write (mode 0600); never overwritten")]


def register(app: typer.Typer) -> None:
    """Add `doorward certificate`."""
    app.add_typer(_COMMANDS, name="certificate")


@_COMMANDS.command("init")
def init(
    root_key: Annotated[Path, typer.Option(help="where the root's key goes: a medium that leaves this host")],
    permit: Annotated[
        list[str] | None,
        typer.Option(help="a domain (with all below it) or network whose servers it may vouch for; may be repeated"),
    ] = None,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Make the authority: a root, whose key is written to a file and kept nowhere else, and an issuing key."""
    with _opened(policy) as (_, store, secret), _new_file(root_key) as write:
        made = ca.make_authority(store, secret, _constraints(permit or ()), write, now=time())
    if as_json:
        shown = {"root": asdict(made.root), "issuing": asdict(made.issuing)}
        callers.show_json({**shown, "root_key": str(root_key), "passphrase": made.passphrase})
        return
    callers.say(f"made the authority {made.root.id[:16]}, good until {callers.day(made.root.expires_at)}")
    callers.say(f"move {root_key} to a medium that is kept elsewhere; it is needed for `rotate` alone")
    callers.say("its passphrase, shown only now:")
    print(made.passphrase)


@_COMMANDS.command("rotate")
def rotate(
    root_key: Annotated[Path, typer.Option(help="the file with the root's key")],
    passphrase_file: Annotated[
        Path | None, typer.Option(help="a file with its passphrase; else it is asked for")
    ] = None,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Make a new issuing key under the root. The one before it stays trusted for what it has signed."""
    pem = callers.read_file(root_key)
    if passphrase_file is None:
        passphrase = typer.prompt("passphrase of the root's key", hide_input=True, err=True)
    else:
        passphrase = callers.read_file(passphrase_file).decode("utf-8", "replace").strip()
    with _opened(policy) as (_, store, secret):
        made = ca.rotate_issuing(store, secret, pem, passphrase, now=time())
    if as_json:
        callers.show_json(asdict(made))
    else:
        callers.say(f"issuing authority {made.id[:16]} signs from now on, until {callers.day(made.expires_at)}")


@_COMMANDS.command("issue")
def issue(
    name: _Name,
    out: _Out = None,
    pkcs12: Annotated[bool, typer.Option(help="PKCS #12 with a password, for browsers and phones")] = False,
    server: _Server = False,
    dns: _Dns = None,
    role: RoleOption = None,
    scope: ScopeOption = None,
    claim: ClaimOption = None,
    expires: _Expires = "24h",
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Make a key and a certificate for it, and write both to a file; the key is kept nowhere else."""
    path = out or Path(f"{name}.{'p12' if pkcs12 else 'pem'}")
    with _opened(policy) as (settings, store, secret), _new_file(path) as write:
        granted = _granted(settings, server, dns, role, scope, claim, expires)
        made = ca.issue(store, secret, name, granted, now=time())
        password = _write_with_key(write, made, pkcs12)
    _tell(made, path, password, as_json)


@_COMMANDS.command("sign")
def sign(
    name: _Name,
    request: Annotated[Path, typer.Argument(help="the request (PKCS #10, PEM or DER)")],
    out: _Out = None,
    server: _Server = False,
    dns: _Dns = None,
    role: RoleOption = None,
    scope: ScopeOption = None,
    claim: ClaimOption = None,
    expires: _Expires = "24h",
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Sign a request: the key stays with whoever made it. It may ask for nothing that is not granted here."""
    path = out or Path(f"{name}.pem")
    with _opened(policy) as (settings, store, secret), _new_file(path) as write:
        granted = _granted(settings, server, dns, role, scope, claim, expires)
        made = ca.sign_request(store, secret, name, callers.read_file(request), granted, now=time())
        write(ca.pem_bundle(made))
    _tell(made, path, "", as_json)


@_COMMANDS.command("renew")
def renew(
    certificate: Annotated[str, typer.Argument(help="the certificate's file, or its serial")],
    request: Annotated[Path | None, typer.Option(help="a request with the new key; else one is made here")] = None,
    out: _Out = None,
    pkcs12: Annotated[bool, typer.Option(help="PKCS #12 with a password")] = False,
    expires: Annotated[str | None, typer.Option(help="how long it is good for; else as long as the old one")] = None,
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Make the successor of a certificate that has not expired: the same grants, a new key. Once for each."""
    serial = _serial(certificate)
    path = out or Path(f"{serial}-renewed.{'p12' if pkcs12 else 'pem'}")
    with _opened(policy) as (settings, store, secret), _new_file(path) as write:
        made = ca.renew(
            store,
            secret,
            serial,
            now=time(),
            request=None if request is None else callers.read_file(request),
            life_s=None if expires is None else callers.parse_duration_s(expires),
            list_url=ca.list_url(settings.issuer.url),
        )
        password = _write_with_key(write, made, pkcs12)
    _tell(made, path, password, as_json)


@_COMMANDS.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="a serial (with what it was renewed to), or a name: all of its")],
    reason: Annotated[str, typer.Option(help="as RFC 5280 has it: keyCompromise, superseded ...")] = "unspecified",
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Revoke certificates: void at every worker within a second, on connections that stand too."""
    with _opened(policy) as (_, store, _secret):
        revoked = ca.revoke_certificates(store, name, now=time(), reason=cast("Reason", reason))
    if as_json:
        callers.show_json([asdict(each) for each in revoked])
    else:
        callers.say(f"revoked {callers.words(each.serial for each in revoked)}")


@_COMMANDS.command("list")
def list_all(policy: PolicyOption = POLICY, as_json: JsonOption = False) -> None:
    """List all certificates."""
    with callers.opened(policy) as (_, store):
        found = ca.list_certificates(store)
    if as_json:
        callers.show_json([asdict(each) for each in found])
    else:
        callers.show_table([_row(each) for each in found], "there are no certificates")


@_COMMANDS.command("authorities")
def authorities(policy: PolicyOption = POLICY, as_json: JsonOption = False) -> None:
    """Print the certificates of the root and the issuing authorities (PEM): what others have to trust."""
    with callers.opened(policy) as (_, store):
        found = ca.list_authorities(store)
    if as_json:
        callers.show_json([asdict(each) for each in found])
        return
    for each in found:
        callers.say(f"{each.kind} {each.id}, good until {callers.day(each.expires_at)}")
        print(each.certificate, end="")


@_COMMANDS.command("authority")
def authority(
    file: Annotated[Path, typer.Argument(help="the certificates of other authorities (PEM)")],
    as_json: JsonOption = False,
) -> None:
    """Print what other authorities are known by (`authenticate.client_certificates.authority`): their public keys."""
    found = ca.keys_in(callers.read_file(file))
    if as_json:
        callers.show_json([{"authority": key, "subject": subject} for key, subject in found])
        return
    for key, subject in found:
        print(f"{key}  {subject}")


@_COMMANDS.command("revocations")
def revocations(
    out: Annotated[Path, typer.Option(help="the file to write the list to (DER)")],
    policy: PolicyOption = POLICY,
    as_json: JsonOption = False,
) -> None:
    """Write the newest authority's revocation list; the issuer serves it too, at /ca/crl."""
    with _opened(policy) as (_, store, secret):
        found = ca.RevocationLists(store, secret).current("", now=time())
    if found is None:
        hint = "doorward certificate init --root-key FILE"
        raise PolicyError("there is no certificate authority", key="certificate", hint=hint)
    callers.write_file(out, found)
    if as_json:
        callers.show_json({"file": str(out), "bytes": len(found)})
    else:
        callers.say(f"wrote {out}")


@contextmanager
def _opened(policy: Path) -> Iterator[tuple[Policy, Store, ServerSecret]]:
    with callers.opened(policy) as (settings, store):
        yield settings, store, load_or_make_secret(settings.state / "keys" / KEY_FILE)


def _constraints(permitted: Any) -> Constraints:
    dns: list[str] = []
    networks: list[IPv4Network | IPv6Network] = []
    for text in permitted:
        try:
            networks.append(ip_network(text))
        except ValueError:
            if "/" in text or "*" in text:
                raise PolicyError(
                    f"{text!r} is neither a domain nor a network", key="permit", hint="example.internal, 10.0.0.0/8"
                ) from None
            dns.append(text.removeprefix("."))
    return Constraints(dns, networks)


def _granted(
    settings: Policy,
    server: bool,
    dns: list[str] | None,
    role: list[str] | None,
    scope: list[str] | None,
    claim: list[str] | None,
    expires: str,
) -> ca.Granted:
    return ca.Granted(
        kind="server" if server else "client",
        names=tuple(dns or ()),
        roles=callers.known_roles(settings, role),
        scopes=scope or (),
        claims=callers.parse_claims(claim),
        life_s=callers.parse_duration_s(expires),
        list_url=ca.list_url(settings.issuer.url),
    )


def _serial(text: str) -> str:
    path = Path(text)
    if not path.is_file():
        return text.lower()
    return ca.serial_in(callers.read_file(path))


def _write_with_key(write: Any, made: Issued, pkcs12: bool) -> str:
    """The password of what was written; empty when it has none."""
    if not pkcs12:
        write(ca.pem_bundle(made))
        return ""
    if made.key is None:
        raise PolicyError("the key is with whoever made the request", key="pkcs12", hint="leave --pkcs12 away")
    data, password = ca.pkcs12_bundle(made)
    write(data)
    return password


def _tell(made: Issued, path: Path, password: str, as_json: bool) -> None:
    if as_json:
        callers.show_json({**asdict(made.record), "file": str(path), **({"password": password} if password else {})})
        return
    until = callers.day(made.record.expires_at)
    callers.say(f"certificate {made.record.serial} for {made.record.name}, good until {until}, in {path}")
    if password:
        callers.say("its password, shown only now:")
        print(password)


def _row(each: ca.CertificateRecord) -> dict[str, str]:
    return {
        "serial": each.serial,
        "name": each.name,
        "for": each.kind if each.kind == "client" else callers.words(each.names),
        "roles": callers.words(each.roles),
        "expires": callers.day(each.expires_at),
        "renewed": callers.day(each.renewed_at),
        "revoked": callers.day(each.revoked_at),
    }


@contextmanager
def _new_file(path: Path) -> Iterator[Any]:
    """What writes to a new private file, durably; it vanishes again when nothing came of it. Errors: PolicyError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise PolicyError(f"{path} cannot be made: {error.strerror}", key="out", hint="--out another.pem") from error
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:

            def write(data: bytes) -> None:
                # To the disk at once: whoever goes on after it, as `init` with the only copy of a key, relies on it.
                try:
                    while data:
                        data = data[file.write(data) :]
                    os.fsync(file.fileno())
                except OSError as error:
                    raise PolicyError(f"{path} cannot be written: {error.strerror}", key="out") from error

            yield write
    except BaseException:
        path.unlink(missing_ok=True)
        raise
