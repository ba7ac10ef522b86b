"""Puts the laboratory up: upstreams, three gateways, credentials; and knows what each of its stages needs."""

import contextlib
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

import orjson

from doorward.attack.case import Ask
from doorward.attack.credentials import MintedTokens
from doorward.attack.gateway_process import GatewayProcess
from doorward.attack.lab import issuer
from doorward.attack.lab.certificates import PARTNER, SECOND_PARTNER, make_certificates
from doorward.attack.lab.issuer import LabIssuer
from doorward.attack.lab.scanner import LabScanner
from doorward.attack.lab.upstream import LabUpstream
from doorward.attack.operator import StateCredentials
from doorward.attack.roles import all_scopes, cast_for
from doorward.attack.samples import DescribedSamples
from doorward.attack.wire import Answer, Connection, Target, request_bytes
from doorward.identity.revoking import revoke
from doorward.policy.loading import load_policy
from doorward.policy.openapi import load_description
from doorward.policy.store import store_place
from doorward.store import open_store

MakeState = Callable[[Path], None]
"""Makes a new state directory: what `doorward init` does."""

_DESCRIPTION: Final = Path(__file__).with_name("openapi.yaml")
_ABSENT_ISSUER: Final = "https://absent.example/"
_REVOKED: Final = "attack-revoked"
_CONNECTIONS: Final = 2
_QUOTA: Final = 5
_FOREIGN_PAGE: Final = (
    b"GET {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}Origin: https://evil.example\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
_CROWD: Final[dict[str, object]] = {"sub": "attack-crowd", "roles": ["crowd"]}
_RECOVERY_S: Final = 15.0
_LOOK_S: Final = 0.1
_BROKEN: Final = {"refused", "issuer_unavailable", "overload", "disk_full", "scanner_away"}
"""Behaviours of which the second gateway is capable: its upstream and its scanner are away, its memory small, its disk
full."""
_CALLER: Final = "caller_certificate_"
"""Behaviours of callers who come with a certificate, or should."""
_NOBODY: Final = "127.0.0.1:1"
"""An address where nothing listens."""

_POLICY: Final[dict[str, Any]] = {
    "api": "openapi.yaml",
    "listen": "127.0.0.1:0",
    "tls": {"certificate": ".doorward/tls/server.pem", "key": ".doorward/tls/server.key"},
    "issuer": {"listen": "127.0.0.1:0"},
    "plain_redirect": "127.0.0.1:0",
    "transport": {"hosts": ["127.0.0.1"]},
    "roles": {
        "reader": [
            "GET /notes",
            "GET /accounts/*",
            "GET /rates",
            "GET /machine",
            "GET /sealed",
            "GET /lab/*",
            "GET /partner/notes",
        ],
        "writer": [
            "GET /notes",
            "POST /notes",
            "PUT /files/*",
            "POST /avatars",
            "POST /documents",
            "POST /orders",
            "POST /transfers",
            "POST /articles",
            "POST /graphql",
            "GET /signed/notes",
            "POST /signed/notes",
            "POST /hooks/partner",
            "POST /encrypted/notes",
        ],
        "metered": ["GET /notes"],
        "crowd": ["GET /lab/*"],
        "admin": ["*"],
    },
    "owners": {
        "/accounts/{account_id}": "caller.account_id",
        "POST /transfers#/transfers/*/from": "caller.account_id",
        "POST /graphql#account(id)": "caller.account_id",
    },
    "public": ["GET /health"],
    # One machine, one clock: without a skew signatures are accepted right after the start.
    "authenticate": {
        "message_signature": {"clock_skew_s": 0},
        "encrypted_body": {"clock_skew_s": 0},
        "hmac_signatures": [{"scheme": "hook", "clock_skew_s": 0}],
        "client_certificates": [
            {"uri": PARTNER, "caller": "attack-partner", "roles": ["reader"]},
            {"uri": SECOND_PARTNER, "caller": "attack-second-partner", "roles": ["reader"]},
        ],
    },
    "operations": {
        "GET /lab/{behaviour}": {"websocket": {"origins": ["https://app.example"]}},
        "POST /graphql": {"graphql": {}},
    },
    # Fast enough that a slow attack takes a second, slow enough that a busy machine passes the twin.
    "limits": {
        "head_s": 1.0,
        "body_s": 1.0,
        "per_address": "6000/minute",
        "per_caller": "600/minute",
        "quota": {"metered": f"{_QUOTA}/day"},
        "rules": [{"name": "crowd", "by": ["caller"], "roles": ["crowd"], "concurrency": 1}],
    },
    "minimise": {
        "cors": {"origins": ["https://app.example"]},
        "mask": {"iban": "partial", "national_id": "whole", "email": "partial", "phone": "hash"},
    },
    "forward": {"connections": _CONNECTIONS, "waiting": 0, "response_s": 1.5},
}


def _operations(scanner: str) -> dict[str, Any]:
    """The settings of single operations, with files scanned by the scanner at this address."""
    looked_into = {"archives": {}, "antivirus": {"address": scanner, "timeout_s": 10.0}}
    return {**_POLICY["operations"], "POST /documents": {"validate": looked_into}}


class Laboratory:
    """The laboratory in `directory`, which must be empty. `with` puts it up and takes it down."""

    def __init__(self, directory: Path, make_state: MakeState) -> None:
        self._directory, self._make_state = directory, make_state
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            certificates = make_certificates(self._directory)
            self._certificates = certificates
            self._upstream = opening.enter_context(LabUpstream())
            self._tls_upstream = opening.enter_context(LabUpstream(certificates.right))
            another = str(certificates.wrong_file)
            scanner = opening.enter_context(LabScanner())
            asked = opening.enter_context(LabIssuer(certificates.right, ("reader",)))
            main = self._site(
                "main",
                operations=_operations(scanner.address),
                upstream=f"http://127.0.0.1:{self._upstream.port}",
                tls={
                    **_POLICY["tls"],
                    "certificates": [{"certificate": another, "key": another}],
                    "client_ca": str(certificates.ca_file),
                    "client_crl": str(certificates.crl_file),
                },
                transport={"hosts": ["127.0.0.1", "elsewhere.example"]},
                issuers=["local", self._opaque(asked, certificates.ca_file)],
                insecure_issuer_networks=["127.0.0.0/8"],
            )
            absent = {"issuer": _ABSENT_ISSUER, "audience": "lab", "jwks_url": f"{_ABSENT_ISSUER}jwks"}
            broken = self._site(
                "broken",
                upstream=f"http://{_NOBODY}",
                operations=_operations(_NOBODY),
                issuers=["local", absent],
                limits={**_POLICY["limits"], "buffered_bytes": 65_536},
            )
            secure = self._site(
                "secure",
                upstream=f"https://127.0.0.1:{self._tls_upstream.port}",
                forward={"ca_file": str(certificates.ca_file)},
                authenticate={"stale_after_s": 5},
                minimise={"values": "refuse"},
            )
            self.samples = self._make_samples(main)
            # One issuer for all three: a token minted for one is good at the others.
            for site in (broken, secure):
                shutil.copy2(main / ".doorward/keys/issuer.json", site / ".doorward/keys/issuer.json")
            started = [opening.enter_context(_stopping(site)) for site in (main, broken, secure)]
            self._main, self._broken, self._secure = (opening.enter_context(process) for process in started)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def target(self) -> Target:
        """The gateway that ordinary attacks go to."""
        return self._main.target

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Target]:
        """Where a behaviour's request goes, while what it needs holds."""
        match name:
            case "busy":
                with self._held(_CONNECTIONS, f"Bearer {self._tokens.token('reader')}"):
                    yield self._main.target
            case "crowded":
                with self._held(1, self._bearer(_CROWD)):
                    yield self._main.target
            case "control_gone":
                self._tls_upstream.tls = self._certificates.right
                with self._control_stopped():
                    yield self._secure.target
            case "disk_full":
                with self._disk_full():
                    yield self._broken.target
            case "certificate_own" | "certificate_other" | "certificate_revoked" | "certificate_two":
                shown = {
                    "certificate_own": self._certificates.client,
                    "certificate_other": self._certificates.other_client,
                    "certificate_revoked": self._certificates.revoked_client,
                    "certificate_two": self._certificates.two_clients,
                }[name]
                yield replace(self._main.target, tls=shown.trusting(self._main.ca_file))
            case "tls_wrong_name":
                self._tls_upstream.tls = self._certificates.wrong
                yield self._secure.target
            case "tls_right_name" | "unfit_value" | "fit_value":
                self._tls_upstream.tls = self._certificates.right
                yield self._secure.target
            case _:
                yield self._broken.target if name in _BROKEN else self._main.target

    def ask(self, behaviour: str) -> Ask:
        """The request that brings a behaviour about."""
        misbehave = Ask(target=f"/lab/{behaviour}", who="reader", lab=behaviour)
        match behaviour:
            case "foreign_page":
                return replace(misbehave, target="/lab/ok", raw=_FOREIGN_PAGE)
            case "crowded" | "alone":
                return replace(misbehave, target="/lab/ok", who="anonymous").with_header(
                    "Authorization", self._bearer(_CROWD)
                )
            case "scanner_away" | "scanner_there":
                upload = self.samples.upload("text/plain", b"a few plain words\n", looked_into="antivirus")
                return replace(upload or misbehave, lab=behaviour)
            case "quota":
                claims: dict[str, object] = {"sub": "attack-metered", "roles": ["metered"]}
                ask = replace(misbehave, target="/notes", who="anonymous", times=_QUOTA)
                return ask.with_header("Authorization", self._bearer(claims))
            case "token_revoked":
                ask = replace(misbehave, target="/notes", who="anonymous")
                return ask.with_header("Authorization", self._bearer({"jti": _REVOKED}))
            case "certificate_own" | "certificate_other" | "certificate_missing":
                bound: dict[str, object] = {"cnf": {"x5t#S256": self._certificates.client.thumbprint}}
                ask = replace(misbehave, target="/notes", who="anonymous")
                return ask.with_header("Authorization", self._bearer(bound))
            case _ if behaviour.startswith(_CALLER):
                shown = behaviour.removeprefix(_CALLER)
                ask = replace(misbehave, target="/partner/notes", who="anonymous", lab=f"certificate_{shown}")
                return ask.with_header("Client-Cert", self._certificates.client.as_field) if shown == "told" else ask
            case "opaque_good" | "opaque_unknown" | "opaque_flattered":
                tokens = {"opaque_good": issuer.GOOD, "opaque_flattered": issuer.FLATTERED}
                token = tokens.get(behaviour, f"{issuer.PREFIX}guessed")
                ask = replace(misbehave, target="/notes", who="anonymous")
                return ask.with_header("Authorization", f"Bearer {token}")
            case "issuer_unavailable":
                claims = {"iss": _ABSENT_ISSUER, "aud": "lab"}
                return replace(misbehave, who="anonymous").with_header("Authorization", self._bearer(claims))
            case "overload":
                body = b'{"title":"large","priority":1}' + b" " * 200_000
                ask = replace(misbehave, method="POST", target="/notes", body=body, who="writer")
                return ask.with_header("Content-Type", "application/json")
            case "any_origin" | "own_origin":
                origin = "https://evil.example" if behaviour == "any_origin" else "https://app.example"
                return replace(misbehave, target="/lab/any_origin").with_header("Origin", origin)
            case "refused" | "disk_full" | "busy" | "control_gone" | "tls_right_name" | "tls_wrong_name":
                return replace(misbehave, target="/lab/ok")
            case _:
                return misbehave

    def _site(self, name: str, **changes: Any) -> Path:
        """A directory as `doorward init` leaves it, with the laboratory's policy."""
        site = self._directory / name
        site.mkdir()
        self._make_state(site / ".doorward")
        shutil.copyfile(_DESCRIPTION, site / "openapi.yaml")
        # JSON is YAML; what a machine writes need not look as if a person had written it.
        (site / "doorward.yaml").write_bytes(orjson.dumps({**_POLICY, **changes}))
        return site

    def _opaque(self, asked: LabIssuer, ca_file: Path) -> dict[str, Any]:
        """What a policy says of the issuer that is asked about its tokens."""
        secret = self._directory / "introspection.secret"
        secret.write_text(issuer.SECRET)
        secret.chmod(0o600)
        settings = {"endpoint": asked.endpoint, "client_id": issuer.CLIENT_ID, "secret_file": str(secret)}
        return {
            "issuer": issuer.ISSUER,
            "audience": issuer.AUDIENCE,
            "introspection": {**settings, "ca_file": str(ca_file), "prefix": issuer.PREFIX},
        }

    def _make_samples(self, site: Path) -> DescribedSamples:
        policy = load_policy(site / "doorward.yaml")
        description = load_description(policy.api)
        cast = cast_for(description, policy)
        state = StateCredentials(policy)
        self._tokens: MintedTokens = state.tokens(cast, all_scopes(description))
        store = open_store(*store_place(policy.store, policy.state))
        revoke(store, "token", policy.issuer.url, _REVOKED, now=time.time())
        store.close()
        return DescribedSamples(
            description,
            policy,
            cast,
            self._tokens,
            api_keys=state.api_keys(cast),
            client=state.client(cast, description),
            prover=state.prover(self._tokens),
            signers=state.signers(cast),
            sealer=state.sealer(),
            lab=self.ask,
        )

    def _bearer(self, claims: dict[str, object]) -> str:
        return f"Bearer {self._tokens.forge({}, claims, valid_signature=True)}"

    @contextlib.contextmanager
    def _held(self, count: int, authorization: str) -> Iterator[None]:
        """So many requests with this credential are under way at the upstream."""
        target = self._main.target
        fields = (("Authorization", authorization),)
        slow = request_bytes("GET", "/lab/slow", fields, b"", authority=target.authority)
        with contextlib.ExitStack() as held:
            for _ in range(count):
                held.enter_context(Connection(target)).send(slow)
            self._upstream.wait_until_held(count)
            yield
        self._upstream.wait_until_held(0)

    @contextlib.contextmanager
    def _disk_full(self) -> Iterator[None]:
        """No file of the workers' can be written to: the kernel answers them as a full disk would."""
        before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in self._broken.worker_pids}
        for pid, (_, hard) in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            for pid, limit in before.items():
                resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)
        self._wait_until_recorded_again()

    @contextlib.contextmanager
    def _control_stopped(self) -> Iterator[None]:
        """The control process stands still for so long that nobody knows what has been revoked meanwhile."""
        pid = self._secure.control_pid
        os.kill(pid, signal.SIGSTOP)
        try:
            self._wait_until_stale(is_stale=True)
            yield
        finally:
            # the supervisor may have taken it for wedged, and replaced it
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._wait_until_stale(is_stale=False)

    def _wait_until_stale(self, *, is_stale: bool) -> None:
        deadline = time.monotonic() + _RECOVERY_S
        bearer = ("Authorization", f"Bearer {self._tokens.token('reader')}")
        while (self._health(self._secure.target, "/lab/ok", bearer).denial == "authenticate.stale") != is_stale:
            if time.monotonic() > deadline:
                return
            time.sleep(_LOOK_S)

    def _wait_until_recorded_again(self) -> None:
        deadline = time.monotonic() + _RECOVERY_S
        while self._health(self._broken.target).denial == "audit.unavailable":
            if time.monotonic() > deadline:
                raise TimeoutError("the gateway does not record again although the disk has room")
            time.sleep(_LOOK_S)

    @staticmethod
    def _health(target: Target, path: str = "/health", *headers: tuple[str, str]) -> Answer:
        with Connection(target) as connection:
            connection.send(request_bytes("GET", path, headers, b"", authority=target.authority))
            return connection.receive()


@contextlib.contextmanager
def _stopping(site: Path) -> Iterator[GatewayProcess]:
    """A gateway that has been started and is not waited for yet; whatever happens, it is ended."""
    process = GatewayProcess(site / "doorward.yaml")
    try:
        yield process
    finally:
        process.stop()
