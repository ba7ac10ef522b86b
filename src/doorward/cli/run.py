"""`doorward run`: guard the API until SIGTERM."""

import contextlib
import fcntl
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Self

import typer

from doorward import logs
from doorward.answer_key import load_answer_key
from doorward.errors import PolicyError
from doorward.gateway.publisher import SNAPSHOT_NAME, load_checked
from doorward.gateway.supervise import Orders
from doorward.gateway.supervisor import open_listener, python_module, worker_command
from doorward.jose import JoseError, load_private_keys
from doorward.policy.document import Policy
from doorward.policy.snapshot import KEY_BYTES, snapshot_key

LOCK_NAME: Final = "run.lock"


def register(app: typer.Typer) -> None:
    """Add `doorward run`."""
    app.command("run", help="guard the API until SIGTERM; SIGHUP reads the policy again")(run)


def run(
    policy: Annotated[Path, typer.Option(help="the policy")] = Path("doorward.yaml"),
    ready_file: Annotated[
        Path | None, typer.Option(help="written (JSON: addresses and process ids) once every worker serves")
    ] = None,
) -> None:
    """Guard the API until SIGTERM; SIGHUP reads the policy again."""
    logs.configure("supervisor")
    checked = load_checked(policy)
    settings = checked.policy
    require_state(settings.state)
    scheme = "http" if settings.tls is None else "https"
    with _only_one(settings.state) as lock, _Listeners(settings) as listeners:
        workers = tuple(one for one in (listeners.gateway, listeners.plain) if one is not None)
        Orders(
            control=_control_command(policy, settings.state, listeners),
            worker=worker_command(settings.state.resolve() / SNAPSHOT_NAME, listeners.gateway, listeners.plain),
            worker_count=settings.workers,
            control_fds=tuple(
                one.fileno() for one in (listeners.issuer, listeners.admin, listeners.mtls) if one is not None
            ),
            worker_fds=tuple(one.fileno() for one in workers),
            lock_fd=lock,
            title="".join(one if one.isprintable() else " " for one in checked.description.title),
            gateway=f"{scheme}://{_place(listeners.gateway)}",
            issuer=f"{scheme}://{_place(listeners.issuer)}",
            admin=f"http://{_place(listeners.admin)}" if listeners.admin else None,
            plain=f"http://{_place(listeners.plain)}" if listeners.plain else None,
            ready_file=None if ready_file is None else str(ready_file.absolute()),
        ).become()


def _control_command(policy: Path, state: Path, listeners: "_Listeners") -> tuple[str, ...]:
    return python_module(
        "doorward.gateway.control_process",
        *("--policy", str(policy.resolve())),
        *("--state", str(state.resolve())),
        *("--issuer-fd", str(listeners.issuer.fileno())),
        *(() if listeners.admin is None else ("--admin-fd", str(listeners.admin.fileno()))),
        *(() if listeners.mtls is None else ("--mtls-fd", str(listeners.mtls.fileno()))),
    )


class _Listeners:
    """The listening sockets, opened before anything is started: an address in use is the operator's to solve."""

    def __init__(self, policy: Policy) -> None:
        self._open = contextlib.ExitStack()
        try:
            self.gateway = self._listen(policy.listen, "listen")
            self.issuer = self._listen(policy.issuer.listen, "issuer.listen")
            self.admin = None if policy.admin is None else self._listen(policy.admin.listen, "admin.listen")
            mtls = policy.issuer.mtls_listen
            self.mtls = self._listen(mtls, "issuer.mtls_listen") if mtls else None
            self.plain = self._listen(policy.plain_redirect, "plain_redirect") if policy.plain_redirect else None
        except PolicyError:
            self._open.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _listen(self, address: str, key: str) -> socket.socket:
        host, _, port = address.rpartition(":")
        try:
            return self._open.enter_context(open_listener(host.strip("[]") or "0.0.0.0", int(port)))  # noqa: S104 - `:8443` says so
        except OSError as error:
            raise PolicyError(
                f"cannot listen on {address}: {error.strerror}",
                key=key,
                hint="choose another port, or stop what uses it",
            ) from error


@contextlib.contextmanager
def _only_one(state: Path) -> Iterator[int]:
    """Hold the state directory: two gateways over one store and one trail would each undo the other's work.

    The descriptor that holds it.
    """
    with (state / LOCK_NAME).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PolicyError(
                f"another doorward runs with {state}", key="state", hint="stop it, or give this one a state of its own"
            ) from None
        yield lock.fileno()


def require_state(state: Path) -> None:
    """Nothing, when everything the children need is in the state directory, and private. Errors: PolicyError."""
    keys = state / "keys"
    if not keys.is_dir():
        raise PolicyError(f"{state} holds no keys", key="state", hint="run `doorward init` to make them")
    if state.stat().st_mode & 0o077:
        raise PolicyError(f"{state} can be read by others", key="state", hint=f"chmod 700 {state}")
    # Tried here as the children will: a key that is broken is told once, not by every restart of a child.
    try:
        for name in ("issuer.json", "upstream.json"):
            load_private_keys(keys / name)
        record_key = (keys / "record.key").read_bytes()
    except JoseError as error:
        hint = "" if "chmod" in error.problem else "restore it from a backup"
        raise PolicyError(f"a key cannot be used: {error.problem}", key="state", hint=hint) from error
    except OSError as error:
        problem = f"a key cannot be used: {error.filename}: {error.strerror}"
        raise PolicyError(problem, key="state", hint="restore it from a backup") from error
    # It may be missing: it is made when something needs it first.
    load_answer_key(keys)
    if len(record_key) != KEY_BYTES:
        raise PolicyError(f"{keys / 'record.key'} holds {len(record_key)} bytes, not {KEY_BYTES}", key="state")
    snapshot_key(state / SNAPSHOT_NAME)


def _place(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
