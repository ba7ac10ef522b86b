"""What the commands about callers share: the policy's store, options read as data, answers for people and machines."""

import datetime as dt
import json
import os
import pwd
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from sqlalchemy.exc import OperationalError

from doorward.errors import PolicyError
from doorward.identity.events import acting
from doorward.identity.names import require_roles
from doorward.policy.document import Policy
from doorward.policy.loading import load_policy
from doorward.policy.store import store_place
from doorward.store import Store, open_store

PolicyOption = Annotated[Path, typer.Option("--policy", help="the policy, which names the state directory")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON")]
RoleOption = Annotated[list[str] | None, typer.Option("--role", help="a role of the policy; may be repeated")]
ScopeOption = Annotated[list[str] | None, typer.Option("--scope", help="a scope it may have; may be repeated")]
ClaimOption = Annotated[
    list[str] | None, typer.Option("--claim", help="name=value for owner rules; repeated with one name: a list")
]
POLICY: Final = Path("doorward.yaml")

_UNITS_S: Final = {"m": 60, "h": 3_600, "d": 86_400}
_DURATION: Final = re.compile(r"([0-9]{1,6})([mhd])")


@contextmanager
def opened(policy_path: Path) -> Iterator[tuple[Policy, Store]]:
    """The policy and its store. Errors: PolicyError, also when nothing was set up yet."""
    policy = load_policy(policy_path)
    state = policy.state.resolve()
    if not state.is_dir():
        raise PolicyError(f"{state} does not exist", key="state", hint="doorward init sets everything up")
    store = open_store(*store_place(policy.store, state))
    try:
        with acting(f"cli:{operator()}"):
            yield policy, store
    except OperationalError as error:
        problem = f"the store cannot be used: {error.orig}; nothing was changed"
        raise PolicyError(problem, key="state", hint="something holds it, or its disk is full: try again") from error
    finally:
        store.close()


def operator() -> str:
    """Who runs the command, as the system knows them."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def known_roles(policy: Policy, roles: Iterable[str] | None) -> list[str]:
    """The roles, all of which the policy has. Errors: PolicyError: an unknown role would silently allow nothing."""
    return require_roles(roles or (), policy.roles)


def parse_claims(pairs: Iterable[str] | None) -> dict[str, str | list[str]]:
    """Claims written as `name=value`; a name given several times becomes a list.

    >>> parse_claims(["account_id=a-1", "team=red", "team=blue"])
    {'account_id': 'a-1', 'team': ['red', 'blue']}

    Errors: PolicyError for a text without `=`.
    """
    found: dict[str, list[str]] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise PolicyError(f"{pair!r} is not name=value", key="claim", hint="--claim account_id=a-1")
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def parse_duration_s(text: str) -> int:
    """Seconds in a duration such as `30m`, `12h`, `90d`.

    >>> parse_duration_s("90d")
    7776000

    Errors: PolicyError.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise PolicyError(f"{text!r} is not a duration", key="expires", hint="90d, 12h or 30m")
    return int(match[1]) * _UNITS_S[match[2]]


def read_file(path: Path) -> bytes:
    """What the file holds. Errors: PolicyError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PolicyError(f"{path} cannot be read: {error.strerror}", key="file") from error


def write_file(path: Path, content: bytes) -> None:
    """Nothing; the file holds the content. Errors: PolicyError."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise PolicyError(f"{path} cannot be written: {error.strerror}", key="file") from error


def say(text: str) -> None:
    """Nothing; the text goes to the person, beside the data."""
    print(text, file=sys.stderr)


def show_json(value: object) -> None:
    """Nothing; the value goes to standard output."""
    print(json.dumps(value, indent=2, default=str))


def show_table(rows: Sequence[Mapping[str, str]], empty: str) -> None:
    """Nothing; the rows go to standard output in columns, or `empty` to the person.

    Columns in which no row says anything are left out. On a terminal that is too narrow for the rest, each row is a
    block of lines; in a pipe it is one line.
    """
    if not rows:
        say(empty)
        return
    names = [name for index, name in enumerate(rows[0]) if index == 0 or any(row[name] != "-" for row in rows)]
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    if sys.stdout.isatty() and sum(widths.values()) + 2 * len(names) > shutil.get_terminal_size().columns:
        _show_blocks(names, rows)
        return
    for row in ({name: name for name in names}, *rows):
        print("  ".join(row[name].ljust(widths[name]) for name in names).rstrip())


def _show_blocks(names: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """One block a row: side by side its cells would be cut into pieces too small to read."""
    width = max(map(len, names))
    for number, row in enumerate(rows):
        if number:
            print()
        for name in names:
            if row[name] != "-":
                print(f"{name.ljust(width)}  {row[name]}")


def words(values: Iterable[str]) -> str:
    """The values in a cell of a table.

    >>> words([]), words(["a", "b"])
    ('-', 'a, b')
    """
    return ", ".join(values) or "-"


def claims_text(claims: Mapping[str, Any]) -> str:
    """Claims in a cell of a table."""
    return words(
        f"{name}={','.join(map(str, value)) if isinstance(value, list) else value}" for name, value in claims.items()
    )


def day(seconds: float | None) -> str:
    """A time in a cell of a table, UTC.

    >>> day(0.0), day(None)
    ('1970-01-01 00:00', '-')
    """
    return "-" if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M")
