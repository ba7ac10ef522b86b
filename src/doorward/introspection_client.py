"""Asks issuers about opaque tokens (RFC 7662), for the checks of one worker. Nothing else makes a worker ask anybody.

How many are under way is bounded, so that tokens nobody issued do not become a flood at the issuer.
"""

import asyncio
import base64
import secrets
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Final
from urllib.parse import quote

import structlog

from doorward.controls.authenticate import IssuerPolicy
from doorward.controls.authenticate.introspection import Answer
from doorward.controls.authenticate.policy import AuthenticatePolicy, IntrospectionPolicy
from doorward.errors import PolicyError
from doorward.jose import JoseError, load_private_keys, sign_jwt
from doorward.outbound import Network, OutboundClient, OutboundRefused
from doorward.outbound_kept import KeptConnections
from doorward.policy.document import Policy

ANSWER_BYTES: Final = 16 * 1024
"""Largest answer read, in bytes."""
UNDER_WAY_MOST: Final = 64
"""Most questions of one worker under way at one issuer: one that takes its time leaves the others theirs. Whoever comes
beyond is told at once that nobody can tell (503)."""
ASSERTION_S: Final = 60
"""How long a signed assertion is good for, in seconds."""
_SECRET_BYTES: Final = 4096
_log: Final = structlog.get_logger()


def introspection_client(policy: Policy, loop: asyncio.AbstractEventLoop | None) -> "IntrospectionClient | None":
    """What asks the issuers of that policy; None where none is to be asked. Errors: PolicyError."""
    if all(issuer.introspection is None for issuer in policy.authenticate.issuers):
        return None
    networks = tuple(ip_network(network) for network in policy.insecure_issuer_networks)
    return IntrospectionClient(policy.authenticate, networks, loop)


class IntrospectionClient:
    """As `controls.authenticate.introspection.Introspector`. Everything happens on the loop's thread."""

    def __init__(
        self,
        policy: AuthenticatePolicy,
        allowed_networks: tuple[Network, ...],
        loop: asyncio.AbstractEventLoop | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Without a `loop` it is a trial of the settings. Errors: PolicyError for a file that cannot be used."""
        self._loop, self._clock = loop, clock
        self._clients: dict[str, OutboundClient] = {}
        self._kept: list[KeptConnections] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: Counter[str] = Counter()
        """By issuer."""
        self._lost: set[str] = set()
        """Issuers that could not be asked the last time: said once, for every stranger can make us ask."""
        for issuer in policy.issuers:
            settings = issuer.introspection
            if settings is None:
                continue
            try:
                _credentials(issuer, settings, clock())
            except _Unusable as error:
                raise PolicyError(str(error), key="issuers", hint="a file that the gateway may read") from error
            kept = KeptConnections(_trust(settings), answer_bytes=ANSWER_BYTES, clock=time.monotonic)
            self._kept.append(kept)
            self._clients[issuer.issuer] = OutboundClient(
                allowed_networks=allowed_networks, document_bytes=ANSWER_BYTES, total_s=settings.timeout_s, kept=kept
            )

    def ask(self, issuer: IssuerPolicy, token: str, done: Callable[[Answer], None]) -> None:
        """Nothing; `done` is called once, later or at once."""
        client, settings = self._clients.get(issuer.issuer), issuer.introspection
        if client is None or settings is None or self._loop is None:
            done(Answer(problem="it is not known here", at=self._clock()))
            return
        if self._under_way[issuer.issuer] >= UNDER_WAY_MOST:
            done(Answer(problem=f"{UNDER_WAY_MOST} questions are under way", at=self._clock()))
            return
        self._under_way[issuer.issuer] += 1
        task = self._loop.create_task(self._answer(client, issuer, settings, token, done))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, issuer.issuer))

    def _ended(self, issuer: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._under_way[issuer] -= 1

    def close(self) -> None:
        """Ask no more; whoever waits is waiting at a worker that has ended."""
        for task in self._tasks:
            task.cancel()
        for kept in self._kept:
            kept.close()

    async def _answer(
        self,
        client: OutboundClient,
        issuer: IssuerPolicy,
        settings: IntrospectionPolicy,
        token: str,
        done: Callable[[Answer], None],
    ) -> None:
        try:
            headers, fields = _credentials(issuer, settings, self._clock())
            form = {"token": token, "token_type_hint": "access_token", **fields}
            body = await client.ask_form(settings.endpoint, form, headers, answer="application/json")
        except (OutboundRefused, _Unusable) as error:
            self._note(issuer.issuer, str(error))
            done(Answer(problem=str(error), at=self._clock()))
        except Exception as error:  # noqa: BLE001 - containment: whoever waits must be told, or they wait for ever
            _log.error("fault", error=type(error).__name__, exc_info=error)
            done(Answer(problem=f"fault: {type(error).__name__}", at=self._clock()))
        else:
            self._note(issuer.issuer, "")
            done(Answer(body=body, at=self._clock()))

    def _note(self, issuer: str, problem: str) -> None:
        """Tell the operator that an issuer can no longer be asked, or can again."""
        if problem and issuer not in self._lost:
            self._lost.add(issuer)
            _log.error("an issuer cannot be asked about tokens", issuer=issuer, reason=problem)
        elif not problem and issuer in self._lost:
            self._lost.discard(issuer)
            _log.info("an issuer can be asked about tokens again", issuer=issuer)


class _Unusable(Exception):
    """A file with a secret or a key cannot be used."""


def _credentials(
    issuer: IssuerPolicy, settings: IntrospectionPolicy, now: float
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What proves the gateway to the issuer: header fields and form fields. Errors: _Unusable."""
    if settings.secret_file is not None:
        # RFC 6749 section 2.3.1: both are written as in a form before they are joined
        pair = f"{quote(settings.client_id, safe='')}:{quote(_secret(Path(settings.secret_file)), safe='')}"
        return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"}, {}
    try:
        key = load_private_keys(Path(settings.key_file or ""))[0]
    except (JoseError, OSError) as error:
        raise _Unusable(f"the key of client {settings.client_id!r} cannot be used: {error}") from error
    claims = {
        "iss": settings.client_id,
        "sub": settings.client_id,
        "aud": settings.assertion_audience or issuer.issuer,
        "jti": secrets.token_urlsafe(16),
        "iat": int(now),
        "exp": int(now) + ASSERTION_S,
    }
    return {}, {
        "client_id": settings.client_id,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": sign_jwt(key, claims, "client-authentication+jwt"),
    }


def _secret(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_SECRET_BYTES + 1)
        text = data.decode("utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _Unusable(f"{path} cannot be read: {type(error).__name__}") from error
    if not text or len(data) > _SECRET_BYTES:
        raise _Unusable(f"{path} holds no secret")
    return text


def _trust(settings: IntrospectionPolicy) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise PolicyError(f"{settings.ca_file} holds no certificates: {error}", key="issuers") from error
