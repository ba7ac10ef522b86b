"""The snapshot: everything a worker needs, as plain data in one authenticated file.

The control process writes it; workers read it, start from it, and go on from the last good one when the control
process is gone. It must hold no private key: it names the files that do. Shared secrets in it are sealed; the key that
opens them stands beside it (`doorward.sealing`).
"""

import hashlib
import hmac
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

from doorward.errors import Fault, PolicyError
from doorward.policy.document import Policy

FORMAT: Final = 1
"""Raised whenever a field changes its meaning; another format is refused, never guessed at."""
KEY_BYTES: Final = 32
SNAPSHOT_BYTES: Final = 256 << 20
"""Largest snapshot file read, in bytes: a million API-key records fit, a file gone wild does not."""
_PURPOSE: Final = b"doorward snapshot 1\n"


class SnapshotRefused(Fault):
    """The file is missing, damaged, forged or of another format; the last good snapshot stays in use."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One published state of the gateway. Plain data only; workers compile it."""

    number: int
    """Counts up by one with every snapshot published in this state directory."""
    policy_file: str
    """Absolute path of `doorward.yaml`, for messages."""
    policy: dict[str, Any]
    """The validated policy in its JSON form: what the operator wrote, without the defaults (`policy_data`)."""
    description: dict[str, Any]
    """The bundled OpenAPI document."""
    credentials: dict[str, Any]
    """Issuers' public keys, API-key records, signature keys (secrets sealed) and revocations, as
    `controls.authenticate.Credentials` reads them."""

    acme_thumbprint: str = ""
    """Of the account at the ACME server, where the policy names one: what its questions are answered with. Public."""
    issuer_keys_at: dict[str, int] = {}
    """When the keys of each external issuer were fetched: Unix seconds, to the hour."""

    @property
    def version(self) -> str:
        """A short hash of policy and API description: the same text gives the same version on every machine."""
        encoded = msgspec.json.encode([self.policy, self.description], order="sorted")
        return hashlib.sha256(encoded).hexdigest()[:12]

    def same_content(self, other: "Snapshot") -> bool:
        """Whether both differ in nothing but their number."""
        return msgspec.structs.replace(self, number=other.number) == other

    def parsed_policy(self) -> Policy:
        """The policy as the controls take it. Errors: pydantic's ValidationError when another version wrote it."""
        # By way of JSON: only then does pydantic's strict mode take a list for a tuple, as a document must.
        directory = Path(self.policy_file).parent
        return Policy.model_validate_json(msgspec.json.encode(self.policy), context={"directory": directory})

    def write(self, path: Path) -> None:
        """Publish: whole or not at all, durable, readable by the owner only.

        Errors: PolicyError when the key is missing; OSError when the disk refuses.
        """
        body = msgspec.json.encode(self)
        envelope = _Envelope(format=FORMAT, mac=_mac(body, snapshot_key(path)), snapshot=msgspec.Raw(body))
        # A temporary file of the same directory: rename is atomic only within one file system. mkstemp makes it 0600.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(envelope))
                file.flush()
                os.fsync(file.fileno())
            Path(name).rename(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)

    @classmethod
    def read(cls, path: Path) -> "Snapshot":
        """The snapshot in that file, once it proved to be whole and ours.

        Errors: SnapshotRefused; PolicyError when the key is missing.
        """
        key = snapshot_key(path)
        try:
            if path.stat().st_size > SNAPSHOT_BYTES:
                raise SnapshotRefused(f"{path} is larger than {SNAPSHOT_BYTES} bytes")
            envelope = msgspec.json.decode(path.read_bytes(), type=_Envelope)
        except FileNotFoundError:
            raise SnapshotRefused(f"{path} does not exist yet: the control process has not published") from None
        except OSError as error:
            raise SnapshotRefused(f"{path} cannot be read: {error.strerror}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SnapshotRefused(f"{path} is damaged: {error}") from error
        if envelope.format != FORMAT:
            raise SnapshotRefused(f"{path} has format {envelope.format}, this version reads {FORMAT}")
        body = bytes(envelope.snapshot)
        if not hmac.compare_digest(envelope.mac.encode(), _mac(body, key).encode()):
            raise SnapshotRefused(f"{path} was not written with this state directory's snapshot key, or was changed")
        try:
            return msgspec.json.decode(body, type=cls)
        except msgspec.DecodeError as error:
            raise SnapshotRefused(f"{path} does not hold a snapshot: {error}") from error


def policy_data(policy: Policy) -> dict[str, Any]:
    """The policy as plain data: only what was written, since what was not written may be merged per operation."""
    return policy.model_dump(mode="json", by_alias=True, exclude_unset=True)


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    mac: str
    snapshot: msgspec.Raw


def snapshot_key(path: Path) -> bytes:
    """The key that authenticates the snapshot at `path`: `keys/snapshot.key` beside it. Errors: PolicyError."""
    file = path.parent / "keys" / "snapshot.key"
    try:
        key = file.read_bytes()
    except OSError as error:
        raise PolicyError(
            f"{file} cannot be read: {error.strerror}", key="state", hint="run `doorward init` to make the keys"
        ) from error
    if len(key) != KEY_BYTES:
        raise PolicyError(f"{file} holds {len(key)} bytes, not {KEY_BYTES}", key="state")
    return key


def _mac(body: bytes, key: bytes) -> str:
    return hmac.new(key, _PURPOSE + body, hashlib.sha256).hexdigest()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
