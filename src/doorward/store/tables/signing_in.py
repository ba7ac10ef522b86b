"""What people prove themselves by, and what is known of their tries."""

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, false

from doorward.store.tables.metadata import METADATA

totp_factors: Final = Table(
    "totp_factors",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), nullable=False, index=True),
    Column("label", String(64), nullable=False),
    Column("seed_sealed", String(256), nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
)
"""Authenticator apps. The seed is sealed for its row; `last_step` only grows, so no code works twice."""

passkeys: Final = Table(
    "passkeys",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), nullable=False, index=True),
    Column("credential_hash", String(64), nullable=False),
    Column("credential_id", Text, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("label", String(64), nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("transports", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float),
    Column("factor_only", Boolean, nullable=False, server_default=false()),
    Index("ix_passkeys_credential_hash", "credential_hash", unique=True),
)
"""Passkeys: what their authenticators call them (found by its hash, once over all users) and their public keys.
`factor_only`: it signs in no longer alone, since its user said of a change that it was not theirs."""

devices: Final = Table(
    "devices",
    METADATA,
    Column("hash", String(64), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), primary_key=True, index=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)
"""Browsers that signed this user in."""

issuer_links: Final = Table(
    "issuer_links",
    METADATA,
    Column("issuer", String(512), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), nullable=False, index=True),
    Column("made_account", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float, nullable=False),
)
"""Accounts at other providers, by (issuer, subject) alone. `made_account`: the user exists because of it."""

login_counters: Final = Table(
    "login_counters",
    METADATA,
    Column("account", String(64), primary_key=True),
    Column("place", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Float, nullable=False, index=True),
    Column("version", Integer, nullable=False),
)
"""Failed guesses; only `identity.risk.counters` reads and writes it. `account` is a keyed hash of what was typed as a
name: people type passwords there."""

sessions: Final = Table(
    "sessions",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("user", String(64), ForeignKey("users.name"), nullable=False, index=True),
    Column("amr", JSON, nullable=False),
    Column("auth_time", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_seen_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", String(128), nullable=False),
    Column("revoked_at", Float),
    Column("signs", Integer, nullable=False, server_default="0"),
    Column("hash_before", String(64)),
    Column("renewed_at", Float),
    Index("ix_sessions_hash", "hash", unique=True),
    Index("ix_sessions_hash_before", "hash_before"),
)
"""Login sessions. `id` is for lists; the cookie is kept as `hash` alone, the one replaced at `renewed_at` as
`hash_before`. `signs`: of somebody else having the cookie."""
