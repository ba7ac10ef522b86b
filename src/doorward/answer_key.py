"""The key that the gateway signs answers with: an Ed25519 key pair of the installation, made on first use."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from doorward.errors import PolicyError
from doorward.private_file import made_once, read_private
from doorward.signatures import SigningKey, private_key_from_pem
from doorward.signatures.keys import KeyRefused, generate_ed25519, public_pem

KEY_NAME: Final = "answers.pem"
"""Beside the other keys, in `keys/` of the state directory."""


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """The key, by an id that follows from it."""

    id: str
    key: SigningKey
    public: str = field(repr=False)
    """The public key as PEM: what clients check answers with."""


def load_answer_key(keys: Path) -> AnswerKey | None:
    """The key in a `keys/` directory; None where there is none. Errors: PolicyError."""
    data = read_private(keys / KEY_NAME)
    return None if data is None else _from_pem(data, keys / KEY_NAME)


def answer_key_for(keys: Path) -> AnswerKey:
    """The key in a `keys/` directory, made where there is none. Errors: PolicyError, OSError."""
    found = load_answer_key(keys)
    return found or _from_pem(made_once(keys / KEY_NAME, generate_ed25519()[0]), keys / KEY_NAME)


def new_answer_key() -> AnswerKey:
    """A key that is kept nowhere: for trials."""
    return _from_pem(generate_ed25519()[0], Path(KEY_NAME))


def _from_pem(pem: bytes, path: Path) -> AnswerKey:
    try:
        public = public_pem(pem)
        key_id = "answers-" + hashlib.sha256(public.encode()).hexdigest()[:16]
        return AnswerKey(key_id, private_key_from_pem(pem), public)
    except KeyRefused as error:
        raise PolicyError(f"{path}: {error}", key="state", hint="restore the file") from error
