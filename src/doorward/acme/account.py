"""The account at an ACME server: its key, sealed at rest, and the address the server knows it by."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from doorward.errors import PolicyError
from doorward.jose import JoseError, PrivateKey, generate_key, private_key_from_jwk
from doorward.private_file import made_once, read_private


class Seals(Protocol):
    """What seals secrets for a place."""

    def seal(self, data: bytes, place: str) -> str:
        """The data sealed."""

    def open(self, sealed: str, place: str) -> bytes:
        """What was sealed. Errors: ValueError."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account. Its key answers for the names of all its certificates."""

    key: PrivateKey = field(repr=False)

    @property
    def thumbprint(self) -> str:
        """What proves to the server that a name's web server obeys this account (RFC 8555 section 8.1). Not secret."""
        return self.key.public.thumbprint


def load_account(
    directory: Path, server: str, seals: Seals, make: Callable[[], PrivateKey] = lambda: generate_key("ES256")
) -> Account:
    """The account for that server, whose key is in a sealed file of its own; made on first use.

    Errors: PolicyError, OSError.
    """
    name = f"acme-{hashlib.sha256(server.encode()).hexdigest()[:16]}.sealed"
    path, place = directory / name, f"acme/account/{server}"
    found = read_private(path)
    if found is None:
        found = made_once(path, seals.seal(json.dumps(make().jwk()).encode("ascii"), place).encode("ascii"))
    try:
        return Account(private_key_from_jwk(json.loads(seals.open(found.decode("ascii"), place))))
    except (ValueError, JoseError) as error:
        raise PolicyError(
            f"{path} cannot be opened", key="tls.acme", hint="remove it: a new account is made, nothing else is lost"
        ) from error
