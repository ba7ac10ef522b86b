"""What every peer is given: a directory of its own, a port, a certificate, and the upstream to proxy."""

import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trustme

ROOT = Path(__file__).parent.parent
CORE_PEER, CORE_LOAD = 0, 1
"""The peer has one core for itself; wrk and the upstream share the other."""
BINARIES = (ROOT / ".venv-bench" / "bin", ROOT / ".venv" / "bin")


@dataclass(frozen=True, slots=True)
class Site:
    """Where one peer runs, once."""

    directory: Path
    port: int
    tls: bool
    upstream_port: int
    certificate: Path
    """PEM chain; `key` is its private key, `both` the two in one file (HAProxy)."""
    key: Path
    both: Path

    def write(self, name: str, text: str) -> str:
        """The path of a configuration file with that text."""
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return str(path)


@dataclass(frozen=True, slots=True)
class Command:
    """How a peer is started, and what its requests must carry."""

    arguments: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    refuses_without_token: bool = False
    """It must answer 401 without these headers, or it is not measured."""
    blocks: str = ""
    """A query that it must refuse, or it is not measured."""


def binary(name: str) -> str | None:
    """The path of a program: from the benchmark's own environment, else from the system."""
    for directory in BINARIES:
        if (directory / name).exists():
            return str(directory / name)
    return shutil.which(name)


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


def write_certificate(directory: Path) -> tuple[Path, Path, Path]:
    """Certificate, key, and both in one file, for 127.0.0.1 (ECDSA P-256, as public sites have)."""
    issued = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
    certificate, key, both = (directory / name for name in ("server.pem", "server.key", "both.pem"))
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    certificate.write_bytes(chain)
    key.write_bytes(issued.private_key_pem.bytes())
    both.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    return certificate, key, both
