"""Judges a policy whole, and publishes what workers serve from. Used by the control process and, to judge, by `run`."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import structlog

from doorward.answer_key import new_answer_key
from doorward.controls.authenticate import AnswerSigner, Credentials, credentials_data
from doorward.controls.forward import IdentitySigner
from doorward.controls.limits import Counters
from doorward.errors import PolicyError
from doorward.gateway.server_tls import ServerTls
from doorward.introspection_client import introspection_client
from doorward.jose import generate_key
from doorward.operation import ApiDescription
from doorward.pipeline import compile_pipeline
from doorward.policy.document import Policy
from doorward.policy.loading import load_policy
from doorward.policy.openapi import description_from_document, in_description, load_description
from doorward.policy.snapshot import Snapshot, SnapshotRefused, policy_data

SNAPSHOT_NAME: Final = "snapshot.json"
NEEDS_RESTART: Final = ("listen", "plain_redirect", "workers", "state", "insecure_plain_http", "issuer", "admin")
"""Settings that are read once, when `doorward run` starts."""

_log = structlog.get_logger()


def _trial_signer() -> AnswerSigner:
    key = new_answer_key()
    return AnswerSigner(key.id, key.key)


def _require_extras(policy: Policy) -> None:
    if policy.limits.shared is not None and find_spec("redis") is None:
        raise PolicyError(
            "shared limits need the package `redis`", key="limits.shared", hint="pip install 'doorward[valkey]'"
        )


@dataclass(frozen=True, slots=True)
class Checked:
    """A policy and an API description that fit each other."""

    policy: Policy
    description: ApiDescription

    def run_by(self, workers: int) -> "Checked":
        """The same with the number of workers that there really are."""
        return Checked(self.policy.run_by(workers), self.description)


def load_checked(policy_file: Path) -> Checked:
    """The policy of a file and its API description, after everything a worker will do with them was tried.

    Errors: PolicyError.
    """
    policy = load_policy(policy_file)
    description = load_description(policy.api)
    try:
        if policy.tls is not None:
            ServerTls(policy.tls)
        _require_extras(policy)
        introspection_client(policy, None)
        compile_pipeline(
            policy,
            description,
            version="",
            credentials=Credentials.from_data(credentials_data(issuers={})),
            # A trial must not touch the real keys: it would fail where they are unreadable for another reason.
            signer=IdentitySigner(generate_key("ES256"), policy.forward),
            counters=Counters(),
            record_key=bytes(32),
            answers=_trial_signer(),
        )
    except PolicyError as error:
        raise in_description(error, policy.api).at(file=str(policy_file)) from None
    return Checked(policy, description)


def last_published(path: Path) -> tuple[Checked, Snapshot] | None:
    """What the last good snapshot holds; None when there is none. Errors: PolicyError when its key is missing."""
    if not path.exists():
        return None
    try:
        snapshot = Snapshot.read(path)
        return Checked(snapshot.parsed_policy(), description_from_document(snapshot.description)), snapshot
    except (SnapshotRefused, PolicyError, ValueError) as error:
        _log.warning("no good snapshot of an earlier run", reason=str(error))
        return None


class Publisher:
    """Writes a snapshot whenever what it would hold differs from the last one."""

    __slots__ = ("_last", "_path", "_policy_file", "checked")

    def __init__(self, path: Path, policy_file: Path, checked: Checked, last: Snapshot | None) -> None:
        self._path, self._policy_file, self.checked, self._last = path, policy_file, checked, last

    def adopt(self, checked: Checked) -> None:
        """Publish this policy from now on. What cannot change while the gateway runs is said and left as it is."""
        for name in NEEDS_RESTART:
            if getattr(checked.policy, name) != getattr(self.checked.policy, name):
                _log.warning("this change takes effect at the next start", key=name, file=str(self._policy_file))
        self.checked = checked.run_by(self.checked.policy.workers)

    def publish(
        self, credentials: Mapping[str, Any], issuer_keys_at: Mapping[str, int], *, acme_thumbprint: str = ""
    ) -> Snapshot | None:
        """The snapshot written, or None when nothing changed. Errors: OSError, PolicyError."""
        last = self._last
        snapshot = Snapshot(
            number=1 if last is None else last.number + 1,
            policy_file=str(self._policy_file),
            policy=policy_data(self.checked.policy),
            description=dict(self.checked.description.document),
            credentials=dict(credentials),
            issuer_keys_at=dict(issuer_keys_at),
            acme_thumbprint=acme_thumbprint,
        )
        if last is not None and last.same_content(snapshot):
            return None
        snapshot.write(self._path)
        self._last = snapshot
        _log.info("published", number=snapshot.number, version=snapshot.version)
        return snapshot
