"""The first tables: principals, users, clients, API keys, revocations."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "principals",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.CheckConstraint("kind IN ('user', 'client', 'api_key')", name="ck_principals_kind"),
        sa.PrimaryKeyConstraint("name", name="pk_principals"),
    )
    op.create_table(
        "users",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("password_hash", sa.String(256)),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("claims", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("disabled_at", sa.Float),
        sa.ForeignKeyConstraint(["name"], ["principals.name"], name="fk_users_name_principals"),
        sa.PrimaryKeyConstraint("name", name="pk_users"),
    )
    op.create_table(
        "clients",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("claims", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("disabled_at", sa.Float),
        sa.ForeignKeyConstraint(["name"], ["principals.name"], name="fk_clients_name_principals"),
        sa.PrimaryKeyConstraint("name", name="pk_clients"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("claims", sa.JSON, nullable=False),
        sa.Column("networks", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("revoked_at", sa.Float),
        sa.ForeignKeyConstraint(["name"], ["principals.name"], name="fk_api_keys_name_principals"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_name", "api_keys", ["name"])
    op.create_table(
        "revocations",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("issuer", sa.String(1024), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("revoked_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.CheckConstraint("kind IN ('token', 'subject', 'client', 'key')", name="ck_revocations_kind"),
        sa.PrimaryKeyConstraint("kind", "issuer", "name", name="pk_revocations"),
    )


def downgrade() -> None:
    """Remove them."""
    for name in ("revocations", "api_keys", "clients", "users", "principals"):
        op.drop_table(name)
