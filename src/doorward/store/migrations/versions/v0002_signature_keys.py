"""Keys that partners sign requests with."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "signature_keys",
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("algorithm", sa.String(32), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("public_key", sa.Text),
        sa.Column("sealed_secret", sa.Text),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("claims", sa.JSON, nullable=False),
        sa.Column("networks", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("revoked_at", sa.Float),
        sa.CheckConstraint("purpose IN ('rfc9421', 'hmac')", name="ck_signature_keys_purpose"),
        sa.CheckConstraint("(public_key IS NULL) <> (sealed_secret IS NULL)", name="ck_signature_keys_one_key"),
        sa.ForeignKeyConstraint(["name"], ["principals.name"], name="fk_signature_keys_name_principals"),
        sa.PrimaryKeyConstraint("id", name="pk_signature_keys"),
    )
    op.create_index("ix_signature_keys_name", "signature_keys", ["name"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("signature_keys")
