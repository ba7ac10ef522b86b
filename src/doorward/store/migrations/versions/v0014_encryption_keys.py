"""Keys of callers, to encrypt answers to."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0014"
down_revision: Final = "0013"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "encryption_keys",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("issuer", sa.String(1024), nullable=False),
        sa.Column("algorithm", sa.String(32), nullable=False),
        sa.Column("public_key", sa.Text),
        sa.Column("sealed_secret", sa.Text),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("revoked_at", sa.Float),
        sa.CheckConstraint("(public_key IS NULL) <> (sealed_secret IS NULL)", name="ck_encryption_keys_one_key"),
        sa.PrimaryKeyConstraint("id", name="pk_encryption_keys"),
    )
    op.create_index("ix_encryption_keys_name", "encryption_keys", ["name"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("encryption_keys")
