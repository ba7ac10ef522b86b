"""What a worker serves by, made from its snapshot: replaced by a new good one, kept when a bad one comes."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from doorward import answer_key, encryption_key, sealing
from doorward.answer_key import AnswerKey, load_answer_key
from doorward.automata import keep_in
from doorward.controls import inspect
from doorward.controls.authenticate import AnswerSigner, Credentials, Nonces, nonce_key
from doorward.controls.forward import IdentitySigner
from doorward.controls.limits import Counters, Link
from doorward.encryption_key import load_encryption_keys
from doorward.errors import Fault, PolicyError
from doorward.file_stamp import Stamp, stamp
from doorward.freshness import Freshness
from doorward.introspection_client import IntrospectionClient, introspection_client
from doorward.jose import JoseError, load_private_keys
from doorward.operation import ApiDescription
from doorward.pipeline import Pipeline, compile_pipeline
from doorward.policy.document import Policy
from doorward.policy.openapi import description_from_document
from doorward.policy.snapshot import Snapshot
from doorward.sealing import load_sealer

_log: Final = structlog.get_logger()
_KEY_FILES: Final = ("upstream.json", "record.key", sealing.KEY_NAME, answer_key.KEY_NAME, encryption_key.KEY_NAME)
RETRY_S: Final = 5.0
"""Time between two tries to take over a snapshot that was refused, in seconds: what was wrong with it, a lack of file
descriptors for one, may be over without a change of any file."""


class Serving:
    """The policy, the pipeline and the credentials in force in this worker, read from the snapshot at `path`."""

    def __init__(
        self,
        path: Path,
        limit_link: Link | None = None,
        *,
        workers: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limit_link` leads to the counts that several workers share.

        `workers`: how many there are, whatever the policy says meanwhile; None: as many as it says.

        Errors: SnapshotRefused, PolicyError: without one good snapshot nothing can be served.
        """
        self._path, self._workers = path, workers
        keep_in(path.parent / "automata")
        self._keys = path.parent / "keys"
        self._stamps = self._all_stamps()
        self._snapshot = Snapshot.read(path)
        self.policy = self._parsed_policy(self._snapshot)
        self.credentials = Credentials.from_data(self._snapshot.credentials, unseal=self._unseal())
        self.credentials.nonces = Nonces(nonce_key(self._record_key(), os.uname().nodename))
        self._clock, self._try_again_at = clock, float("inf")
        """When a snapshot that was refused is tried again; infinite: none was."""
        self._is_current = True
        """The credentials that are published are in force."""
        self._freshness = Freshness(path.parent, clock)
        self.credentials.age_s = self._freshness.served(self._freshness.age_s(), is_current=self._is_current)
        self._take_encryption_keys()
        self._warn_of_unusable_keys()
        self.counters = Counters(self.policy.workers, link=limit_link if self.policy.counts_together else None)
        self.pipeline = self._compiled(self._snapshot, self.policy)
        self._asking: IntrospectionClient | None = None
        self._asks_on: asyncio.AbstractEventLoop | None = None
        inspect.warm()

    @property
    def acme_thumbprint(self) -> str:
        """Of the account at the ACME server; empty where the policy names none."""
        return self._snapshot.acme_thumbprint

    def ask_issuers(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Ask issuers about opaque tokens on that loop, those of new policies too; None: no more.

        Errors: PolicyError.
        """
        if self._asking is not None:
            self._asking.close()
        self._asks_on = loop
        self._asking = None if loop is None else introspection_client(self.policy, loop)
        self.credentials.introspector = self._asking

    def refresh(self) -> bool:
        """Whether a new policy came into force. New credentials take effect in place, without new plans.

        What cannot be used is logged and tried again, now and then or as soon as a file changes: a new policy, in whose
        place the one in force stays while the credentials published with it count; or the credentials, which grow old.
        """
        # Before the snapshot is read: what was confirmed then is what is read now, or older.
        age_s = self._freshness.look()
        has_new_policy = self._read_again()
        self.credentials.age_s = self._freshness.served(age_s, is_current=self._is_current)
        return has_new_policy

    def _read_again(self) -> bool:
        now = self._all_stamps()
        if now == self._stamps and self._clock() < self._try_again_at:
            return False
        self._stamps, self._is_current, self._try_again_at = now, False, float("inf")
        try:
            snapshot = Snapshot.read(self._path)
            # First, and whatever becomes of the policy: a revocation must not wait for it.
            self._apply(snapshot)
            self._is_current = True
            if snapshot.version == self._snapshot.version:
                self._snapshot = snapshot
                return False
            policy = self._parsed_policy(snapshot)
            pipeline = self._compiled(snapshot, policy)
        except (Fault, PolicyError, OSError, ValueError, KeyError, TypeError) as error:
            _log.error("snapshot refused, the one in force stays", reason=f"{type(error).__name__}: {error}")
            self._try_again_at = self._clock() + RETRY_S
            return False
        self._snapshot, self.policy, self.pipeline = snapshot, policy, pipeline
        self._renew_asking(policy)
        _log.info("policy in force", version=snapshot.version, number=snapshot.number)
        return True

    def _renew_asking(self, policy: Policy) -> None:
        if self._asks_on is None:
            return
        try:
            client = introspection_client(policy, self._asks_on)
        except PolicyError as error:
            # issuers that are new are not known to the client in force: their tokens get 503
            _log.error("questions about tokens go on as before", reason=str(error))
        else:
            # what the one before was asked is still answered
            self._asking = self.credentials.introspector = client

    def _parsed_policy(self, snapshot: Snapshot) -> Policy:
        policy = snapshot.parsed_policy()
        return policy if self._workers is None else policy.run_by(self._workers)

    def _apply(self, snapshot: Snapshot) -> None:
        # The key may have been made since: with the first secret that was sealed.
        self.credentials.unseal = self.credentials.unseal or self._unseal()
        self._take_encryption_keys()
        before = self.credentials.unusable_keys
        self.credentials.apply(snapshot.credentials)
        if self.credentials.unusable_keys != before:
            self._warn_of_unusable_keys()

    def _all_stamps(self) -> tuple[Stamp, ...]:
        return tuple(stamp(path) for path in (self._path, *(self._keys / name for name in _KEY_FILES)))

    def _unseal(self) -> Callable[[str, str], bytes] | None:
        """What opens sealed secrets. A key that cannot be read costs those who need it, and nobody else."""
        try:
            sealer = load_sealer(self._keys)
        except PolicyError as error:
            _log.error("sealed secrets cannot be opened", reason=str(error))
            return None
        return None if sealer is None else sealer.open

    def _take_encryption_keys(self) -> None:
        """Open messages with the keys there are now. Those that cannot be read cost who needs them, and nobody else."""
        try:
            self.credentials.encryption.take_own(load_encryption_keys(self._keys))
        except PolicyError as error:
            _log.error("encrypted bodies cannot be opened with new keys", reason=str(error))

    def _warn_of_unusable_keys(self) -> None:
        for reason in self.credentials.unusable_keys:
            _log.warning("a key is left out", reason=reason)

    def _record_key(self) -> bytes:
        try:
            return (self._keys / "record.key").read_bytes()
        except OSError as error:
            raise _unreadable(error) from error

    def _answer_key(self, policy: Policy, description: ApiDescription) -> AnswerKey | None:
        """The key that signs answers. One that cannot be used costs a policy that wants none signed nothing."""
        try:
            return load_answer_key(self._keys)
        except PolicyError as error:
            if any(policy.operation_policy(operation).sign_answers for operation in description.operations):
                raise
            _log.error("the key of signed answers cannot be used", reason=str(error))
            return None

    def _compiled(self, snapshot: Snapshot, policy: Policy) -> Pipeline:
        try:
            keys = load_private_keys(self._keys / "upstream.json")
        except JoseError as error:
            raise PolicyError(error.problem, key="state", hint="restore the file that init wrote") from error
        except OSError as error:
            raise _unreadable(error) from error
        description = description_from_document(snapshot.description)
        answers = self._answer_key(policy, description)
        return compile_pipeline(
            policy,
            description,
            version=snapshot.version,
            credentials=self.credentials,
            signer=IdentitySigner(keys[0], policy.forward),
            counters=self.counters,
            record_key=self._record_key(),
            answers=None if answers is None else AnswerSigner(answers.id, answers.key),
        )


def _unreadable(error: OSError) -> PolicyError:
    return PolicyError(
        f"{error.filename} cannot be read: {error.strerror}", key="state", hint="restore it from a backup"
    )
