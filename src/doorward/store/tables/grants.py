"""What people let programs do, and what became of it."""

from typing import Final

from sqlalchemy import JSON, CheckConstraint, Column, Float, ForeignKey, Integer, String, Table

from doorward.store.tables.metadata import METADATA

consents: Final = Table(
    "consents",
    METADATA,
    Column("user", String(64), ForeignKey("users.name"), primary_key=True),
    Column("client", String(64), ForeignKey("clients.name"), primary_key=True),
    Column("scopes", JSON, nullable=False),
    Column("granted_at", Float, nullable=False),
)
"""What users allowed clients."""

token_families: Final = Table(
    "token_families",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), nullable=False, index=True),
    Column("client", String(64), ForeignKey("clients.name"), nullable=False),
    Column("session", String(32), nullable=False, index=True),
    Column("scopes", JSON, nullable=False),
    Column("auth_time", Float, nullable=False),
    Column("amr", JSON, nullable=False),
    Column("bound_key", String(43)),
    Column("bound_certificate", String(43)),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("revoked_at", Float),
)
"""Everything that came of one authorization: its refresh tokens, one after the other, and its access tokens. Every use
updates its row first, which orders refreshing against revoking."""

issued_tokens: Final = Table(
    "issued_tokens",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("family", String(32), nullable=False, index=True),
    Column("issuer", String(1024), nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
)
"""Access tokens of families while they live, by `jti`: revoking a family revokes them by name."""

device_grants: Final = Table(
    "device_grants",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("client", String(64), ForeignKey("clients.name"), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("address", String(64), nullable=False),
    Column("interval_s", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    Column("polled_at", Float),
    Column(
        "state", String(8), CheckConstraint("state IN ('pending', 'allowed', 'denied')", name="state"), nullable=False
    ),
    Column("user", String(64), ForeignKey("users.name")),
    Column("session", String(32)),
    Column("auth_time", Float),
    Column("amr", JSON),
)
"""What devices wait for, and what their users said. Both codes are in `single_use`, which alone says whether they may
be used."""

logout_notices: Final = Table(
    "logout_notices",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("client", String(64), ForeignKey("clients.name"), nullable=False, index=True),
    Column("user", String(64), nullable=False),
    Column("session", String(32), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("next_at", Float, nullable=False, index=True),
)
"""Clients still to be told that a session ended; only `identity.logout_notices` reads and writes it."""
