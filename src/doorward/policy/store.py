"""What an operator may write about the store: by default a SQLite file, or a PostgreSQL database."""

from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from doorward.policy.values import PolicyPath

_SERVER_SAYS: Final = "-c statement_timeout=10000 -c idle_in_transaction_session_timeout=60000"
"""What the server is told of our sessions, in milliseconds: none may hold a row, or a thread of ours, for ever."""
_CONNECT_S: Final = 3
"""Longest wait for a connection, in seconds: less than it takes until a silent control process counts as wedged."""
_UNACKNOWLEDGED_MS: Final = 4_000
"""How long the network may take to say that it has what we sent, in milliseconds (`tcp_user_timeout`): less, too."""


class StoreSettings(BaseModel):
    """The PostgreSQL database that users, clients, keys, sessions and tokens stand in."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    url: str
    """As `postgresql://doorward@db.internal:5432/doorward`, or `postgresql:///doorward?host=/run/postgresql` for a Unix
    socket. Without a password: that is `password`. It needs the extra `doorward[postgres]`, and its own database."""
    password: SecretStr | None = Field(default=None, exclude=True)
    """As `${DATABASE_PASSWORD}` or `file:database.password`. None: as libpq finds it (`PGPASSFILE`), or none is needed.
    Workers never get it."""
    ca_file: PolicyPath | None = None
    """PEM certificates that may vouch for the server; None: those of the system. A server that is not on this machine
    is always asked for a certificate of its name."""

    @field_validator("url")
    @classmethod
    def _is_plain(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            options = parse_qsl(parts.query, strict_parsing=bool(parts.query))
            _ = parts.port
        except ValueError:
            raise ValueError("is not a URL: write postgresql://user@host:5432/database") from None
        if parts.password is not None:
            raise ValueError("has a password, which everybody sees who sees the policy: write it as `password`")
        if parts.scheme != "postgresql" or not parts.path.strip("/") or parts.fragment:
            raise ValueError("is no PostgreSQL database: write postgresql://user@host:5432/database")
        if any(name != "host" or not value.startswith("/") or parts.hostname for name, value in options):
            raise ValueError("has options: all that can be written is ?host=/directory, where a Unix socket stands")
        return url

    @property
    def is_near(self) -> bool:
        """Whether the server is on this machine, so that nobody stands between."""
        parts = urlsplit(self.url)
        if not parts.hostname:
            return True
        try:
            return ip_address(parts.hostname).is_loopback
        except ValueError:
            return parts.hostname == "localhost"

    def arguments(self) -> dict[str, str | int]:
        """What libpq is told beside the URL. It holds the password.

        Source: PostgreSQL 17 manual, 32.1.2 (parameter key words).
        """
        told: dict[str, str | int] = {
            "application_name": "doorward",
            "connect_timeout": _CONNECT_S,
            "tcp_user_timeout": _UNACKNOWLEDGED_MS,
            "options": _SERVER_SAYS,
        }
        if self.password is not None:
            told["password"] = self.password.get_secret_value()
        if self.ca_file is not None or not self.is_near:
            told |= {"sslmode": "verify-full", "sslrootcert": str(self.ca_file or "system")}
        return told


def store_place(settings: StoreSettings | None, state: Path) -> tuple[str, dict[str, str | int]]:
    """The URL of the store and what its driver is told beside it. By default it is a file in the state directory."""
    if settings is None:
        return f"sqlite:///{(state / 'store.db').resolve()}", {}
    return settings.url.replace("postgresql://", "postgresql+psycopg://", 1), settings.arguments()
