"""`doorward attack`: every attack and its twin, against the laboratory or a running gateway."""

import contextlib
import ipaddress
import json
import signal
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from doorward.attack.case import Attack, Who
from doorward.attack.catalogue import every_attack
from doorward.attack.credentials import GivenTokens, TokenSource
from doorward.attack.gateway_process import GatewayError
from doorward.attack.judge import Outcome
from doorward.attack.lab import Laboratory
from doorward.attack.operator import StateCredentials
from doorward.attack.provider import LOGIN_ATTACKS, LoginAttack, ProviderSite, try_login_attack
from doorward.attack.report import as_json as report_json
from doorward.attack.report import as_table, last_line
from doorward.attack.roles import all_scopes, cast_for
from doorward.attack.runner import Runner, in_order
from doorward.attack.samples import DescribedSamples
from doorward.attack.wire import Target
from doorward.cli.init import make_state
from doorward.errors import PolicyError
from doorward.jose import JoseError
from doorward.policy.loading import load_policy
from doorward.policy.openapi import load_description

PUBLISHED_S: Final = 1.0
"""How long a new API key may take to reach every worker, in seconds."""
PLAIN_COLUMNS: Final = 120
"""Width of the table where no terminal says how wide it is."""
_GROUPS: Final = [each.control for each in every_attack()] + [each.control for each in LOGIN_ATTACKS]
CONTROLS: Final = tuple(dict.fromkeys(_GROUPS))
"""What `--only` may name: the nine controls, and `listener`, `login` and `token` for the identity provider's."""


def register(app: typer.Typer) -> None:
    """Add `doorward attack`."""
    app.command("attack")(attack)


def attack(
    target: Annotated[str | None, typer.Option(help="a running gateway; without it the laboratory is attacked")] = None,
    policy: Annotated[Path, typer.Option(help="the policy of the target")] = Path("doorward.yaml"),
    cacert: Annotated[
        Path | None, typer.Option(help="CA of the target's certificate; default: its own state's")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="a control, or the id of an attack; may be repeated")] = None,
    token_reader: Annotated[
        str | None, typer.Option(help="a token that may read", envvar="DOORWARD_TOKEN_READER")
    ] = None,
    token_admin: Annotated[str | None, typer.Option(help="a token that may all", envvar="DOORWARD_TOKEN_ADMIN")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the same for machines, to standard output")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="a line for each attack")] = False,
    i_own_this_target: Annotated[bool, typer.Option(help="needed for a target that is not on this machine")] = False,
) -> None:
    """Send every attack and its harmless twin; exit 1 when one gets through or a twin is refused."""
    chosen, logins = choose(only or [])
    if target is None:
        outcomes = _attack_the_laboratory(chosen) if chosen else []
        outcomes += _attack_logins(logins) if logins else []
    else:
        tokens: dict[Who, str | None] = {
            "reader": token_reader,
            "writer": token_admin,
            "admin": token_admin,
            "nobody": None,
        }
        given = {who: token for who, token in tokens.items() if token}
        where = target_at(target, cacert, policy, is_owned=i_own_this_target)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or our credentials would stay good
        with contextlib.ExitStack() as afterwards:
            samples = target_samples(policy, given, afterwards)
            try:
                outcomes = _run(Runner(where, samples), chosen)
            except OSError as error:
                raise PolicyError(f"{target} cannot be reached: {error}", key="--target", hint="doorward run") from None
    if as_json:
        print(json.dumps(report_json(outcomes), indent=2))
    else:
        console = Console(width=None if sys.stdout.isatty() else PLAIN_COLUMNS)
        console.print(as_table(outcomes, verbose=verbose))
        for outcome in outcomes:
            if outcome.is_failure:
                console.print(f"{outcome.attack.id}: {outcome.note}", style="red", highlight=False, soft_wrap=True)
        console.print(last_line(outcomes))
    raise typer.Exit(1 if any(outcome.is_failure for outcome in outcomes) else 0)


def choose(only: Iterable[str]) -> tuple[list[Attack], list[LoginAttack]]:
    """The attacks of these controls or ids, and those on logins and tokens; all when none is named.

    Errors: PolicyError for a word that names none.
    """
    wanted = list(only)
    attacks = list(every_attack())
    known = {*CONTROLS, *(each.id for each in attacks), *(each.id for each in LOGIN_ATTACKS)}
    for word in wanted:
        if word not in known:
            raise PolicyError(f"{word!r} is neither a control nor an attack", key="--only", hint=", ".join(CONTROLS))
    chosen = [each for each in attacks if not wanted or each.control in wanted or each.id in wanted]
    logins = [each for each in LOGIN_ATTACKS if not wanted or each.control in wanted or each.id in wanted]
    return chosen, logins


def target_at(url: str, cacert: Path | None, policy: Path, *, is_owned: bool) -> Target:
    """The target of a URL.

    Errors: PolicyError for what is no address, or neither on this machine nor said to be owned.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
        raise PolicyError(f"{url!r} is not the address of a gateway", key="--target", hint="https://127.0.0.1:8443")
    if not is_owned and not _is_loopback(parts):
        raise PolicyError(
            f"{parts.hostname} is not on this machine: attacking what is not yours is a crime in most countries",
            key="--target",
            hint="add --i-own-this-target when you are authorised to",
        )
    if parts.scheme == "http":
        return Target(host=parts.hostname, port=parts.port or 80)
    own = policy.parent / ".doorward" / "tls" / "ca.pem"
    authority = cacert or (own if own.exists() else None)
    try:
        context = ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise PolicyError(f"{authority} is not a CA file: {error}", key="--cacert") from None
    return Target(host=parts.hostname, port=parts.port or 443, tls=context)


def target_samples(policy_file: Path, given: dict[Who, str], afterwards: contextlib.ExitStack) -> DescribedSamples:
    """Samples for the API of a policy; credentials from its state directory, unless tokens were given.

    What is put into its store for them is taken back `afterwards`.

    Errors: PolicyError.
    """
    policy = load_policy(policy_file)
    description = load_description(policy.api)
    cast = cast_for(description, policy)
    if given:
        source: TokenSource = GivenTokens(tokens=given)
        return DescribedSamples(description, policy, cast, source)
    try:
        state = StateCredentials(policy)
        afterwards.callback(state.withdraw)
        tokens, api_keys = state.tokens(cast, all_scopes(description)), state.api_keys(cast)
        client = state.client(cast, description)
        prover = state.prover(tokens)
        signers, sealer = state.signers(cast), state.sealer()
    except (OSError, JoseError) as error:
        raise PolicyError(
            f"the issuer's key cannot be read: {error}", key="state", hint="name tokens: --token-reader, --token-admin"
        ) from None
    time.sleep(PUBLISHED_S)
    return DescribedSamples(
        description,
        policy,
        cast,
        tokens,
        api_keys=api_keys,
        client=client,
        prover=prover,
        signers=signers,
        sealer=sealer,
    )


def _attack_the_laboratory(chosen: list[Attack]) -> list[Outcome]:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or the gateways would outlive us
    with tempfile.TemporaryDirectory(prefix="doorward-lab-") as directory:
        try:
            with contextlib.ExitStack() as open_:
                with _talk("putting the laboratory up"):
                    laboratory = open_.enter_context(Laboratory(Path(directory), make_state))
                return _run(Runner(laboratory.target, laboratory.samples, stages=laboratory.stage), chosen)
        except GatewayError as error:
            raise PolicyError(str(error), key="laboratory") from None


def _attack_logins(chosen: list[LoginAttack]) -> list[Outcome]:
    """The outcomes of attacks on a provider put up for them; it is always our own, never the target's."""
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="doorward-lab-") as directory:
        try:
            with contextlib.ExitStack() as open_:
                with _talk("putting the identity provider up"):
                    site = open_.enter_context(ProviderSite(Path(directory), make_state))
                for each in chosen:
                    with _talk(f"attacking {each.id}"):
                        outcomes.append(try_login_attack(each, site))
        except GatewayError as error:
            raise PolicyError(str(error), key="laboratory") from None
    return outcomes


def _talk(text: str) -> Progress:
    progress = Progress(TextColumn("{task.description}"), console=Console(stderr=True), transient=True)
    progress.add_task(text, total=None)
    return progress


def _run(runner: Runner, chosen: list[Attack]) -> list[Outcome]:
    """All outcomes; a bar on standard error shows how far it is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    outcomes: list[Outcome] = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("attacking", total=len(chosen))
        for each in in_order(chosen):
            progress.update(task, description=each.id.ljust(44)[:44])
            outcomes.append(runner.try_one(each))
            progress.advance(task)
    order = {each.id: place for place, each in enumerate(every_attack())}
    return sorted(outcomes, key=lambda outcome: order[outcome.attack.id])


def _is_loopback(parts: SplitResult) -> bool:
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(place[4][0]).is_loopback for place in found)
