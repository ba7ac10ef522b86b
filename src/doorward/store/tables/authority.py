"""The certificate authority, and what it signed."""

from typing import Final

from sqlalchemy import JSON, CheckConstraint, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from doorward.store.tables.metadata import METADATA

authorities: Final = Table(
    "authorities",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("kind", String(16), CheckConstraint("kind IN ('root', 'issuing')", name="kind"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("certificate", Text, nullable=False),
    Column("sealed_key", Text),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    CheckConstraint("(kind = 'root') = (sealed_key IS NULL)", name="root_key_elsewhere"),
    Index("ix_authorities_kind", "kind", "generation", unique=True),
)
"""The certificate authority: one root, whose key is not here, and the issuing authorities under it, keys sealed."""

certificates: Final = Table(
    "certificates",
    METADATA,
    Column("serial", String(32), primary_key=True),
    Column("lineage", String(32), nullable=False, index=True),
    Column("name", String(64), nullable=False, index=True),
    Column("kind", String(16), CheckConstraint("kind IN ('client', 'server')", name="kind"), nullable=False),
    Column("authority", String(64), ForeignKey("authorities.id"), nullable=False, index=True),
    Column("certificate", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("names", JSON, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("claims", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("renewed_at", Float),
    Column("revoked_at", Float),
    Column("reason", String(32), nullable=False),
)
"""Certificates that the authority signed. `lineage` is the serial that renewals go back to: what is revoked is revoked
with its successors."""
